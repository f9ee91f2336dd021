//! Where an agent and the coordinators of the same user meet: a directory that only this user can enter, with the
//! agent's socket and the tokens of agents that listen on loopback.

use std::{
    fs::{self, DirBuilder},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// The metadata key of a token, as in HTTP.
pub const TOKEN_KEY: &str = "authorization";
/// The scheme that precedes a token.
pub const TOKEN_SCHEME: &str = "Bearer ";
/// The largest token file, in bytes.
const MAX_TOKEN: u64 = 4096;

/// Places of the directory, the preferred one first: the session's directory may not exist for services.
fn candidates() -> Vec<PathBuf> {
    let user = rustix::process::geteuid();
    let name = format!("ringbench-{}", user.as_raw());
    let session = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let homes = match user.is_root() {
        true => vec![PathBuf::from("/run")],
        false => session.into_iter().chain([format!("/run/user/{}", user.as_raw()).into()]).collect(),
    };
    homes.into_iter().chain(["/tmp".into()]).map(|home| home.join(&name)).collect()
}

/// Whether a path is a directory of this user that nobody else can enter. Symbolic links do not count.
fn is_private(path: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path)
        .is_ok_and(|about| about.is_dir() && about.uid() == user && about.mode() & 0o077 == 0)
}

/// The directory, created if necessary.
///
/// # Errors
/// None of its places can be used; the error is that of the last one.
pub fn directory() -> io::Result<PathBuf> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for path in candidates() {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => failed = error,
            _ if is_private(&path) => return Ok(path),
            _ => failed = io::ErrorKind::PermissionDenied.into(),
        }
    }
    Err(failed)
}

/// The name of the agent's socket in the directory.
pub const SOCKET: &str = "agent.sock";

/// The name of the file in the directory that has the token of an agent on this address.
#[must_use]
pub fn token_name(address: SocketAddr) -> String {
    format!("token-{}-{}", address.ip(), address.port())
}

/// The token file of an agent of this user on this address, if there is one.
#[must_use]
pub fn find_token(address: SocketAddr) -> Option<PathBuf> {
    let usable = candidates().into_iter().filter(|path| is_private(path));
    usable.map(|path| path.join(token_name(address))).find(|path| path.is_file())
}

/// Reads a token.
///
/// # Errors
/// The file cannot be read, or contains no token.
pub fn read_token(path: &Path) -> io::Result<String> {
    let about = fs::metadata(path)?;
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if !about.is_file() || about.len() > MAX_TOKEN {
        return Err(refused("it is not the token of an agent"));
    }
    if about.mode() & 0o077 != 0 {
        return Err(refused("other users may read it; chmod 600"));
    }
    let token = fs::read_to_string(path)?.trim().to_owned();
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { Ok(token) } else { Err(refused("it is not the token of an agent")) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn tokens_must_be_private() {
        let path = directory().unwrap().join(format!("token-test-{}", std::process::id()));
        let with = |mode, text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_token(&path)
        };
        assert_eq!(with(0o600, "abc1\n").unwrap(), "abc1");
        assert!(with(0o640, "abc1\n").unwrap_err().to_string().contains("chmod 600"));
        assert!(with(0o600, "\n").is_err() && with(0o600, "a\nb").is_err());
        fs::remove_file(&path).unwrap();
    }
}
