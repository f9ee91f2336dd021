//! A certificate authority for one lab: `coordinator pki`.
//!
//! * [`Authority`]: issues, renews and revokes.
//! * `record`: what was issued (`ca/issued.json`).
//! * `issue`: keys, certificates and the revocation list.
//! * `disk`: files that only their owner can read, replaced as a whole.
//!
//! ```text
//! pki/ca/                  the CA's key: stays on this machine
//! pki/agents/NAME/         goes to that host, and to no other
//! pki/coordinators/NAME/   goes to that user
//! ```

mod authority;
mod disk;
mod issue;
mod record;

pub use self::{
    authority::{Authority, NewLab, PkiError},
    record::{Certificate, State},
};

/// Validity of an agent's certificate, in days, unless `--days` says otherwise.
pub const AGENT_DAYS: u32 = 90;
/// Validity of a coordinator's certificate, in days.
pub const COORDINATOR_DAYS: u32 = 30;
/// Validity of the CA, in days.
pub const CA_DAYS: u32 = 3650;
