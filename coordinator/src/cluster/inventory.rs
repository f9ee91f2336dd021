//! The hosts of a run: from `--agents`, or from an inventory file such as
//!
//! ```yaml
//! hosts:
//!   - {name: n1, address: "10.0.0.1:7420", labels: {kernel: patched}}
//! ```

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::address::{Address, AddressError};
use crate::input;

/// The longest time to resolve all names.
const LOOKUP: Duration = Duration::from_secs(2);

/// A host of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// Its name in reports.
    pub name: String,
    /// The address of its agent.
    pub address: Address,
    /// The name in its certificate, if it is not the host of the address.
    #[serde(default)]
    pub tls_name: Option<String>,
    /// The labels by which an arm selects it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Errors of an inventory or of a list of agents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum InventoryError {
    /// The file could not be read.
    #[error("cannot read the inventory {}: {message}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        message: String,
    },
    /// The file has an invalid entry.
    #[error("{}:{line}: {message}", path.display())]
    #[diagnostic(help(
        "an inventory looks like this: hosts: [{{name: n1, address: \"10.0.0.1:7420\", \
         labels: {{kernel: patched}}}}]"
    ))]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The problem.
        message: String,
    },
    /// An item of `--agents` is not an address.
    #[error("--agents: {0}")]
    Agent(AddressError),
    /// `--agents` has an address twice.
    #[error("--agents names {0} twice; an agent runs one trial at a time")]
    #[diagnostic(help("remove one of them"))]
    Twice(Address),
    /// Two hosts have addresses of the same agent.
    #[error("`{0}` and `{1}` are the same agent ({2}); an agent runs one trial at a time")]
    #[diagnostic(help("remove one of them"))]
    SameAgent(String, String, SocketAddr),
    /// The system allows too few open files.
    #[error("{hosts} hosts need {needed} open files, and this process may open {limit}")]
    #[diagnostic(help(
        "raise the limit (`ulimit -Hn {needed}` as root, `LimitNOFILE=` of a service), or use fewer hosts"
    ))]
    TooMany {
        /// The hosts.
        hosts: usize,
        /// The open files that they need.
        needed: u64,
        /// The hard limit.
        limit: u64,
    },
    /// `--agents` is empty.
    #[error("--agents names no host")]
    #[diagnostic(help("write --agents HOST:PORT,… or omit it to measure on this machine"))]
    NoAgent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inventory {
    hosts: Vec<HostSpec>,
}

/// The hosts of `--agents HOST:PORT,…`, named by their addresses.
///
/// # Errors
/// An item is not an address, or is there twice.
pub fn from_list(agents: &str) -> Result<Vec<HostSpec>, InventoryError> {
    let mut hosts: Vec<HostSpec> = Vec::new();
    for item in agents.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let address: Address = item.parse().map_err(InventoryError::Agent)?;
        if hosts.iter().any(|host| host.address == address) {
            return Err(InventoryError::Twice(address));
        }
        let (name, tls_name, labels) = (address.to_string(), None, BTreeMap::new());
        hosts.push(HostSpec { name, address, tls_name, labels });
    }
    if hosts.is_empty() { Err(InventoryError::NoAgent) } else { Ok(hosts) }
}

/// Checks that no two hosts resolve to the same address. A name that does not resolve is left to the connection, which
/// reports it.
///
/// # Errors
/// Two hosts have the same address.
pub async fn check_distinct(hosts: &[HostSpec]) -> Result<(), InventoryError> {
    let mut known: Vec<(SocketAddr, &str)> = Vec::new();
    let deadline = Instant::now() + LOOKUP;
    for host in hosts {
        if host.address.host().is_none() {
            continue;
        }
        let lookup = tokio::net::lookup_host(host.address.to_string());
        let Ok(Ok(found)) = timeout_at(deadline, lookup).await else { continue };
        let mut own: Vec<SocketAddr> = found.collect();
        own.sort_unstable();
        own.dedup();
        for address in own {
            if let Some((_, earlier)) = known.iter().find(|(other, _)| *other == address) {
                return Err(InventoryError::SameAgent((*earlier).to_owned(), host.name.clone(), address));
            }
            known.push((address, &host.name));
        }
    }
    Ok(())
}

/// The hosts of an inventory file.
///
/// # Errors
/// The file cannot be read, or an entry is unknown, duplicate or invalid.
pub fn from_file(path: &Path) -> Result<Vec<HostSpec>, InventoryError> {
    let text = input::text(path)
        .map_err(|error| InventoryError::Read { path: path.to_owned(), message: error.to_string() })?;
    parse(path, &text)
}

