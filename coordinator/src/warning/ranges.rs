//! Host names as ranges: `n1..n32` for consecutive numbers.

/// The fewest consecutive names that a range replaces.
const SHORTEST: usize = 3;

/// A name with its number, ordered naturally.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a> {
    /// The text before the number.
    before: &'a str,
    /// The text after it, such as the port of an address.
    after: &'a str,
    /// The last number outside a port, if there is one.
    number: Option<u64>,
    whole: &'a str,
}

impl<'a> Name<'a> {
    fn new(whole: &'a str) -> Self {
        Self::numbered(whole).unwrap_or(Self { before: whole, after: "", number: None, whole })
    }

    fn numbered(whole: &'a str) -> Option<Self> {
        let digit = |c: char| c.is_ascii_digit();
        let port = whole.rfind(':').filter(|at| whole[at + 1..].chars().all(digit));
        let body = &whole[..port.unwrap_or(whole.len())];
        let end = body.rfind(digit)? + 1;
        let begin = body[..end].trim_end_matches(digit).len();
        let number = Some(whole[begin..end].parse().ok()?);
        Some(Self { before: &whole[..begin], after: &whole[end..], number, whole })
    }

    /// Whether the numbers of two names are consecutive, and all else is equal.
    fn precedes(self, next: Self) -> bool {
        let follows = self.number.and_then(|number| number.checked_add(1));
        (self.before, self.after) == (next.before, next.after) && follows.is_some() && follows == next.number
    }
}

/// Names in natural order, each once; three or more with consecutive numbers become a range.
#[must_use]
pub fn ranges<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<Name<'a>> = names.into_iter().map(Name::new).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = Vec::new();
    for run in names.chunk_by(|one, next| one.precedes(*next)) {
        match run {
            [first, .., last] if run.len() >= SHORTEST => {
                out.push(format!("{}..{}", first.whole, last.whole))
            }
            few => out.extend(few.iter().map(|name| name.whole.to_owned())),
        }
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
