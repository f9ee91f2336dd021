//! What an agent allows its clients. `agent serve --help` states all of them.

use std::time::Duration;

use proto::units::{ByteSize, Nanos};

/// Time in which a client must say who it is: its first byte and, with TLS, the handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Time from then on in which a client must have begun to speak HTTP/2.
pub const PREFACE_TIME: Duration = Duration::from_secs(5);
/// Time in which a stream for a lease must have sent Open.
pub const OPEN_TIME: Duration = Duration::from_secs(5);
/// Streams for a lease that have not sent Open yet, on all connections.
pub const MAX_WAITING: usize = 16;
/// Concurrent requests on a connection.
pub const MAX_STREAMS: u32 = 32;
/// Age up to which a description of the host is sent again. Making one tests the kernel for a tenth of a second.
pub const DESCRIPTION_AGE: Duration = Duration::from_secs(1);
/// Time for everything that must be released when the agent ends. After it, the process ends all the same.
pub const SHUTDOWN_TIME: Duration = Duration::from_secs(15);

/// The limits that an operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections, including those whose handshake is not over.
    pub connections: usize,
    /// Memory for the workers of a trial: buffers, histograms, tables. It does not include the target.
    pub trial_memory: ByteSize,
    /// Warm-up and runtime of a trial.
    pub trial_time: Nanos,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 128, trial_memory: ByteSize(16 << 30), trial_time: Nanos(24 * 3_600_000_000_000) }
    }
}
