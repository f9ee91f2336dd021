//! Differences between the hosts of a run.

use super::text::{Style, wrap};
use crate::{
    analysis::fingerprint,
    report::text::escape,
    summary::{ComparisonSet, insight::FactDifference},
};

/// The value of a fact that a host does not report.
pub(super) const NOT_REPORTED: &str = "not reported";

/// `kernel.release: 6.12 (n1, n3) | 6.18 (n2)`: hosts with the same value together.
fn line(difference: &FactDifference) -> String {
    let mut by_value: Vec<(Option<&String>, Vec<&str>)> = Vec::new();
    for (host, value) in &difference.values {
        match by_value.iter_mut().find(|(known, _)| *known == value.as_ref()) {
            Some((_, hosts)) => hosts.push(host),
            None => by_value.push((value.as_ref(), vec![host])),
        }
    }
    let values = by_value.iter().map(|(value, hosts)| {
        let value = value.map_or(NOT_REPORTED, String::as_str);
        format!("{value} ({})", hosts.join(", "))
    });
    format!("{}: {}", difference.fact, values.collect::<Vec<_>>().join(" | "))
}

/// The classes of the facts that differ.
fn head(set: &ComparisonSet) -> String {
    let facts = set.host_differences.iter().map(|difference| difference.fact.as_str());
    format!("The hosts differ in: {}", fingerprint::classes(facts).join(", "))
}

/// For a terminal; `None` if the hosts do not differ.
pub(super) fn text(set: &ComparisonSet, width: usize, colour: bool) -> Option<String> {
    if set.host_differences.is_empty() {
        return None;
    }
    let head = wrap(&head(set), width, 2);
    let mut lines: Vec<String> = head.lines().map(|line| Style::Bold.paint(line, colour)).collect();
    for difference in &set.host_differences {
        let wrapped = wrap(&line(difference), width - 2, 4);
        lines.extend(wrapped.lines().map(|line| format!("  {line}")));
    }
    Some(lines.join("\n"))
}

/// For Markdown; empty if the hosts do not differ.
pub(super) fn markdown(set: &ComparisonSet) -> String {
    if set.host_differences.is_empty() {
        return String::new();
    }
    let lines = set.host_differences.iter().map(|difference| format!("- {}\n", escape(&line(difference))));
    format!("\n#### {}\n\n{}", escape(&head(set)), lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn lists_hosts_with_the_same_value_together() {
        let values = |of: [Option<&str>; 3]| -> BTreeMap<String, Option<String>> {
            let names = ["n1", "n2", "n3"].map(String::from);
            names.into_iter().zip(of.map(|value| value.map(String::from))).collect()
        };
        let difference = |fact: &str, of| FactDifference { fact: fact.into(), values: values(of) };
        let mut set = ComparisonSet::default();
        assert_eq!((text(&set, 100, false), markdown(&set)), (None, String::new()));
        set.host_differences = vec![
            difference("kernel.release", [Some("6.12"), Some("6.18"), Some("6.12")]),
            difference("mitigations.retbleed", [None, Some("Mitigation: <IBRS>"), None]),
        ];
        assert_eq!(
            text(&set, 100, false).unwrap(),
            "The hosts differ in: kernel, mitigations\n  kernel.release: 6.12 (n1, n3) | 6.18 (n2)\n  \
             mitigations.retbleed: not reported (n1, n3) | Mitigation: <IBRS> (n2)"
        );
        assert!(
            markdown(&set).contains(
                "- mitigations.retbleed: not reported (n1, n3) \\| Mitigation: &lt;IBRS&gt; (n2)\n"
            )
        );
    }
}
