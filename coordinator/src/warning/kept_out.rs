//! Reasons why a trial is kept out of the statistics.

use std::fmt;

use proto::outcome::Refusal;
use serde::{Deserialize, Serialize};

use crate::errno::errno_name;

/// Why a trial is kept out of the statistics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptOut {
    /// It has this mark.
    Marked(String),
    /// No host took part.
    NoHost,
    /// A later attempt counts instead.
    Repeated,
    /// A host refused it or was lost.
    Refused {
        /// The host.
        host: String,
        /// The refusal.
        refusal: Refusal,
    },
    /// A host did not finish.
    NotFinished {
        /// The host.
        host: String,
    },
    /// A host was stopped before the end.
    CutShort {
        /// The host.
        host: String,
    },
    /// Requests failed.
    FailedRequests {
        /// The host.
        host: String,
        /// Failed requests.
        requests: u64,
        /// Their errors.
        errnos: Vec<i32>,
    },
    /// Sectors did not hold what was written.
    FailedVerification {
        /// The host.
        host: String,
        /// Those sectors.
        sectors: u64,
    },
    /// No interval of a host arrived.
    NoInterval {
        /// The host.
        host: String,
    },
    /// A host completed no operation.
    NoOperation {
        /// The host.
        host: String,
    },
    /// No interval of a host lies within the window that all hosts share.
    OutsideWindow {
        /// The host.
        host: String,
    },
}

impl KeptOut {
    /// The host at fault, if it is known.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Marked(_) | Self::NoHost | Self::Repeated => None,
            Self::Refused { host, .. }
            | Self::NotFinished { host }
            | Self::CutShort { host }
            | Self::FailedRequests { host, .. }
            | Self::FailedVerification { host, .. }
            | Self::NoInterval { host }
            | Self::NoOperation { host }
            | Self::OutsideWindow { host } => Some(host),
        }
    }
}

impl fmt::Display for KeptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Marked(mark) => f.write_str(mark),
            Self::NoHost => f.write_str("no host took part"),
            Self::Repeated => f.write_str("run again"),
            Self::Refused { host, refusal } => write!(f, "{host}: {refusal}"),
            Self::NotFinished { host } => write!(f, "{host} did not finish"),
            Self::CutShort { host } => write!(f, "{host} was stopped early"),
            Self::FailedRequests { host, requests, errnos } => {
                let names: Vec<String> = errnos.iter().map(|errno| errno_name(*errno)).collect();
                write!(f, "{host}: {requests} requests failed ({})", names.join(", "))
            }
            Self::FailedVerification { host, sectors } => {
                write!(f, "{host}: {sectors} sectors failed verification")
            }
            Self::NoInterval { host } => write!(f, "no interval of {host} arrived"),
            Self::NoOperation { host } => write!(f, "{host} completed no operation"),
            Self::OutsideWindow { host } => {
                write!(f, "no interval of {host} lies within the window that all hosts share")
            }
        }
    }
}
