//! The options of a section, consumed one by one.

use indexmap::IndexMap;

use super::{
    job::Note,
    jobfile::{Opt, Section},
    values::{number, size, truth},
};

/// The options of a section, consumed one by one. Those that remain have no counterpart.
pub(super) struct Options {
    pub(super) left: IndexMap<String, Opt>,
    pub(super) notes: Vec<Note>,
    pub(super) kb_base: u64,
}

impl Options {
    pub(super) fn of(section: &Section) -> Self {
        let mut left = IndexMap::new();
        for option in &section.options {
            left.insert(option.key.clone(), option.clone());
        }
        let mut options = Self { left, notes: Vec::new(), kb_base: 1024 };
        if let Some((1000, _)) = options.take("kb_base", number) {
            options.kb_base = 1000;
        }
        options
    }

    /// Consumes an option. An invalid value is noted.
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<(T, usize)> {
        let option = self.left.shift_remove(key)?;
        match read(&option.value) {
            Ok(value) => Some((value, option.line)),
            Err(why) => {
                self.note(&option, why, true);
                None
            }
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<(String, usize)> {
        self.take(key, |text| Ok(text.to_owned()))
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<usize> {
        self.take(key, truth).filter(|(on, _)| *on).map(|(_, line)| line)
    }

    pub(super) fn bytes(&mut self, key: &str) -> Option<(u64, usize)> {
        let base = self.kb_base;
        self.take(key, |text| size(text.split(['-', ',']).next().unwrap_or_default(), base))
    }

    /// Notes an option that nothing stands for in the scenario.
    pub(super) fn note(&mut self, option: &Opt, why: impl Into<String>, grave: bool) {
        self.say(option.line, written(option), why, grave);
    }

    /// Notes a part of the section that nothing stands for in the scenario.
    pub(super) fn say(&mut self, line: usize, what: impl Into<String>, why: impl Into<String>, grave: bool) {
        self.notes.push(Note::left_out(line, what, why, grave));
    }

    /// Notes an option that `became` stands for, and how that differs.
    pub(super) fn note_became(
        &mut self,
        option: &Opt,
        became: impl Into<String>,
        why: impl Into<String>,
        grave: bool,
    ) {
        self.say_became((option.line, &written(option)), became, why, grave);
    }

    /// Notes a part of the section, given by line and text, that `became` stands for, and how that differs.
    pub(super) fn say_became(
        &mut self,
        (line, what): (usize, &str),
        became: impl Into<String>,
        why: impl Into<String>,
        grave: bool,
    ) {
        let became = Some(became.into());
        self.notes.push(Note { became, ..Note::left_out(line, what, why, grave) });
    }
}

/// `key=value`, or `key` without a value.
fn written(option: &Opt) -> String {
    match option.value.as_str() {
        "" => option.key.clone(),
        value => format!("{}={value}", option.key),
    }
}
