//! Urgent operations: their share, and the means by which they are preferred.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    checks::{Errors, is_sectors},
    rule::{Quantity, Rule},
    series::Lane,
    trial::{Engine, Trial},
    units::ByteSize,
};

/// Urgent operations, which are measured separately and may be preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Urgent {
    /// Share of the operations, from 0.001% to 50%.
    pub share: Share,
    /// The means by which they are preferred.
    pub by: UrgentBy,
    /// Size of an urgent operation; every `workload.block_size` must be a multiple of it. Absent: the workload's sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<ByteSize>,
}

/// The means by which urgent operations are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UrgentBy {
    /// They are not preferred, only measured separately: the control.
    None,
    /// By the I/O priority of the request: the real-time class if permitted, otherwise the highest best-effort level.
    Ioprio,
    /// By a second ring for them in each worker, which is submitted first and polled first.
    SeparateRing,
    /// By the kernel, which issues them first within a batch (`IOSQE_URGENT`); needs the patched kernel of kernel/.
    IosqeUrgent,
}

impl UrgentBy {
    /// All means, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::None, Self::Ioprio, Self::SeparateRing, Self::IosqeUrgent];

    /// The word used in scenarios and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ioprio => "ioprio",
            Self::SeparateRing => "separate_ring",
            Self::IosqeUrgent => "iosqe_urgent",
        }
    }
}

/// A share of operations, in millionths. Written as a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(pub u32);

/// The largest share of urgent operations.
pub const MAX_URGENT: Share = Share(500_000);
/// The smallest share of urgent operations.
pub const MIN_URGENT: Share = Share(10);

impl Share {
    /// From 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("`{text}` is not a share: {why}");
        let number = text.trim().strip_suffix('%').ok_or_else(|| refuse("write a percentage, such as 1%"))?;
        let number = number.trim();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || number.ends_with('.') || !digits(whole) || !digits(fraction) {
            return Err(refuse("a percentage is a number, such as 1% or 0.5%"));
        }
        if fraction.len() > 4 {
            return Err(refuse("at most four digits may follow the point"));
        }
        let digits = format!("{whole}{fraction:0<4}");
        digits.parse().map(Self).map_err(|_| refuse("it is too large"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

struct Percentage;

impl de::Visitor<'_> for Percentage {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a percentage, such as 1%")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Percentage)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\s*[0-9]+(\.[0-9]{1,4})?\s*%\s*$",
            "title": "percentage",
            "description": "A share of the operations, such as 1% or 0.5%.",
        })
    }
}

impl Engine {
    /// The lanes that operations are in.
    #[must_use]
    pub fn lanes(&self) -> &'static [Lane] {
        if self.urgent.is_some() { &Lane::ALL } else { &[Lane::Bulk] }
    }

    /// The lanes whose requests have a separate ring and separate buffers. Without rings, or if all lanes share one,
    /// only the bulk lane.
    #[must_use]
    pub fn lanes_with_rings(&self) -> &'static [Lane] {
        let separate = self.urgent_by() == Some(UrgentBy::SeparateRing);
        if separate { &Lane::ALL } else { &[Lane::Bulk] }
    }
}

impl Trial {
    /// The largest block of a lane's operations.
    #[must_use]
    pub fn largest_block(&self, lane: Lane) -> ByteSize {
        self.block_size_of(lane).unwrap_or(self.workload.block_size.largest())
    }

    /// The largest size of which every offset and length is a multiple.
    #[must_use]
    pub fn block_unit(&self) -> ByteSize {
        // Every other size is a multiple of the urgent lane's.
        self.block_size_of(Lane::Urgent).unwrap_or(self.workload.block_size.unit())
    }

    /// The block size of a lane's operations if they do not use the workload's.
    #[must_use]
    pub fn block_size_of(&self, lane: Lane) -> Option<ByteSize> {
        self.engine.urgent.filter(|_| lane == Lane::Urgent)?.block_size
    }

