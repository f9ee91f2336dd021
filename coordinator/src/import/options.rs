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

    pub(super) fn note(&mut self, option: &Opt, why: impl Into<String>, grave: bool) {
        let what = match option.value.as_str() {
            "" => option.key.clone(),
            value => format!("{}={value}", option.key),
        };
        self.notes.push(Note { line: option.line, what, why: why.into(), grave });
    }

    pub(super) fn say(&mut self, line: usize, what: impl Into<String>, why: impl Into<String>, grave: bool) {
        self.notes.push(Note { line, what: what.into(), why: why.into(), grave });
    }
}
