//! Parses a fio job file into sections and options, by fio's rules for inheritance and comments.
//!
//! `;` and `#` begin a comment anywhere in a line. Each `[global]` applies its options to the sections after it.
//! `${NAME}` stands for an environment variable. The last occurrence of an option counts.
//! <https://fio.readthedocs.io/en/latest/fio_doc.html#job-file-format>

/// The maximum nesting of `include`. It stops a file that includes itself.
const MOST_INCLUDES: usize = 8;

/// An option as written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opt {
    /// The name in lower case; aliases are replaced.
    pub(super) key: String,
    /// The text after `=`; empty without a value.
    pub(super) value: String,
    /// The line, from 1; for an included file, the line of the `include`.
    pub(super) line: usize,
}

/// A job: the inherited options, then its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) options: Vec<Opt>,
}

/// A line that is not an option of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stray {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) why: String,
}

/// The jobs of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JobFile {
    pub(super) sections: Vec<Section>,
    pub(super) stray: Vec<Stray>,
}

/// The source of texts that a job file refers to.
pub(super) trait Outside {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of an included file.
    fn include(&self, name: &str) -> Result<String, String>;
}

/// Reads a job file. Any text is accepted: lines that cannot be parsed are in [`JobFile::stray`].
pub(super) fn parse(text: &str, outside: &dyn Outside) -> JobFile {
    let mut reader = Reader { outside, file: JobFile::default(), globals: Vec::new(), place: Place::Nowhere };
    reader.text(text, None, 0);
    reader.file
}

enum Place {
    /// Before the first section.
    Nowhere,
    Global,
    Job,
}

struct Reader<'a> {
    outside: &'a dyn Outside,
    file: JobFile,
    globals: Vec<Opt>,
    place: Place,
}

impl Reader<'_> {
    fn text(&mut self, text: &str, from: Option<usize>, depth: usize) {
        for (index, raw) in text.lines().enumerate() {
            let line = from.unwrap_or(index + 1);
            let kept = raw.split([';', '#']).next().unwrap_or_default().trim();
            if kept.is_empty() {
                continue;
            }
            if let Some(name) = kept.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                self.section(name.trim(), line);
            } else if let Some(name) = kept.strip_prefix("include ") {
                self.include(name.trim(), kept, line, depth);
            } else {
                self.option(kept, line);
            }
        }
    }

    fn stray(&mut self, line: usize, text: &str, why: impl Into<String>) {
        self.file.stray.push(Stray { line, text: text.to_owned(), why: why.into() });
    }

    fn section(&mut self, name: &str, line: usize) {
        if name.to_ascii_lowercase().starts_with("global") {
            self.place = Place::Global;
        } else {
            self.place = Place::Job;
            let options = self.globals.clone();
            self.file.sections.push(Section { name: name.to_owned(), line, options });
        }
    }

    fn include(&mut self, name: &str, text: &str, line: usize, depth: usize) {
        if depth >= MOST_INCLUDES {
            return self.stray(line, text, format!("includes are nested more than {MOST_INCLUDES} deep"));
        }
        match self.outside.include(name) {
            Ok(included) => self.text(&included, Some(line), depth + 1),
            Err(why) => self.stray(line, text, why),
        }
    }

    fn option(&mut self, text: &str, line: usize) {
        let (text, missing) = self.expand(text);
        for name in missing {
            let why = format!("the variable {name} is not set; set it, and import again");
            self.stray(line, &format!("${{{name}}}"), why);
        }
        let (key, value) = text.split_once('=').unwrap_or((&text, ""));
        let key = name_of(&key.trim().to_ascii_lowercase()).to_owned();
        let option = Opt { key, value: value.trim().to_owned(), line };
        match self.place {
            Place::Nowhere => self.stray(line, &text, "it is before the first section"),
            Place::Global => self.globals.push(option),
            Place::Job => {
                if let Some(section) = self.file.sections.last_mut() {
                    section.options.push(option);
                }
            }
        }
    }

    /// The text with variables replaced, and the names of the undefined ones.
    fn expand(&self, text: &str) -> (String, Vec<String>) {
        let (mut out, mut missing, mut rest) = (String::new(), Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                return (out + "${" + after, missing);
            };
            match self.outside.variable(name) {
                Some(value) => out.push_str(&value),
                None => missing.push(name.to_owned()),
            }
            rest = behind;
        }
        (out + rest, missing)
    }
}

/// Replaces an alias by the option's name.
fn name_of(key: &str) -> &str {
    match key {
        "readwrite" => "rw",
        "blocksize" => "bs",
        "blocksize_range" => "bsrange",
        "blocksize_unaligned" => "bs_unaligned",
        "blockalign" => "ba",
        "timeout" => "runtime",
        "iodepth_batch_submit" => "iodepth_batch",
        "iodepth_batch_complete_min" => "iodepth_batch_complete",
        "nr_files" => "nrfiles",
        "io_limit" => "io_size",
        "unique" => "unique_filename",
        "mem" => "iomem",
        "filesize" => "size",
        key => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Outside for Nothing {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "RW").then(|| "randread".to_owned())
        }

        fn include(&self, name: &str) -> Result<String, String> {
            match name {
                "depth.fio" => Ok("iodepth=7\n".to_owned()),
                "itself.fio" => Ok("include itself.fio\n".to_owned()),
                _ => Err(format!("cannot read {name}")),
            }
        }
    }

    #[test]
    fn reads_inheritance_comments_variables_and_includes() {
        let text = "early=1\n[global]\nbs=4k ; small\n# none\n[a]\nreadwrite=${RW}\ninclude depth.fio\n\
                    [GLOBAL]\nbs=8k\nthread\n[b]\nrw=${WHAT}\ninclude no.fio\ninclude itself.fio\n";
        let file = parse(text, &Nothing);
        let seen = |index: usize| -> Vec<String> {
            let options = file.sections[index].options.iter();
            options.map(|option| format!("{}:{}={}", option.line, option.key, option.value)).collect()
        };
        assert_eq!(seen(0), ["3:bs=4k", "6:rw=randread", "7:iodepth=7"]);
        assert_eq!(seen(1), ["3:bs=4k", "9:bs=8k", "10:thread=", "12:rw="]);
        let strays: Vec<usize> = file.stray.iter().map(|stray| stray.line).collect();
        assert_eq!(strays, [1, 12, 13, 14]);
        assert!(file.stray[1].why.contains("WHAT is not set"));
    }
}
