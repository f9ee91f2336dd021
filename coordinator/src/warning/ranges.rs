//! Host names as ranges: `n1..n32` for consecutive numbers.

/// The fewest consecutive names that a range replaces.
const SHORTEST: usize = 3;

/// A name with a number: the text before it, the number, and the text after it, such as the port of an address.
fn numbered(name: &str) -> Option<(&str, u64, &str)> {
    let port = name.rfind(':').filter(|at| name[at + 1..].bytes().all(|byte| byte.is_ascii_digit()));
    let (body, _) = name.split_at(port.unwrap_or(name.len()));
    let end = body.rfind(|c: char| c.is_ascii_digit())? + 1;
    let begin = body[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + body[at..].chars().next().map_or(1, char::len_utf8));
    Some((&name[..begin], name[begin..end].parse().ok()?, &name[end..]))
}

/// Names in natural order, each once; three or more with consecutive numbers become a range.
#[must_use]
pub fn ranges<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let key = |name: &'a str| match numbered(name) {
        Some((before, number, after)) => (before, after, Some(number), name),
        None => (name, "", None, name),
    };
    let mut keys: Vec<_> = names.into_iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    let follows = |(one, next): &(&(&str, &str, Option<u64>, &str), &(&str, &str, Option<u64>, &str))| {
        (one.0, one.1) == (next.0, next.1)
            && next.2.is_some_and(|next| one.2.and_then(|number| number.checked_add(1)) == Some(next))
    };
    let mut out = Vec::new();
    let mut rest = &keys[..];
    while let [first, others @ ..] = rest {
        let run = 1 + rest.iter().zip(others).take_while(follows).count();
        let (these, after) = rest.split_at(run);
        match these {
            [.., last] if run >= SHORTEST => out.push(format!("{}..{}", first.3, last.3)),
            these => out.extend(these.iter().map(|name| name.3.to_owned())),
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_names_become_ranges() {
        let of = |names: &[&str]| ranges(names.iter().copied()).join(" ");
        let many: Vec<String> = (1..=32).map(|number| format!("n{number}")).collect();
        assert_eq!(ranges(many.iter().rev().map(String::as_str)), ["n1..n32"]);
        assert_eq!(of(&["n10", "n9", "n8", "n1", "n3"]), "n1 n3 n8..n10");
        assert_eq!(of(&["stock", "patched"]), "patched stock");
        assert_eq!(of(&["n1", "n2", "n1"]), "n1 n2");
        assert_eq!(of(&["10.0.0.2:7420", "10.0.0.1:7420", "10.0.0.3:7420"]), "10.0.0.1:7420..10.0.0.3:7420");
        assert_eq!(of(&["[::1]:7420", "[::1]:7421", "[::1]:7422"]), "[::1]:7420 [::1]:7421 [::1]:7422");
        assert_eq!(of(&["a01", "a02", "a03", "é1x", "é2x", "é3x"]), "a01..a03 é1x..é3x");
        assert_eq!(
            of(&["n18446744073709551615", "99999999999999999999"]),
            "99999999999999999999 n18446744073709551615"
        );
    }
}