/// The hosts of the text of an inventory.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<HostSpec>, InventoryError> {
    let content = |line: usize, message: String| InventoryError::Content {
        path: path.to_owned(),
        line: line.max(1),
        message,
    };
    input::check_yaml(text).map_err(|error| content(error.line(text), error.to_string()))?;
    let inventory: Inventory = serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| {
            let line = error.inner().location().map_or(1, |location| location.line());
            content(line, error.inner().to_string())
        })?;
    if inventory.hosts.is_empty() {
        return Err(content(1, "`hosts` is empty: name at least one host".into()));
    }
    for (i, host) in inventory.hosts.iter().enumerate() {
        // A name becomes part of file names and tables.
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
        if host.name.is_empty() || !host.name.chars().all(plain) {
            let message = format!("the name `{}` may have letters, digits, `.`, `_` and `-` only", host.name);
            return Err(content(line_of(text, &host.name, 1), message));
        }
        for earlier in &inventory.hosts[..i] {
            if earlier.name == host.name {
                let line = line_of(text, &host.name, 2);
                return Err(content(line, format!("the name `{}` is given twice", host.name)));
            }
            if earlier.address == host.address {
                let line = line_of(text, &host.address.to_string(), 2);
                let message = format!(
                    "`{}` and `{}` have the same address {}; an agent runs one trial at a time",
                    earlier.name, host.name, host.address
                );
                return Err(content(line, message));
            }
        }
    }
    Ok(inventory.hosts)
}

/// The line of the nth occurrence of a value, found in the text because the values have no positions. If a value
/// is written in another form, the line is approximate: that of its last occurrence, or the first line.
fn line_of(text: &str, value: &str, nth: usize) -> usize {
    let whole = |line: &str, at: usize| {
        let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !line[..at].ends_with(word) && !line[at + value.len()..].starts_with(word)
    };
    let found = text.lines().enumerate().flat_map(|(number, line)| {
        let times = line.match_indices(value).filter(|&(at, _)| whole(line, at)).count();
        std::iter::repeat_n(number + 1, times)
    });
    let lines: Vec<usize> = found.collect();
    lines.get(nth - 1).or(lines.last()).copied().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(Path::new("lab.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn reads_an_inventory() {
        let text = "hosts:\n- {name: n1, address: '[::1]:7420', labels: {kernel: patched}}\n- name: n2\n  address: n2.lab:1\n";
        let hosts = parse(Path::new("lab.yaml"), text).unwrap();
        assert_eq!(hosts[0].labels["kernel"], "patched");
        assert_eq!(hosts[0].address.to_string(), "[::1]:7420");
        assert_eq!(hosts[1].name, "n2");
    }

    #[test]
    fn refusals_name_file_and_line() {
        let twice = "hosts:\n- {name: n1, address: 'a:1'}\n- {name: n10, address: 'b:1'}\n- {name: n1, address: 'c:1'}\n";
        assert_eq!(refusal(twice), "lab.yaml:4: the name `n1` is given twice");
        let same = "hosts:\n- {name: n1, address: 'a:1'}\n- {name: n2, address: 'A:1'}\n";
        assert!(refusal(same).contains("same address a:1"), "{}", refusal(same));
        let unknown = refusal("hosts:\n- name: n1\n  address: a:1\n  lables: {}\n");
        assert!(unknown.starts_with("lab.yaml:") && unknown.contains("lables"), "{unknown}");
        let address = refusal("hosts:\n- name: n0\n  address: a:1\n- name: n1\n  address: a\n");
        assert!(address.contains("needs a port"), "{address}");
        assert!(refusal("hosts: []").contains("empty"));
        assert!(refusal("- a").starts_with("lab.yaml:1:"));
        assert!(refusal("hosts: [{name: a/b, address: 'a:1'}]").contains("letters"));
        assert!(matches!(from_file(Path::new("/nowhere")), Err(InventoryError::Read { .. })));
    }

    #[test]
    fn two_thousand_hosts_are_an_inventory_unless_two_are_one() {
        let entry = |host: usize| {
            format!("- {{name: n{host}, address: '10.0.{}.{}:7420'}}\n", host / 250, host % 250)
        };
        let text = |hosts: std::ops::Range<usize>| hosts.map(entry).collect::<String>();
        let all = format!("hosts:\n{}", text(0..2000));
        assert_eq!(parse(Path::new("lab.yaml"), &all).unwrap().len(), 2000);
        let again = format!("{all}{}", text(1000..1001));
        assert_eq!(refusal(&again), "lab.yaml:2002: the name `n1000` is given twice");
        let moved = format!("{all}- {{name: x, address: '10.0.4.0:7420'}}\n");
        assert!(refusal(&moved).starts_with("lab.yaml:2002: `n1000` and `x` have the same address"));
        let none = refusal("hosts: []");
        assert_eq!(none, "lab.yaml:1: `hosts` is empty: name at least one host");
    }

    #[test]
    fn reads_a_list_of_agents_and_refuses_duplicates() {
        let hosts = from_list("n1:7420, n2:7420,").unwrap();
        let names: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, ["n1:7420", "n2:7420"]);
        let twice = from_list("n1:7420, n2:7420,N1:7420,").unwrap_err().to_string();
        assert_eq!(twice, "--agents names n1:7420 twice; an agent runs one trial at a time");
        assert_eq!(from_list(" ,"), Err(InventoryError::NoAgent));
        assert!(from_list("n1").unwrap_err().to_string().contains("needs a port"));
    }

    #[tokio::test]
    async fn two_names_of_one_address_are_refused() {
        let refusal = check_distinct(&from_list("localhost:7420,127.0.0.1:7420").unwrap()).await.unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "`localhost:7420` and `127.0.0.1:7420` are the same agent (127.0.0.1:7420); an agent runs one trial at a time"
        );
        assert_eq!(check_distinct(&from_list("127.0.0.1:1,127.0.0.1:2,no.invalid:1").unwrap()).await, Ok(()));
    }
}
