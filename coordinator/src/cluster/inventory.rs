//! The hosts of a run: from `--agents`, or from an inventory file such as
//!
//! ```yaml
//! hosts:
//!   - {name: n1, address: "10.0.0.1:7420", labels: {kernel: patched}}
//! ```

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::address::{Address, AddressError};

/// A host of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// Its name in reports.
    pub name: String,
    /// The address of its agent.
    pub address: Address,
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

/// The hosts of `--agents HOST:PORT,…`, named by their addresses, without duplicates.
///
/// # Errors
/// An item is not an address.
pub fn from_list(agents: &str) -> Result<Vec<HostSpec>, InventoryError> {
    let mut hosts: Vec<HostSpec> = Vec::new();
    for item in agents.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let address: Address = item.parse().map_err(InventoryError::Agent)?;
        if hosts.iter().all(|host| host.address != address) {
            hosts.push(HostSpec { name: address.to_string(), address, labels: BTreeMap::new() });
        }
    }
    if hosts.is_empty() { Err(InventoryError::NoAgent) } else { Ok(hosts) }
}

/// The hosts of an inventory file.
///
/// # Errors
/// The file cannot be read, or an entry is unknown, duplicate or invalid.
pub fn from_file(path: &Path) -> Result<Vec<HostSpec>, InventoryError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| InventoryError::Read { path: path.to_owned(), message: error.to_string() })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<HostSpec>, InventoryError> {
    let content = |line: usize, message: String| InventoryError::Content {
        path: path.to_owned(),
        line: line.max(1),
        message,
    };
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
    fn reads_a_list_of_agents_and_drops_duplicates() {
        let hosts = from_list("n1:7420, n2:7420,N1:7420,").unwrap();
        let names: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, ["n1:7420", "n2:7420"]);
        assert_eq!(from_list(" ,"), Err(InventoryError::NoAgent));
        assert!(from_list("n1").unwrap_err().to_string().contains("needs a port"));
    }
}
