//! Protobuf messages to domain types and back. A refusal names the field by its path.
//!
//! [`payload`] reads and writes messages with a `body`. This module has those that other clients may use or that are
//! streamed: descriptions of hosts, and intervals.

use crate::{
    histogram,
    outcome::{Capability, Cpu, Direction, Finished, HostDescription, Interval, Ready, Refusal, Series},
    payload,
    plain::clean,
    rule::{FieldError, Rule},
    trial::{Trial, is_name},
    wire,
};

impl From<&Trial> for wire::Trial {
    fn from(trial: &Trial) -> Self {
        Self { id: trial.id.clone(), body: payload::encode(trial) }
    }
}

impl TryFrom<wire::Trial> for Trial {
    type Error = Vec<FieldError>;

    /// Also checks the limits of [`Trial::validate`], because an agent does not trust a coordinator.
    fn try_from(message: wire::Trial) -> Result<Self, Self::Error> {
        let trial: Self = payload::decode_exact(&message.body).map_err(|error| vec![error])?;
        trial.validate()?;
        // These limits are not in `validate`, because a scenario contains no id.
        if !is_name(&trial.id) {
            return Err(vec![FieldError::new("id", Rule::NotAName)]);
        }
        if trial.id != message.id {
            return Err(vec![FieldError::malformed("id", "differs from the id of the message")]);
        }
        Ok(trial)
    }
}

impl Ready {
    /// The message for one trial.
    #[must_use]
    pub fn into_wire(self, trial_id: String) -> wire::Ready {
        wire::Ready { trial_id, body: payload::encode(&self) }
    }
}

impl TryFrom<wire::Ready> for Ready {
    type Error = FieldError;

    fn try_from(message: wire::Ready) -> Result<Self, FieldError> {
        payload::decode_clean(&message.body)
    }
}

impl Finished {
    /// The message for one trial.
    #[must_use]
    pub fn into_wire(self, trial_id: String) -> wire::Finished {
        wire::Finished { trial_id, body: payload::encode(&self) }
    }
}

impl TryFrom<wire::Finished> for Finished {
    type Error = FieldError;

    fn try_from(message: wire::Finished) -> Result<Self, FieldError> {
        payload::decode_clean(&message.body)
    }
}

impl Refusal {
    /// The message for one trial; with an empty id, for the lease.
    #[must_use]
    pub fn into_wire(self, trial_id: String) -> wire::Failed {
        wire::Failed { trial_id, body: payload::encode(&self) }
    }

    /// The status of a request that is refused before there is a lease. It carries the refusal in its details.
    #[must_use]
    pub fn into_status(self, code: tonic::Code) -> tonic::Status {
        tonic::Status::with_details(code, self.to_string(), payload::encode(&self).into())
    }

    /// The refusal that a status carries, if any.
    #[must_use]
    pub fn of_status(status: &tonic::Status) -> Option<Self> {
        payload::decode_clean(status.details()).ok()
    }
}

impl TryFrom<wire::Failed> for Refusal {
    type Error = FieldError;

    fn try_from(message: wire::Failed) -> Result<Self, FieldError> {
        payload::decode_clean(&message.body)
    }
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
            name: clean(&capability.name),
            detail: clean(&capability.detail),
            remedy: clean(&capability.remedy),
        };
        let cpu = |cpu: wire::Cpu| Cpu { id: cpu.id, package: cpu.package, core: cpu.core };
        Self {
            protocol_version: host.protocol_version,
            agent_version: clean(&host.agent_version),
            hostname: clean(&host.hostname),
            facts: host.facts.into_iter().map(|(key, value)| (clean(&key), clean(&value))).collect(),
            cpus: host.cpus.into_iter().map(cpu).collect(),
            runtime_cpu: host.runtime_cpu,
            capabilities: host.capabilities.into_iter().map(capability).collect(),
        }
    }
}

/// A series' number in the protocol: its position, from 1. Zero, and numbers that this release does not know, are refused.
fn direction_number(direction: Direction) -> i32 {
    direction as i32 + 1
}

fn direction(number: i32) -> Option<Direction> {
    Direction::ALL.into_iter().find(|direction| direction_number(*direction) == number)
}

impl Interval {
    /// The message for one trial.
    ///
    /// # Errors
    /// If a histogram cannot be encoded.
    pub fn to_wire(&self, trial_id: String) -> Result<wire::Interval, histogram::CodecError> {
        let series = |series: &Series| -> Result<wire::Series, histogram::CodecError> {
            Ok(wire::Series {
                direction: direction_number(series.direction),
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
                .map_err(|error| FieldError::malformed(format!("series[{index}].{name}"), error.to_string()))
        };
        let series = |(index, series): (usize, wire::Series)| -> Result<Series, FieldError> {
            let unknown = || {
                let message = format!("{} is not known to this release", series.direction);
                FieldError::malformed(format!("series[{index}].direction"), message)
            };
            let service = match series.service_v2.is_empty() {
                true => None,
                false => Some(decode(index, "service_v2", &series.service_v2)?),
            };
            Ok(Series {
                direction: direction(series.direction).ok_or_else(unknown)?,
                bytes: series.bytes,
                latency: decode(index, "latency_v2", &series.latency_v2)?,
                service,
            })
        };
        if interval.end_ns < interval.begin_ns {
            return Err(FieldError::malformed("end_ns", "lies before begin_ns"));
        }
        Ok(Self {
            index: interval.index,
            begin_ns: interval.begin_ns,
            end_ns: interval.end_ns,
            series: interval.series.into_iter().enumerate().map(series).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests;
