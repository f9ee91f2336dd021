//! Trials that were called off, and messages that one end cannot accept.

use serde::{Deserialize, Serialize};

use crate::{
    trial::FieldError,
    units::{ByteSize, Nanos},
};

/// A limit of an agent. `agent serve --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentLimit {
    /// Warm-up and runtime of a trial take longer.
    TrialTime {
        /// The trial's.
        asked: Nanos,
        /// The limit.
        limit: Nanos,
    },
    /// The workers of a trial need more memory.
    TrialMemory {
        /// The trial's.
        asked: ByteSize,
        /// The limit.
        limit: ByteSize,
    },
    /// A stream for a lease did not send Open in time.
    OpenTime {
        /// The limit.
        limit: Nanos,
    },
    /// Too many streams for a lease have not sent Open.
    WaitingLeases {
        /// The limit.
        limit: u32,
    },
}

/// A field of a trial that the agent does not accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidField {
    /// Its path.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl From<&FieldError> for InvalidField {
    fn from(error: &FieldError) -> Self {
        Self { field: error.field.clone(), message: error.to_string() }
    }
}

/// When a trial was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledWhen {
    /// While its target was being prepared.
    Preparing,
    /// Before it started.
    Waiting,
    /// With the run; the host did not answer in time.
    Unanswered,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolError {
    /// A trial is prepared while another one runs.
    TrialUnderWay,
    /// The lease is opened twice.
    LeaseOpen,
    /// The agent's first event is not `opened`.
    NotOpened,
    /// An event has no place in an open lease.
    UnexpectedEvent,
    /// A message cannot be decoded.
    Undecodable {
        /// The first field at fault.
        why: String,
    },
}

crate::notices! {
    /// Refusals about a lease and its messages.
    #[derive(Eq)]
    pub enum SessionRefusal {
        /// The agent does not accept a trial that the coordinator accepted.
        "invalid-trial" InvalidTrial {
            /// The fields at fault.
            errors: Vec<InvalidField>,
        }
        let all = errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>();
        message: all.join("; "),
        remedy: else =>
            "the coordinator should have refused this scenario: check that both ends are of the same release",
        field: errors.first().map_or("", |error| error.field.as_str()),

        /// One end sent a message that the other does not understand or expect.
        "protocol" Protocol {
            /// What is wrong with it.
            error: ProtocolError,
        }
        message: match error {
            ProtocolError::TrialUnderWay => "a trial is already under way".into(),
            ProtocolError::LeaseOpen => "the lease is already open".into(),
            ProtocolError::NotOpened => "sent an invalid message: the first event of the lease was not `opened`".into(),
            ProtocolError::UnexpectedEvent => {
                "sent an invalid message: the event is not valid in an open lease".into()
            }
            ProtocolError::Undecodable { why } => format!("sent an invalid message: {why}"),
        },
        remedy:
            if *error == ProtocolError::TrialUnderWay => "wait for its Finished or Failed before the next Prepare",
            if *error == ProtocolError::LeaseOpen => "send Open once",
            else => "install the same release on both; if they are the same, report this as a bug",

        /// A limit of the agent is exceeded.
        "agent-limit" AgentLimit {
            /// The limit.
            limit: AgentLimit,
        }
        message: match limit {
            AgentLimit::TrialTime { asked, limit } => {
                format!("a trial of {asked} is longer than this agent allows ({limit})")
            }
            AgentLimit::TrialMemory { asked, limit } => {
                format!("the workers need {asked} of memory, more than this agent allows ({limit})")
            }
            AgentLimit::OpenTime { limit } => format!("the stream for a lease sent no Open within {limit}"),
            AgentLimit::WaitingLeases { limit } => {
                format!("{limit} streams for a lease wait for their Open, the most that this agent allows")
            }
        },
        remedy:
            if matches!(limit, AgentLimit::TrialTime { .. }) =>
                "use a shorter workload.runtime, or start the agent with a longer --max-trial-time",
            if matches!(limit, AgentLimit::TrialMemory { .. }) =>
                "use fewer threads, a smaller depth or block_size, or start the agent with a larger --max-trial-memory",
            else => "send Open as the first message; another client may be flooding this agent",
        field: match limit {
            AgentLimit::TrialTime { .. } => "workload.runtime",
            AgentLimit::TrialMemory { .. } => "workload.threads",
            _ => "",
        },

        /// The trial was cancelled.
        "cancelled" Cancelled {
            /// When.
            when: CancelledWhen,
        }
        message: match when {
            CancelledWhen::Preparing => "the trial was cancelled while its target was being prepared".into(),
            CancelledWhen::Waiting => "the trial was cancelled before it started".into(),
            CancelledWhen::Unanswered => "did not answer in time after the run was interrupted".into(),
        },
        remedy:
            if *when == CancelledWhen::Unanswered => "run it again",
            else => "",

        /// The start of a trial lies too far in the future.
        "start-too-far" StartTooFar {}
        message: "the start is more than a minute ahead".into(),
        remedy: else => "give it in nanoseconds of this host's CLOCK_MONOTONIC, as returned by ReadClock",

        /// An interval's histogram could not be encoded.
        "interval-not-encoded" IntervalNotEncoded {
            /// The codec's error.
            why: String,
        }
        message: why.clone(),
        remedy: else => "this is a bug in the agent; please report it",
    }
}
