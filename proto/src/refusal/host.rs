//! Hosts that cannot be used, as the coordinator finds them.

use serde::{Deserialize, Serialize};

use crate::{notice::OsError, units::Nanos};

/// What a host was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// What it is.
    Describe,
    /// What its clock says.
    Clock,
    /// For a lease.
    Lease,
}

/// What a host was doing when it fell silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilentWhile {
    /// Preparing a trial.
    Preparing,
    /// Running it.
    Running,
    /// Ending a cancelled one.
    Cancelled,
}

/// Why the connection to a host ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// By an error.
    Broken {
        /// The transport's error.
        why: String,
    },
    /// The agent ended the lease.
    Ended,
    /// It takes no more requests.
    Gone,
    /// The embedded agent died.
    Died(EmbeddedFailure),
}

/// How two versions of the protocol were found to differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionMismatch {
    /// The host told its version.
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

/// What is wrong with the embedded agent.
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
            Self::NotReached { why } => write!(f, "cannot talk to the embedded agent: {why}"),
            Self::Ended { signal, status, log } => {
                match signal {
                    Some(signal) => write!(f, "the embedded agent was killed by signal {signal}")?,
                    None => write!(f, "the embedded agent exited ({status})")?,
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
            "check that `agent serve --listen {address}` runs there and that no firewall is in the way; try \
             `coordinator agents --agents {address}`",

        /// The embedded agent could not be started or reached.
        "embedded-agent" EmbeddedAgent {
            /// What is wrong.
            failure: EmbeddedFailure,
        }
        message: failure.to_string(),
        remedy:
            if matches!(failure, EmbeddedFailure::NotReached { .. }) => "check its log output",
            else => "start `agent serve` yourself, and name it with --agents",

        /// The address belongs to something other than an agent.
        "no-agent" NoAgent {
            /// The status it answered with.
            why: String,
        }
        message: format!("does not answer like a Ringbench agent: {why}"),
        remedy: else => "check that the address belongs to `agent serve`, and look at its log",

        /// Agent and coordinator speak different versions of the protocol.
        "protocol-version" ProtocolVersion {
            /// How they differ.
            mismatch: VersionMismatch,
        }
        message: match mismatch {
            VersionMismatch::Differs { host, theirs, ours } => {
                format!("host {host} speaks protocol version {theirs}, this coordinator version {ours}")
            }
            VersionMismatch::Refused { why } => format!("does not serve this coordinator: {why}"),
        },
        remedy: else => "install the same release on both",

        /// The agent accepted the connection and does not answer.
        "no-answer" NoAnswer {
            /// What it was asked.
            question: Question,
            /// How long the coordinator waited.
            limit: Nanos,
        }
        let seconds = limit.as_duration().as_secs_f64();
        message: match question {
            Question::Describe => format!("accepted the connection, but did not answer within {seconds} s"),
            Question::Clock => format!("did not answer within {seconds} s when its clock was read"),
            Question::Lease => format!("did not open a lease within {seconds} s"),
        },
        remedy: else => "the agent hangs or is stopped: look at its log, and restart it",

        /// The agent cannot read its clock.
        "no-clock" NoClock {
            /// Its status.
            why: String,
        }
        message: format!("its clock cannot be read: {why}"),
        remedy: else => "look at the agent's log",

        /// The agent has another lease.
        "busy" Busy {
            /// Its status.
            why: String,
        }
        message: format!("is busy with another run: {why}"),
        remedy: else =>
            "wait until that run has ended, or stop it; if a thread is reported as stuck, see to that host",

        /// The connection to the agent ended during the run.
        "lost" Lost {
            /// How.
            cause: LossCause,
        }
        message: match cause {
            LossCause::Broken { why } => format!("the connection broke: {why}"),
            LossCause::Ended => "the agent ended the lease".into(),
            LossCause::Gone => "the connection is gone".into(),
            LossCause::Died(failure) => failure.to_string(),
        },
        remedy:
            if matches!(cause, LossCause::Died(_)) =>
                "check `dmesg`: it may have been killed when memory ran out; finished trials are kept",
            if *cause == LossCause::Ended =>
                "check whether the agent was stopped (its log gives the reason); finished trials are kept",
            else =>
                "check whether the agent still runs (its log gives the reason if not); finished trials are kept",

        /// A host failed without giving a reason.
        "unknown" Unknown {}
        message: "it failed without giving a reason".into(),
        remedy: else => "look at the agent's log",

        /// Nothing was heard from a host for too long.
        "silent" Silent {
            /// What it was doing.
            during: SilentWhile,
            /// How long nothing was heard.
            silence: Nanos,
        }
        let what = match during {
            SilentWhile::Preparing => "does not become ready",
            SilentWhile::Running => "is silent",
            SilentWhile::Cancelled => "did not end a cancelled trial",
        };
        message: format!("{what}: nothing was heard from it for {:.0} s", silence.as_duration().as_secs_f64()),
        remedy: else => "look at the agent's log and at `dmesg` there: a worker may hang in the kernel",
    }
}
