//! Plain text: names and messages come from files and from other machines, and must not control the terminal or change
//! the order in which a line is read.

/// Replaces control characters and those that change the direction of text.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect()
}

/// Like [`clean`], but every replacement has the same number of bytes, so that places in the text stay valid, and line
/// ends and tabs stay.
#[must_use]
pub fn clean_in_place(text: &str) -> String {
    let replaced = |c: char| match c.len_utf8() {
        _ if is_plain(c) || matches!(c, '\n' | '\t') => c,
        // A line end of Windows.
        1 if c == '\r' => ' ',
        1 => '?',
        2 => '¿',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(replaced).collect()
}

/// Cleans every line of a text and keeps the line ends.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

fn is_plain(c: char) -> bool {
    !c.is_control() && !changes_direction(c)
}

/// Whether a character is a bidirectional control, or a separator that starts a line.
/// <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>
#[must_use]
pub fn changes_direction(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn removes_escapes_and_overrides() {
        assert_eq!(clean("a\x1b[31mb\n\u{202E}c\u{9b}d\u{2066}"), "a [31mb  c d ");
        assert_eq!(clean_lines("a\x07\nb\u{202E}\n"), "a \nb \n");
        assert_eq!(clean("ein Größtes 測 \u{5d0}"), "ein Größtes 測 \u{5d0}");
    }

    proptest! {
        #[test]
        fn places_stay_valid(text in any::<String>()) {
            let cleaned = clean_in_place(&text);
            prop_assert_eq!(cleaned.len(), text.len());
            prop_assert!(cleaned.chars().all(|c| is_plain(c) || matches!(c, '\n' | '\t')));
            let starts = |text: &str| text.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(starts(&cleaned), starts(&text));
        }
    }
}
