//! How the coordinator proves who it is.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use proto::{
    identity::Watched,
    local::{self, TOKEN_KEY, TOKEN_SCHEME},
};
use rustls::ClientConfig;
use tonic::{Request, Status, metadata::AsciiMetadataValue, service::Interceptor};

/// The coordinator's certificate, or the tokens of agents on this machine.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The certificate for TCP; without it, connections are in plain text.
    pub tls: Option<Arc<Watched<ClientConfig>>>,
    /// The token for agents on loopback. By default, the file that the agent wrote for this user.
    pub token_file: Option<PathBuf>,
}

/// A token, and the file that has it.
#[derive(Clone, Debug)]
pub(super) struct FoundToken {
    pub(super) file: PathBuf,
    pub(super) token: String,
}

impl Security {
    /// The token for an agent at one of these addresses; `None` if there is none, or none is needed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn token(&self, addresses: &[SocketAddr]) -> Result<Option<FoundToken>, (PathBuf, io::Error)> {
        // A token never leaves this machine.
        let mut own = addresses.iter().filter(|address| address.ip().is_loopback()).peekable();
        if self.tls.is_some() || own.peek().is_none() {
            return Ok(None);
        }
        let Some(file) = self.token_file.clone().or_else(|| own.find_map(|&own| local::find_token(own)))
        else {
            return Ok(None);
        };
        match local::read_token(&file) {
            Ok(token) => Ok(Some(FoundToken { file, token })),
            Err(error) => Err((file, error)),
        }
    }
}

/// Adds the token, if there is one, to every request.
#[derive(Clone, Debug, Default)]
pub(super) struct Bearer {
    value: Option<AsciiMetadataValue>,
}

impl Bearer {
    pub(super) fn new(token: &str) -> Self {
        Self { value: format!("{TOKEN_SCHEME}{token}").parse().ok() }
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.value {
            request.metadata_mut().insert(TOKEN_KEY, value.clone());
        }
        Ok(request)
    }
}
