//! Asks the kernel of a silent host whether an agent still listens there. A busy or stopped agent does not answer
//! anything, but its kernel still accepts connections; it refuses them if the process is gone.

use std::{io::ErrorKind, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::address::Address;

/// How long a host may be silent during a trial before it is asked, and the time between two questions.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// Whether the kernel at this address refuses connections. No answer is not a refusal.
pub(super) async fn refuses(address: &Address) -> bool {
    let Address::Tcp { .. } = address else { return false };
    match timeout(PERIOD, TcpStream::connect(address.to_string())).await {
        Ok(Err(error)) => matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset),
        Ok(Ok(_)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_port_without_a_listener_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        // Nobody accepts the connection, as if the agent were stopped.
        assert!(!refuses(&address).await);
        drop(listener);
        assert!(refuses(&address).await);
        assert!(!refuses(&"unix:/nowhere/agent.sock".parse().unwrap()).await);
    }
}
