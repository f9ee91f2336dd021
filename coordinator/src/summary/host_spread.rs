//! How far the hosts of a cell are apart.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The hosts of a cell at both ends and in the middle, by operations per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostSpread {
    /// The slowest host.
    pub slowest: HostRate,
    /// The host in the middle; the slower one of two.
    pub median: HostRate,
    /// The fastest host.
    pub fastest: HostRate,
}

/// A host and its rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostRate {
    /// Its name.
    pub host: String,
    /// Operations per second, the mean of the trials that count.
    pub iops: f64,
}

impl HostSpread {
    /// The spread of hosts; `None` of fewer than two.
    #[must_use]
    pub fn of(rates: impl IntoIterator<Item = HostRate>) -> Option<Self> {
        let mut rates: Vec<HostRate> = rates.into_iter().collect();
        // Stable, so hosts of one rate stay in the order of the inventory.
        rates.sort_by(|a, b| a.iops.total_cmp(&b.iops));
        match rates.as_slice() {
            [slowest, .., fastest] => Some(Self {
                slowest: slowest.clone(),
                median: rates[(rates.len() - 1) / 2].clone(),
                fastest: fastest.clone(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_found() {
        let rate = |(host, iops): (&str, f64)| HostRate { host: host.into(), iops };
        let of = |rates: &[(&str, f64)]| {
            let found = HostSpread::of(rates.iter().copied().map(rate))?;
            Some([found.slowest.host, found.median.host, found.fastest.host])
        };
        let names = |names: [&str; 3]| Some(names.map(String::from));
        assert_eq!(of(&[("n1", 3.0), ("n2", 1.0), ("n3", 2.0)]), names(["n2", "n3", "n1"]));
        assert_eq!(of(&[("n1", 3.0), ("n2", 1.0)]), names(["n2", "n2", "n1"]));
        assert_eq!(of(&[("n1", 1.0), ("n2", 1.0), ("n3", 1.0)]), names(["n1", "n2", "n3"]));
        assert_eq!((of(&[("n1", 3.0)]), of(&[])), (None, None));
    }
}
