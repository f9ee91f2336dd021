//! The address of an agent: `HOST:PORT`, with an IPv6 address in brackets, or `unix:/PATH`.

use std::{fmt, net::Ipv6Addr, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// The address on which an agent listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// A name in lower case, an IPv4 address, or an IPv6 address in brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket on this machine.
    Unix(PathBuf),
}

impl Address {
    /// The host without brackets; `None` for a Unix socket.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } => Some(host.trim_start_matches('[').trim_end_matches(']')),
            Self::Unix(_) => None,
        }
    }
}

/// An invalid address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address: {why}")]
pub struct AddressError {
    text: String,
    why: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = |why: &str| AddressError { text: text.to_owned(), why: why.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(refuse("a Unix socket needs an absolute path, such as unix:/run/agent.sock"));
            }
            return Ok(Self::Unix(path.into()));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(refuse(&format!("write an IPv6 address in brackets, with a port: [{text}]:7420")));
        }
        let (host, port) =
            text.rsplit_once(':').ok_or_else(|| refuse("it needs a port, such as n1.lab:7420"))?;
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(refuse("the port must be a number from 1 to 65535")),
            Ok(port) => port,
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => match v6.parse::<Ipv6Addr>() {
                Ok(v6) => format!("[{v6}]"),
                Err(_) => return Err(refuse("the brackets must contain an IPv6 address")),
            },
            None => host.to_ascii_lowercase(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if host.is_empty() || !(host.starts_with('[') || host.chars().all(plain)) {
            return Err(refuse("it must be HOST:PORT, such as n1.lab:7420, 10.0.0.1:7420 or [::1]:7420"));
        }
        Ok(Self::Tcp { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_addresses() {
        for text in ["n1.lab:7420", "127.0.0.1:1", "[::1]:7420", "n_1-a:65535", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("[0:0::1]:7".parse::<Address>(), "[::1]:7".parse());
        assert_eq!("N1:7".parse::<Address>(), "n1:7".parse());
    }

    #[test]
    fn refusals_name_the_expected_form() {
        let refusal = |text: &str| text.parse::<Address>().unwrap_err().to_string();
        assert!(refusal("::1").contains("[::1]:7420"));
        assert!(refusal("n1").contains("needs a port"));
        assert!(refusal("n1:0").contains("1 to 65535"));
        assert!(refusal("n1:99999").contains("1 to 65535"));
        assert!(refusal("http://n1:80").contains("HOST:PORT"));
        assert!(refusal("unix:a.sock").contains("absolute path"));
        assert!(refusal(":80").contains("HOST:PORT"));
        assert!(refusal("[n1]:80").contains("IPv6"));
    }
}
