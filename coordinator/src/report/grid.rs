//! A table that can be rendered as text, Markdown or CSV.

use super::{
    export::csv,
    text::{Align, Entry, Line, Style, columns, escape},
};

/// Titles and rows.
#[derive(Default)]
pub(super) struct Grid {
    titles: Vec<(String, Align)>,
    lines: Vec<Line>,
    /// The column that is cut if the table is too wide.
    narrow: usize,
}

impl Grid {
    pub(super) fn new(titles: &[(&str, Align)], narrow: usize) -> Self {
        let titles = titles.iter().map(|(title, align)| ((*title).to_owned(), *align)).collect();
        Self { titles, lines: Vec::new(), narrow }
    }

    pub(super) fn row(&mut self, entries: impl IntoIterator<Item = (String, Style)>) {
        self.lines
            .push(Line::Entries(entries.into_iter().map(|(text, style)| Entry::new(text, style)).collect()));
    }

    /// Adds a line across all columns; only for text.
    pub(super) fn note(&mut self, text: &str) {
        self.lines.push(Line::Note(super::text::clean(text)));
    }

    pub(super) fn rule(&mut self) {
        self.lines.push(Line::Rule);
    }

    pub(super) fn text(&self, width: usize, colour: bool) -> String {
        let title = |(title, _): &(String, Align)| Entry::new(title, Style::Bold);
        let mut lines = vec![Line::Entries(self.titles.iter().map(title).collect())];
        lines.extend(self.lines.iter().cloned());
        let align: Vec<Align> = self.titles.iter().map(|(_, align)| *align).collect();
        columns(&lines, &align, self.narrow, width, colour)
    }

    pub(super) fn markdown(&self) -> String {
        let line = |entries: Vec<String>| format!("| {} |\n", entries.join(" | "));
        let mut out = line(self.titles.iter().map(|(title, _)| escape(title)).collect());
        let rule =
            |(_, align): &(String, Align)| if *align == Align::Left { "---" } else { "---:" }.to_owned();
        out.push_str(&line(self.titles.iter().map(rule).collect()));
        for entries in self.rows() {
            out.push_str(&line(entries.iter().map(|entry| escape(&entry.text)).collect()));
        }
        out
    }

    pub(super) fn csv(&self) -> String {
        let line = |entries: Vec<String>| entries.join(",") + "\n";
        let mut out = line(self.titles.iter().map(|(title, _)| csv::field(title)).collect());
        for entries in self.rows() {
            out.push_str(&line(entries.iter().map(|entry| csv::field(&entry.text)).collect()));
        }
        out
    }

    fn rows(&self) -> impl Iterator<Item = &Vec<Entry>> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entries(entries) => Some(entries),
            _ => None,
        })
    }
}
