//! Noise, to the wire and back.

use super::outcome::clean;
use crate::{
    noise::{Foreign, Frequency, Noise},
    trial::FieldError,
    wire,
};

same_fields!(Frequency { cpu, begin_khz, end_khz });
same_fields!(Foreign { total_ns, user_ns, resolution_ns });

impl From<Noise> for wire::Noise {
    fn from(noise: Noise) -> Self {
        Self {
            span_ns: noise.span_ns,
            cpus: noise.cpus,
            steal_ns: noise.steal_ns,
            steal_all_ns: noise.steal_all_ns,
            cpus_all: noise.cpus_all,
            foreign: noise.foreign.map(Into::into),
            waited_share: noise.waited_share,
            pressure_ns: noise.pressure_ns,
            frequencies: noise.frequencies.into_iter().map(Into::into).collect(),
            throttled: noise.throttled,
            clocksource: noise.clocksource,
            clocksource_after: noise.clocksource_after,
        }
    }
}

impl TryFrom<wire::Noise> for Noise {
    type Error = FieldError;

    fn try_from(noise: wire::Noise) -> Result<Self, FieldError> {
        // What is divided by must be there.
        if noise.span_ns == 0 {
            return Err(FieldError::new("noise.span_ns", "must be more than 0"));
        }
        if noise.cpus.is_empty() {
            return Err(FieldError::new("noise.cpus", "must name a CPU"));
        }
        if noise.waited_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(FieldError::new("noise.waited_share", "must lie from 0 to 1"));
        }
        Ok(Self {
            span_ns: noise.span_ns,
            cpus: noise.cpus,
            steal_ns: noise.steal_ns,
            steal_all_ns: noise.steal_all_ns,
            cpus_all: noise.cpus_all,
            foreign: noise.foreign.map(Into::into),
            waited_share: noise.waited_share,
            pressure_ns: noise.pressure_ns,
            frequencies: noise.frequencies.into_iter().map(Into::into).collect(),
            throttled: noise.throttled,
            clocksource: noise.clocksource.map(clean),
            clocksource_after: noise.clocksource_after.map(clean),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = Option<String>> {
        prop::option::of("[a-z-]{1,12}")
    }

    prop_compose! {
        fn noise()(
            times in (1u64.., any::<u64>(), any::<u64>(), any::<u32>()),
            cpus in prop::collection::vec(any::<u32>(), 1..5),
            foreign in prop::option::of(any::<(u64, u64, u64)>()),
            waited_share in prop::option::of(0.0..=1.0f64),
            counts in any::<(Option<u64>, Option<u64>)>(),
            frequencies in prop::collection::vec(any::<(u32, u64, u64)>(), 0..4),
            clocks in (word(), word()),
        ) -> Noise {
            Noise {
                span_ns: times.0,
                cpus,
                steal_ns: times.1,
                steal_all_ns: times.2,
                cpus_all: times.3,
                foreign: foreign.map(|(total_ns, user_ns, resolution_ns)| Foreign { total_ns, user_ns, resolution_ns }),
                waited_share,
                pressure_ns: counts.0,
                frequencies: frequencies
                    .into_iter()
                    .map(|(cpu, begin_khz, end_khz)| Frequency { cpu, begin_khz, end_khz })
                    .collect(),
                throttled: counts.1,
                clocksource: clocks.0,
                clocksource_after: clocks.1,
            }
        }
    }

    proptest! {
        #[test]
        fn noise_survives_the_wire(noise in noise()) {
            prop_assert_eq!(Noise::try_from(wire::Noise::from(noise.clone())).unwrap(), noise);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = Noise { span_ns: 1, cpus: vec![1], ..Noise::default() };
        let field = |noise: Noise| Noise::try_from(wire::Noise::from(noise)).unwrap_err().field;
        assert_eq!(field(Noise { span_ns: 0, ..good.clone() }), "noise.span_ns");
        assert_eq!(field(Noise { cpus: vec![], ..good.clone() }), "noise.cpus");
        assert_eq!(field(Noise { waited_share: Some(f64::NAN), ..good.clone() }), "noise.waited_share");
        assert_eq!(field(Noise { waited_share: Some(1.1), ..good }), "noise.waited_share");
    }
}
