//! Rewords serde's messages for authors of scenarios. serde reports errors only as text.

use super::{keys::one_of, spans::KeyPath};

/// Returns the message, the label and, if the message contains a remedy, the help.
pub(crate) fn reworded(message: &str, place: &KeyPath) -> (String, String, Option<String>) {
    let titled = |text: &str| {
        if place.0.is_empty() { text.to_owned() } else { format!("`{place}`: {text}") }
    };
    if let Some(key) = message.strip_prefix("missing field ").map(|key| key.trim_matches('`')) {
        return (
            titled(&format!("`{key}` is missing")),
            format!("has no `{key}`"),
            Some(format!("add `{key}`")),
        );
    }
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((word, known)) = rest.split_once("`, expected ")
    {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let help = one_of("there are", word, &known);
        return (titled(&format!("there is no `{word}`")), "unknown word".to_owned(), Some(help));
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((found, wanted)) =
            message.strip_prefix(prefix).and_then(|rest| rest.split_once(", expected "))
        {
            let found = found.replace('`', "").replace("null", "nothing");
            let found = ["string ", "integer ", "boolean ", "floating point "]
                .iter()
                .fold(found, |text, kind| text.strip_prefix(kind).map_or(text.clone(), str::to_owned));
            let wanted = plain(wanted);
            return (titled(&format!("{found} is not {wanted}")), format!("must be {wanted}"), None);
        }
    }
    // Messages of our own types have the remedy after the colon.
    if let Some((what, remedy)) = message.split_once(": ")
        && what.starts_with('`')
    {
        return (titled(what), "this value".to_owned(), Some(remedy.to_owned()));
    }
    (titled(message), "here".to_owned(), None)
}

/// A Rust type in plain words.
fn plain(wanted: &str) -> String {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text".to_owned(),
        "string or map" => "a word".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") => "a mapping of keys".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewords_the_messages_of_serde() {
        let at = KeyPath::of(["workload", "threads"]);
        let message_of = |message: &str| reworded(message, &at).0;
        assert_eq!(
            message_of("invalid type: string \"x\", expected u32"),
            "`workload.threads`: \"x\" is not a whole number, 0 or more"
        );
        assert_eq!(
            message_of("invalid value: integer `-1`, expected u32"),
            "`workload.threads`: -1 is not a whole number, 0 or more"
        );
        assert_eq!(message_of("missing field `size`"), "`workload.threads`: `size` is missing");
        let (message, _, help) =
            reworded("unknown variant `randm`, expected `random` or `sequential`", &KeyPath::default());
        assert_eq!(
            (message.as_str(), help.as_deref()),
            ("there is no `randm`", Some("did you mean `random`?"))
        );
    }
}
