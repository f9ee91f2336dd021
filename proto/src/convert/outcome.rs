//! What an agent reports, to the wire and back.

use std::collections::BTreeMap;

use super::{FromWire as _, required};
use crate::{
    histogram,
    outcome::{
        BatchCounts, Capability, Cpu, CpuTime, Direction, Finished, HardwareCounts, HostDescription,
        Interval, Knob, Overhead, PathCounts, PerfCounts, Ready, Refusal, Series, SharingCosts, UrgentCounts,
        Verified, Warning,
    },
    trial::FieldError,
    wire,
};

/// Text of another machine, on its way to somebody's terminal: line ends and tabs become spaces, other control
/// characters are left out.
pub(super) fn clean(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    text.replace(['\n', '\r', '\t'], " ").replace(char::is_control, "")
}

/// Counts by names that another machine gave.
fn by_name(counts: impl IntoIterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (clean(name), count)).collect()
}

impl From<HostDescription> for wire::DescribeResponse {
    fn from(host: HostDescription) -> Self {
        let capability = |capability: Capability| wire::Capability {
            state: match capability.available {
                true => wire::capability::State::Available.into(),
                false => wire::capability::State::Missing.into(),
            },
            name: capability.name,
            detail: capability.detail,
            remedy: capability.remedy,
        };
        let cpu = |cpu: Cpu| wire::Cpu { id: cpu.id, package: cpu.package, core: cpu.core };
        Self {
            protocol_version: host.protocol_version,
            agent_version: host.agent_version,
            hostname: host.hostname,
            facts: host.facts.into_iter().collect(),
            cpus: host.cpus.into_iter().map(cpu).collect(),
            runtime_cpu: host.runtime_cpu,
            capabilities: host.capabilities.into_iter().map(capability).collect(),
        }
    }
}

impl From<wire::DescribeResponse> for HostDescription {
    fn from(host: wire::DescribeResponse) -> Self {
        let capability = |capability: wire::Capability| Capability {
            available: capability.state() == wire::capability::State::Available,
            name: clean(capability.name),
            detail: clean(capability.detail),
            remedy: clean(capability.remedy),
        };
        let cpu = |cpu: wire::Cpu| Cpu { id: cpu.id, package: cpu.package, core: cpu.core };
        Self {
            protocol_version: host.protocol_version,
            agent_version: clean(host.agent_version),
            hostname: clean(host.hostname),
            facts: host.facts.into_iter().map(|(key, value)| (clean(key), clean(value))).collect(),
            cpus: host.cpus.into_iter().map(cpu).collect(),
            runtime_cpu: host.runtime_cpu,
            capabilities: host.capabilities.into_iter().map(capability).collect(),
        }
    }
}

impl From<Warning> for wire::Warning {
    fn from(warning: Warning) -> Self {
        Self { code: warning.code, message: warning.message, remedy: warning.remedy }
    }
}

impl From<wire::Warning> for Warning {
    fn from(warning: wire::Warning) -> Self {
        Self { code: clean(warning.code), message: clean(warning.message), remedy: clean(warning.remedy) }
    }
}

impl From<Refusal> for wire::Error {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, message: refusal.message, remedy: refusal.remedy, field: refusal.field }
    }
}

impl From<wire::Error> for Refusal {
    fn from(error: wire::Error) -> Self {
        Self {
            code: clean(error.code),
            message: clean(error.message),
            remedy: clean(error.remedy),
            field: clean(error.field),
        }
    }
}

