//! The token of an agent that listens in plain text on loopback. It is new at every start and belongs to one address,
//! so that another process that takes over the port learns nothing that could be used later.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use proto::local::{TOKEN_KEY, TOKEN_SCHEME};
use subtle::ConstantTimeEq as _;
use tonic::{Request, Status, service::Interceptor};

use super::Peer;
use crate::metrics::{Metrics, Refused};

/// Length of a token in bytes, before it is written in hexadecimal digits.
const LENGTH: usize = 32;

/// A token in its file, which is removed when this is dropped.
#[derive(Debug)]
pub struct Token {
    secret: Arc<str>,
    path: PathBuf,
}

impl Token {
    /// Writes a new token to a file with mode 0600. A file of an earlier agent is replaced.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(path: &Path) -> io::Result<Self> {
        let mut bytes = [0u8; LENGTH];
        let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        if filled != LENGTH {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(format!("{secret}\n").as_bytes())?;
        Ok(Self { secret: secret.into(), path: path.to_owned() })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The check of requests.
    #[must_use]
    pub fn check(&self) -> TokenCheck {
        TokenCheck { secret: Some(Arc::clone(&self.secret)), ..TokenCheck::default() }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // An agent that was started later on the same address has a token of its own.
        let own = fs::read_to_string(&self.path).is_ok_and(|text| text.trim() == &*self.secret);
        if own {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses requests without the token on connections that need it.
#[derive(Clone, Debug, Default)]
pub struct TokenCheck {
    secret: Option<Arc<str>>,
    metrics: Metrics,
}

impl TokenCheck {
    /// Counts refused requests.
    #[must_use]
    pub fn counted(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }
}

impl Interceptor for TokenCheck {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if request.extensions().get::<Peer>() == Some(&Peer::Admitted) {
            return Ok(request);
        }
        let sent = request.metadata().get(TOKEN_KEY).map(|value| value.as_bytes());
        let sent = sent.and_then(|value| value.strip_prefix(TOKEN_SCHEME.as_bytes()));
        match (&self.secret, sent) {
            (Some(secret), Some(sent)) if bool::from(secret.as_bytes().ct_eq(sent)) => Ok(request),
            _ => {
                self.metrics.refused(Refused::Token);
                Err(Status::unauthenticated("this agent accepts only clients with its token"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(peer: Option<Peer>, token: &str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert(TOKEN_KEY, format!("{TOKEN_SCHEME}{token}").parse().unwrap());
        peer.map(|peer| request.extensions_mut().insert(peer));
        request
    }

    #[test]
    fn only_the_token_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "old").unwrap();
        let token = Token::write(&path).unwrap();
        let secret = proto::local::read_token(&path).unwrap();
        assert_eq!(secret.len(), 2 * LENGTH);
        let mut check = token.check();
        let needs = Some(Peer::NeedsToken);
        assert!(check.call(request(needs, &secret)).is_ok());
        for wrong in ["", "x", &secret[1..], &format!("{secret}0")] {
            assert!(check.call(request(needs, wrong)).is_err(), "{wrong}");
        }
        assert!(check.call(Request::new(())).is_err(), "an unknown peer");
        assert!(check.call(request(Some(Peer::Admitted), "")).is_ok());
        assert!(TokenCheck::default().call(request(needs, "")).is_err(), "no token is no permission");
        drop(token);
        assert!(!path.exists());
    }
}
