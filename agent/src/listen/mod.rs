//! Who may connect, and how: connections are admitted here and then served all alike.
//!
//! * `tcp`: TLS with certificates, or plain text on loopback or a trusted network.
//! * `unix`: a socket for the user who started the agent, and root.
//! * `token`: the token of plain text on loopback.
//! * `connection`: an admitted connection with its [`Peer`].
//!
//! The limits are those of [`crate::limits`].

mod connection;
mod tcp;
mod token;
mod unix;

use std::{io, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

pub use self::{
    connection::{Connection, Peer},
    tcp::Tcp,
    token::{Token, TokenCheck},
    unix::bind as bind_unix,
};
use crate::metrics::{Metrics, Refused};

/// Pause after a failed `accept`, such as for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Admits connections and passes them on to the server.
#[derive(Clone, Debug)]
pub struct Door {
    places: Arc<Semaphore>,
    most: usize,
    admitted: mpsc::Sender<io::Result<Connection>>,
    metrics: Metrics,
}

/// Admitted connections.
pub type Admitted = ReceiverStream<io::Result<Connection>>;

impl Door {
    /// A door for at most this many connections, and those that come through it. Their stream ends when all clones of the door are dropped.
    #[must_use]
    pub fn new(most: usize, metrics: Metrics) -> (Self, Admitted) {
        let (admitted, incoming) = mpsc::channel(8);
        (
            Self { places: Arc::new(Semaphore::new(most)), most, admitted, metrics },
            ReceiverStream::new(incoming),
        )
    }

    /// A place for one more connection; `None` if there is none.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        if place.is_none() {
            self.metrics.refused(Refused::Full);
            tracing::warn!("refused a connection: {} are open (--max-connections)", self.most);
        }
        place
    }

    async fn admit(&self, connection: Connection) {
        // The server has ended if nobody receives.
        let _ = self.admitted.send(Ok(connection.counted(self.metrics.clone()))).await;
    }
}

/// Waits after a failed `accept`, so that a lack of descriptors does not keep the CPU busy.
async fn pause(error: &io::Error) {
    tracing::warn!("cannot accept a connection: {error}");
    tokio::time::sleep(PAUSE).await;
}