impl Ready {
    /// As sent for one trial.
    #[must_use]
    pub fn into_wire(self, trial_id: String) -> wire::Ready {
        let knob =
            |knob: Knob| wire::Knob { name: knob.name, requested: knob.requested, granted: knob.granted };
        wire::Ready {
            trial_id,
            knobs: self.knobs.into_iter().map(knob).collect(),
            pinned_cpus: self.pinned_cpus,
            target: self.target.into_iter().collect(),
            warnings: self.warnings.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<wire::Ready> for Ready {
    fn from(ready: wire::Ready) -> Self {
        let knob = |knob: wire::Knob| Knob {
            name: clean(knob.name),
            requested: clean(knob.requested),
            granted: clean(knob.granted),
        };
        Self {
            knobs: ready.knobs.into_iter().map(knob).collect(),
            pinned_cpus: ready.pinned_cpus,
            target: ready.target.into_iter().map(|(key, value)| (clean(key), clean(value))).collect(),
            warnings: ready.warnings.into_iter().map(Into::into).collect(),
        }
    }
}

impl Interval {
    /// As sent for one trial.
    ///
    /// # Errors
    /// Where a histogram cannot be encoded.
    pub fn to_wire(&self, trial_id: String) -> Result<wire::Interval, histogram::CodecError> {
        let series = |series: &Series| -> Result<wire::Series, histogram::CodecError> {
            Ok(wire::Series {
                direction: series.direction.into(),
                bytes: series.bytes,
                latency_v2: histogram::encode(&series.latency)?,
                service_v2: series.service.as_ref().map(histogram::encode).transpose()?.unwrap_or_default(),
            })
        };
        Ok(wire::Interval {
            trial_id,
            index: self.index,
            begin_ns: self.begin_ns,
            end_ns: self.end_ns,
            series: self.series.iter().map(series).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<wire::Interval> for Interval {
    type Error = FieldError;

    fn try_from(interval: wire::Interval) -> Result<Self, FieldError> {
        let decode = |index: usize, name: &str, bytes: &[u8]| {
            histogram::decode(bytes)
                .map_err(|error| FieldError::new(format!("series[{index}].{name}"), error.to_string()))
        };
        let series = |(index, series): (usize, wire::Series)| -> Result<Series, FieldError> {
            let service = match series.service_v2.is_empty() {
                true => None,
                false => Some(decode(index, "service_v2", &series.service_v2)?),
            };
            Ok(Series {
                direction: Direction::from_wire(series.direction)?,
                bytes: series.bytes,
                latency: decode(index, "latency_v2", &series.latency_v2)?,
                service,
            })
        };
        if interval.end_ns < interval.begin_ns {
            return Err(FieldError::new("end_ns", "lies before begin_ns"));
        }
        Ok(Self {
            index: interval.index,
            begin_ns: interval.begin_ns,
            end_ns: interval.end_ns,
            series: interval.series.into_iter().enumerate().map(series).collect::<Result<_, _>>()?,
        })
    }
}

impl From<SharingCosts> for wire::SharingCosts {
    fn from(costs: SharingCosts) -> Self {
        match costs {
            SharingCosts::Lock { locks, contended, wait_ns } => Self {
                locks: Some(locks),
                contended: Some(contended),
                lock_wait_ns: Some(wait_ns),
                handover_ns: None,
            },
            SharingCosts::Handover { ns } => Self { handover_ns: Some(ns), ..Self::default() },
        }
    }
}

impl TryFrom<wire::SharingCosts> for SharingCosts {
    type Error = FieldError;

    fn try_from(costs: wire::SharingCosts) -> Result<Self, FieldError> {
        match (costs.locks, costs.contended, costs.lock_wait_ns, costs.handover_ns) {
            (Some(locks), Some(contended), Some(wait_ns), None) => {
                Ok(Self::Lock { locks, contended, wait_ns })
            }
            (None, None, None, Some(ns)) => Ok(Self::Handover { ns }),
            _ => Err(FieldError::new("sharing", "must be of a lock or of a hand-over")),
        }
    }
}

same_fields!(UrgentCounts { ops, overtaken, overtakers, most_overtakers });
same_fields!(BatchCounts { batches, requests, largest, empty, urgent, jumped, drain_flushes, by_size });
same_fields!(PathCounts { inline, task_work, polled, punted, lost });
same_fields!(HardwareCounts { cycles, cycles_user, instructions, instructions_user, cache_misses });

impl Finished {
    /// As sent for one trial.
    #[must_use]
    pub fn into_wire(self, trial_id: String) -> wire::Finished {
        let perf = |perf: PerfCounts| wire::PerfCounts {
            syscalls_total: perf.syscalls_total,
            syscalls_by_name: perf.syscalls_by_name.into_iter().collect(),
            punted_to_io_wq: perf.punted_to_io_wq,
        };
        wire::Finished {
            trial_id,
            begin_ns: self.begin_ns,
            end_ns: self.end_ns,
            read_ops: self.read_ops,
            write_ops: self.write_ops,
            bytes: self.bytes,
            errors: self.errors.into_iter().collect(),
            short_transfers: self.short_transfers,
            syscalls_self: self.syscalls_self.into_iter().collect(),
            perf: self.perf.map(perf),
            paths: self.paths.map(Into::into),
            hardware: self.hardware.map(Into::into),
            urgent: self.urgent.map(Into::into),
            batches: self.batches.map(Into::into),
            interrupts: self.interrupts,
            cached_share: self.cached_share,
            cpu: Some(wire::CpuTime {
                user_ns: self.cpu.user_ns,
                system_ns: self.cpu.system_ns,
                kernel_threads_ns: self.cpu.kernel_threads_ns,
                voluntary_switches: self.cpu.voluntary_switches,
                involuntary_switches: self.cpu.involuntary_switches,
            }),
            submitted: self.submitted,
            enters: self.enters,
            enters_by_batch: self.enters_by_batch,
            cq_overflows: self.cq_overflows,
            sharing: self.sharing.map(Into::into),
            cut_short: self.cut_short,
            sync_ops: self.sync_ops,
            verified: self
                .verified
                .map(|verified| wire::Verified { sectors: verified.sectors, failures: verified.failures }),
            overhead: Some(wire::Overhead {
                late_swaps: self.overhead.late_swaps,
                saturated: self.overhead.saturated,
                clock_drift_ppm: self.overhead.clock_drift_ppm,
            }),
            warnings: self.warnings.into_iter().map(Into::into).collect(),
            noise: self.noise.map(Into::into),
        }
    }
}

impl TryFrom<wire::Finished> for Finished {
    type Error = FieldError;

    fn try_from(finished: wire::Finished) -> Result<Self, FieldError> {
        let cpu = required(finished.cpu, "cpu")?;
        let overhead = required(finished.overhead, "overhead")?;
        let perf = |perf: wire::PerfCounts| PerfCounts {
            syscalls_total: perf.syscalls_total,
            syscalls_by_name: by_name(perf.syscalls_by_name),
            punted_to_io_wq: perf.punted_to_io_wq,
        };
        // Written down as JSON, it could not be read again.
        if !overhead.clock_drift_ppm.is_finite() {
            return Err(FieldError::new("overhead.clock_drift_ppm", "must be a number"));
        }
        if finished.end_ns < finished.begin_ns {
            return Err(FieldError::new("end_ns", "lies before begin_ns"));
        }
        Ok(Self {
            begin_ns: finished.begin_ns,
            end_ns: finished.end_ns,
            read_ops: finished.read_ops,
            write_ops: finished.write_ops,
            bytes: finished.bytes,
            errors: finished.errors.into_iter().collect(),
            short_transfers: finished.short_transfers,
            syscalls_self: by_name(finished.syscalls_self),
            perf: finished.perf.map(perf),
            paths: finished.paths.map(Into::into),
            hardware: finished.hardware.map(Into::into),
            urgent: finished.urgent.map(Into::into),
            batches: finished.batches.map(Into::into),
            interrupts: finished.interrupts,
            cached_share: finished.cached_share.filter(|share| (0.0..=1.0).contains(share)),
            cpu: CpuTime {
                user_ns: cpu.user_ns,
                system_ns: cpu.system_ns,
                kernel_threads_ns: cpu.kernel_threads_ns,
                voluntary_switches: cpu.voluntary_switches,
                involuntary_switches: cpu.involuntary_switches,
            },
            submitted: finished.submitted,
            enters: finished.enters,
            enters_by_batch: finished.enters_by_batch,
            cq_overflows: finished.cq_overflows,
            sharing: finished.sharing.map(TryInto::try_into).transpose()?,
            cut_short: finished.cut_short,
            sync_ops: finished.sync_ops,
            verified: finished
                .verified
                .map(|verified| Verified { sectors: verified.sectors, failures: verified.failures }),
            overhead: Overhead {
                late_swaps: overhead.late_swaps,
                saturated: overhead.saturated,
                clock_drift_ppm: overhead.clock_drift_ppm,
            },
            warnings: finished.warnings.into_iter().map(Into::into).collect(),
            noise: finished.noise.map(TryInto::try_into).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_machine_says_cannot_steer_a_terminal() {
        let error = wire::Error { message: "a\u{1b}[2Jb\nc\td\u{7}".into(), ..wire::Error::default() };
        assert_eq!(Refusal::from(error).message, "a[2Jb c d");
        let warning = wire::Warning { code: "x\r".into(), ..wire::Warning::default() };
        assert_eq!(Warning::from(warning).code, "x ");
        let calls = [("\u{1b}c".to_owned(), 1)];
        let finished = wire::Finished {
            syscalls_self: calls.clone().into(),
            perf: Some(wire::PerfCounts { syscalls_by_name: calls.into(), ..Default::default() }),
            ..Finished::default().into_wire(String::new())
        };
        let read = Finished::try_from(finished).unwrap();
        assert!(
            read.syscalls_self.contains_key("c") && read.perf.unwrap().syscalls_by_name.contains_key("c")
        );
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for drift in [f64::NAN, f64::INFINITY] {
            let finished = Finished {
                overhead: Overhead { clock_drift_ppm: drift, ..Overhead::default() },
                ..Finished::default()
            };
            let refused = Finished::try_from(finished.into_wire(String::new())).unwrap_err();
            assert_eq!(refused.field, "overhead.clock_drift_ppm");
        }
    }
}
