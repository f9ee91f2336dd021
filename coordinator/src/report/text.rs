//! Text for terminals: width, wrapping, columns, colour; and escaping for Markdown.

use unicode_width::UnicodeWidthStr as _;

pub(super) use proto::plain::clean;

/// The style of a text, if colours are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
}

impl Style {
    /// The text with its colour; unchanged without colours.
    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Plain => return text.into(),
        };
        if colour && !text.trim().is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// Paints each line.
pub(super) fn paint_lines(style: Style, text: &str, colour: bool) -> String {
    text.lines().map(|line| style.paint(line, colour)).collect::<Vec<_>>().join("\n")
}

/// Escapes the markup of Markdown and HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '@' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Indents every line by two columns.
pub(super) fn indented(text: String) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// The width of a text in columns.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a text to a number of columns, with an ellipsis if it was longer.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.into();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let longer = format!("{kept}{c}");
        if width(&longer) + 1 > columns {
            break;
        }
        kept = longer;
    }
    kept + "…"
}

/// Wraps a text between words; all lines but the first are indented by `indent` columns.
pub(crate) fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in clean(text).split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.trim().is_empty() {
            line.push_str(word);
        } else if width(line) + 1 + width(word) <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        }
    }
    lines.join("\n")
}

/// One entry of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Entry {
    pub(super) fn new(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: clean(text.as_ref()), style }
    }
}

/// A line of a table.
#[derive(Clone, Debug)]
pub(super) enum Line {
    Entries(Vec<Entry>),
    /// Across all columns.
    Heading(String),
    /// Across all columns, dimmed.
    Note(String),
    Rule,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Lays out columns with two spaces between them. If the result is too wide, the column `narrow` is cut.
pub(super) fn columns(
    lines: &[Line],
    align: &[Align],
    narrow: usize,
    columns: usize,
    colour: bool,
) -> String {
    let mut widths = vec![0; align.len()];
    for line in lines {
        if let Line::Entries(entries) = line {
            for (known, entry) in widths.iter_mut().zip(entries) {
                *known = (*known).max(width(&entry.text));
            }
        }
    }
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1) + 1;
    let excess = total(&widths).saturating_sub(columns);
    if let Some(column) = widths.get_mut(narrow) {
        *column = column.saturating_sub(excess).max((*column).min(6));
    }
    let full = total(&widths).min(columns);
    let mut out = String::new();
    for line in lines {
        let text = match line {
            Line::Rule => Style::Dim.paint(&format!(" {}", "─".repeat(full.saturating_sub(1))), colour),
            Line::Note(text) => Style::Dim.paint(&format!(" {}", cut(text, columns - 1)), colour),
            Line::Heading(text) => Style::Bold.paint(&format!(" {}", cut(text, columns - 1)), colour),
            Line::Entries(entries) => {
                let padded = entries.iter().zip(&widths).zip(align).map(|((entry, width), align)| {
                    let text = cut(&entry.text, *width);
                    let blanks = " ".repeat(width.saturating_sub(self::width(&text)));
                    let text = entry.style.paint(&text, colour);
                    if *align == Align::Left { text + &blanks } else { blanks + &text }
                });
                format!(" {}", padded.collect::<Vec<_>>().join("  "))
            }
        };
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_wide_characters_and_removes_escapes() {
        assert_eq!(cut("uring-tuned", 6), "uring…");
        assert_eq!(width(&cut("測測測測", 5)), 5);
        assert_eq!(clean("a\x1b[31mb\n"), "a [31mb ");
        assert_eq!(wrap("one two three", 8, 2), "one two\n  three");
    }
}
