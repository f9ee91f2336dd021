//! Hosts that cannot be used.

use serde::{Deserialize, Serialize};

use crate::{notice::OsError, units::Nanos};

/// A request to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Its description.
    Describe,
    /// Its clock.
    Clock,
    /// A lease.
    Lease,
}

/// Phase of a trial in which a host stopped sending events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilentWhile {
    /// Preparation.
    Preparing,
    /// Measurement.
    Running,
    /// The end of a cancelled trial.
    Cancelled,
}

/// Why the connection to a host ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// The transport failed.
    Broken {
        /// The transport's error.
        why: String,
    },
    /// The agent ended the lease.
    Ended,
    /// The connection takes no more requests.
    Gone,
    /// The kernel of the host refuses connections: no agent listens any more.
    Refused {
        /// The agent's address.
        address: String,
    },
    /// The host came back as another one.
    Changed {
        /// The facts that changed.
        facts: Vec<String>,
    },
    /// The embedded agent died.
    Died(EmbeddedFailure),
}

/// How a difference in protocol versions was detected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionMismatch {
    /// The host reported another version.
    Differs {
        /// The host.
        host: String,
        /// Its version.
        theirs: u32,
        /// The coordinator's.
        ours: u32,
    },
    /// The host refused the coordinator.
    Refused {
        /// Its status.
        why: String,
    },
}

/// A failure of the embedded agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddedFailure {
    /// The process could not be started.
    NotStarted {
        /// The executable.
        program: String,
        /// The error.
        error: OsError,
    },
    /// It could not be reached over its socket.
    NotReached {
        /// The transport's error.
        why: String,
    },
    /// The process ended.
    Ended {
        /// The signal that killed it.
        signal: Option<i32>,
        /// How it ended otherwise.
        status: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
}

impl std::fmt::Display for EmbeddedFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotStarted { program, error } => {
                write!(f, "cannot start the embedded agent ({program}): {error}")
            }
            Self::NotReached { why } => write!(f, "cannot communicate with the embedded agent: {why}"),
            Self::Ended { signal, status, log } => {
                match signal {
                    Some(signal) => write!(f, "the embedded agent was killed by signal {signal}")?,
                    None => write!(f, "the embedded agent died ({status})")?,
                }
                match log.as_slice() {
                    [] => f.write_str("; it logged nothing"),
                    lines => write!(f, "; its last log lines:\n  {}", lines.join("\n  ")),
                }
            }
        }
    }
}

crate::notices! {
    /// Refusals about a host.
    #[derive(Eq)]
    pub enum HostRefusal {
        /// No connection to the agent could be made.
        "unreachable" Unreachable {
            /// Its address.
            address: String,
            /// The transport's error.
            why: String,
        }
        message: format!("cannot connect to {address}: {why}"),
        remedy: else =>
            "check that `agent serve --listen {address}` runs there and that no firewall blocks the port; try \
             `coordinator agents --agents {address}`",

        /// The embedded agent could not be started or reached.
        "embedded-agent" EmbeddedAgent {
            /// The failure.
            failure: EmbeddedFailure,
        }
        message: failure.to_string(),
        remedy:
            if matches!(failure, EmbeddedFailure::NotReached { .. }) => "see the agent's output",
            else => "start `agent serve` yourself and pass its address with --agents",

        /// The address belongs to something other than an agent.
        "no-agent" NoAgent {
            /// The status it answered with.
            why: String,
        }
        message: format!("does not answer as a Ringbench agent: {why}"),
        remedy: else => "check that `agent serve` listens on that address, and see its log",

        /// Agent and coordinator speak different versions of the protocol.
        "protocol-version" ProtocolVersion {
            /// How they differ.
            mismatch: VersionMismatch,
        }
        message: match mismatch {
            VersionMismatch::Differs { host, theirs, ours } => {
                format!("host {host} speaks protocol {theirs}, this coordinator {ours}")
            }
            VersionMismatch::Refused { why } => format!("refuses this coordinator: {why}"),
        },
        remedy: else => "install the same release on both",

        /// The agent accepted the connection and does not answer.
        "no-answer" NoAnswer {
            /// The request.
            question: Question,
            /// The time limit.
            limit: Nanos,
        }
        let seconds = limit.as_duration().as_secs_f64();
        message: match question {
            Question::Describe => format!("accepted the connection, but did not answer within {seconds} s"),
            Question::Clock => format!("did not answer within {seconds} s when its clock was read"),
            Question::Lease => format!("did not open a lease within {seconds} s"),
        },
        remedy: else => "the agent hangs or is stopped: see its log and restart it",

        /// The agent cannot read its clock.
        "no-clock" NoClock {
            /// Its status.
            why: String,
        }
        message: format!("its clock cannot be read: {why}"),
        remedy: else => "see the agent's log",

        /// The agent has another lease.
        "busy" Busy {
            /// Its status.
            why: String,
        }
        message: format!("is busy with another run: {why}"),
        remedy: else =>
            "wait until that run has ended, or stop it; if a thread is held in the kernel, check that host",

        /// The connection to the agent ended during the run.
        "lost" Lost {
            /// The cause.
            cause: LossCause,
        }
        message: match cause {
            LossCause::Broken { why } => format!("the connection broke: {why}"),
            LossCause::Ended => "the agent ended the lease by itself".into(),
            LossCause::Gone => "the connection is closed".into(),
            LossCause::Refused { address } => format!("nothing listens on {address} any more"),
            LossCause::Changed { facts } => format!("it came back changed in {}", facts.join(", ")),
            LossCause::Died(failure) => failure.to_string(),
        },
        remedy:
            if matches!(cause, LossCause::Died(_)) =>
                "check `dmesg`: it may have been killed because memory ran out; finished trials are kept",
            if *cause == LossCause::Ended =>
                "check whether the agent was stopped (its log gives the reason); finished trials are kept",
            else =>
                "check whether the agent still runs (its log gives the reason if not); finished trials are kept",

        /// A host failed, and its reason cannot be read.
        "unknown" Unknown {
            /// Why it cannot be read.
            why: String,
        }
        message: format!("it failed, and its reason cannot be read: {why}"),
        remedy: else => "see the agent's log",

        /// A host made no progress for too long.
        "silent" Silent {
            /// The phase of the trial.
            during: SilentWhile,
            /// Time since its last event.
            silence: Nanos,
        }
        let what = match during {
            SilentWhile::Preparing => "did not become ready",
            SilentWhile::Running => "stopped sending events",
            SilentWhile::Cancelled => "did not end a cancelled trial",
        };
        message: format!("{what}: no progress for {:.0} s", silence.as_duration().as_secs_f64()),
        remedy: else => "see the agent's log and `dmesg` there: a worker may hang in the kernel",
    }
}
