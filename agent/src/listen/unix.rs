//! A Unix socket. The kernel reports who connects; the user who started the agent and root are admitted.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::{
    net::{UnixListener, UnixStream},
    time::timeout,
};

use super::{Connection, Door, Peer, pause};
use crate::{limits::HANDSHAKE_TIME, metrics::Refused};

/// A bound socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// Binds a socket that only this user and root can connect to. A socket that an earlier agent left behind is replaced.
///
/// # Errors
/// An agent listens on it, the path is something else, or those of the system.
pub fn bind(path: &Path) -> io::Result<Socket> {
    if let Ok(about) = fs::symlink_metadata(path) {
        if !about.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists and is not a socket"));
        }
        match StdUnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(error) => return Err(error),
        }
    }
    let listener = UnixListener::bind(path)?;
    let socket = Socket { listener, path: path.to_owned() };
    // Whoever connects before this is refused by its user all the same.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(socket)
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Socket {
    /// Accepts connections until the task is dropped.
    pub async fn accept(self, door: Door) {
        let own = rustix::process::geteuid().as_raw();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let Some(place) = door.place() else { continue };
                    let door = door.clone();
                    tokio::spawn(async move {
                        if !is_permitted(&stream, own) {
                            door.metrics.refused(Refused::User);
                        } else if !is_alive(&stream).await {
                            door.metrics.refused(Refused::Silent);
                        } else {
                            door.admit(Connection::new(stream, Peer::Admitted).in_place(place)).await;
                        }
                    });
                }
                Err(error) => pause(&error).await,
            }
        }
    }
}

fn is_permitted(stream: &UnixStream, own: u32) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == own || peer.uid() == 0 => true,
        Ok(peer) => {
            tracing::warn!("refused user {}: this socket serves user {own} and root", peer.uid());
            false
        }
        Err(error) => {
            tracing::warn!("refused a connection: its user is unknown: {error}");
            false
        }
    }
}

/// Whether the client sends something in time.
async fn is_alive(stream: &UnixStream) -> bool {
    matches!(timeout(HANDSHAKE_TIME, stream.readable()).await, Ok(Ok(())))
}