    /// Checks the rules of urgent operations that are not in the table of engine options.
    pub(crate) fn check_urgent(&self, errors: &mut Errors) {
        let (work, at) = (&self.workload, "engine.urgent");
        let Some(urgent) = self.engine.urgent else { return };
        errors.range(at, Quantity::Share, urgent.share, (MIN_URGENT, MAX_URGENT));
        errors
            .check(!work.verify, at, || Rule::excludes("verify: true", "urgent operations are not verified"));
        if let Some(size) = urgent.block_size {
            let whole = is_sectors(size) || (size.0 > 0 && !self.needs_sectors());
            errors.check(whole, at, || Rule::NotSectors { size });
            for (block, _) in work.block_size.parts() {
                errors.check(size.0 > 0 && block.0.is_multiple_of(size.0), at, || Rule::NotMultiple {
                    block: *block,
                    urgent: size,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::trial,
        trial::{EngineKind, QueueOptions, Sharing},
    };

    #[test]
    fn shares_read_back_as_written() {
        for (text, millionths) in [("1%", 10_000), ("0.5 %", 5_000), (" 12.3456% ", 123_456), ("0.001%", 10)]
        {
            let share: Share = text.parse().unwrap();
            assert_eq!(share, Share(millionths), "{text}");
            assert_eq!(share.to_string().parse(), Ok(share));
        }
        assert_eq!([Share(10_000).to_string(), Share(5_000).to_string()], ["1%", "0.5%"]);
        for text in ["1", "%", "-1%", "1.%", "1. %", "1.%x", "1.00001%", "one%", "99999999999%", ".5%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_settings_that_exclude_urgent() {
        let checked = |by, change: &dyn Fn(&mut Trial)| {
            let mut trial = trial();
            let block_size = Some(ByteSize(4096));
            trial.engine = Engine {
                queue: QueueOptions::of_depth(32),
                urgent: Some(Urgent { share: Share(10_000), by, block_size }),
                ..Engine::new(EngineKind::IoUring)
            };
            trial.workload.block_size = ByteSize(64 << 10).into();
            change(&mut trial);
            trial
                .validate()
                .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        for by in [UrgentBy::None, UrgentBy::Ioprio, UrgentBy::SeparateRing, UrgentBy::IosqeUrgent] {
            assert_eq!(checked(by, &|_| {}), Ok(()));
        }
        let says = |by, change: &dyn Fn(&mut Trial), text: &str| {
            let error = checked(by, change).unwrap_err();
            assert!(error.contains(text), "{error}");
        };
        fn set(trial: &mut Trial) -> &mut Urgent {
            trial.engine.urgent.as_mut().unwrap()
        }
        says(
            UrgentBy::None,
            &|t| t.engine.kind = EngineKind::Psync,
            "psync has no ring, so it cannot have urgent",
        );
        says(
            UrgentBy::None,
            &|t| t.engine.kind = EngineKind::Nvme,
            "engine.urgent: nvme cannot prefer urgent requests",
        );
        says(
            UrgentBy::None,
            &|t| set(t).share = Share(500_001),
            "50.0001% is out of range: from 0.001% to 50%",
        );
        says(UrgentBy::None, &|t| set(t).share = Share(0), "0% is out of range");
        says(UrgentBy::None, &|t| set(t).block_size = Some(ByteSize(1000)), "not a whole number of sectors");
        says(
            UrgentBy::None,
            &|t| set(t).block_size = Some(ByteSize(48 << 10)),
            "64KiB is not a multiple of 48KiB",
        );
        says(UrgentBy::None, &|t| t.engine.ring.sharing = Sharing::Combiner, "needs ring: per_thread");
        says(UrgentBy::None, &|t| t.workload.verify = true, "engine.urgent: cannot be combined with verify");
        says(UrgentBy::IosqeUrgent, &|t| t.engine.ring.link_sync = true, "cannot be combined with link_sync");
        says(UrgentBy::Ioprio, &|t| t.engine.kind = EngineKind::Nop, "reach no device");
        says(UrgentBy::SeparateRing, &|t| t.engine.ring.iopoll = true, "no system call polls two rings");
        says(
            UrgentBy::SeparateRing,
            &|t| (t.engine.ring.single_issuer, t.engine.ring.defer_taskrun) = (true, true),
            "cannot be combined with defer_taskrun",
        );
        says(UrgentBy::SeparateRing, &|t| t.engine.queue.complete_batch = 4, "needs complete_batch: 1");
    }
}
