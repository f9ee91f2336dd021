//! A host's description as plain text, for `agent probe`.

use std::fmt::Write;

use proto::outcome::HostDescription;

/// The widest line, in characters.
const WIDTH: usize = 100;

/// Renders facts, then capabilities; missing ones with their remedies. Lines have at most 100 characters, unless a
/// single word is longer.
#[must_use]
pub fn render(host: &HostDescription) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}  (agent {}, protocol {})",
        host.hostname, host.agent_version, host.protocol_version
    );
    let _ = writeln!(text, "\nFacts");
    let width = host.facts.keys().map(|name| name.chars().count()).max().unwrap_or(0).min(40);
    for (name, value) in &host.facts {
        wrapped(&mut text, &format!("  {name:width$}  "), width + 4, value);
    }
    let missing = host.capabilities.iter().filter(|capability| !capability.available).count();
    let _ = writeln!(text, "\nCapabilities ({missing} of {} missing)", host.capabilities.len());
    let width = host.capabilities.iter().map(|one| one.name.chars().count()).max().unwrap_or(0).min(40);
    for one in &host.capabilities {
        let mark = if one.available { "ok" } else { "NO" };
        wrapped(&mut text, &format!("  {mark}  {:width$}  ", one.name), width + 8, &one.detail);
        if !one.remedy.is_empty() {
            wrapped(&mut text, "      → ", 8, &one.remedy);
        }
    }
    text
}

/// Appends one entry, wrapped, with continuation lines indented.
fn wrapped(text: &mut String, head: &str, indent: usize, words: &str) {
    let mut line = head.to_owned();
    let mut used = head.chars().count();
    let mut fresh = true;
    for word in words.split_whitespace() {
        let len = word.chars().count();
        if !fresh && used + 1 + len > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(indent);
            used = indent;
            fresh = true;
        }
        if !fresh {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += len;
        fresh = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
