//! `docs/warnings.md` lists all warnings and refusals. The lists are generated.

use std::fmt::Write as _;

use proto::{
    notice::{Entry, Subject},
    outcome::Refusal,
};

use super::Warning;
use crate::docs;

/// A format string as Markdown: arguments are in italics.
fn markdown(format: &str) -> String {
    let marked = format.replace("{{", "\u{1}").replace("}}", "\u{2}").replace('|', "\\|");
    let mut text = String::new();
    let mut rest = marked.as_str();
    while let Some((before, (argument, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        let name = argument.split(':').next().unwrap_or_default();
        // Within code, asterisks are not italics.
        let in_code = (text.clone() + before).matches('`').count() % 2 == 1;
        let shown = if in_code { name.to_uppercase() } else { format!("*{}*", name.replace('_', " ")) };
        text += &format!("{before}{shown}");
        rest = after;
    }
    (text + rest).replace('\u{1}', "{").replace('\u{2}', "}")
}

/// The table of these notices; `verdicts` adds whether each affects verdicts.
fn table(subjects: &[Subject], verdicts: bool) -> String {
    let mut text = String::new();
    for Subject { title, entries } in subjects {
        let head = match verdicts {
            true => "| Code | When | Remedy | Affects verdicts |\n| --- | --- | --- | --- |\n",
            false => "| Code | When | Remedy |\n| --- | --- | --- |\n",
        };
        let title = title.trim().trim_end_matches('.');
        let _ = write!(text, "### {title}\n\n{head}");
        for Entry { code, when, remedies, affects_verdicts } in *entries {
            let remedies: Vec<String> =
                remedies.iter().filter(|remedy| !remedy.is_empty()).map(|remedy| markdown(remedy)).collect();
            let (when, remedies) = (when.trim().replace('|', "\\|"), remedies.join("<br>or: "));
            let _ = write!(text, "| `{code}` | {when} | {remedies} |");
            let affects = match *affects_verdicts {
                "true" => "yes",
                "false" => "no",
                _ => "it depends",
            };
            let _ = writeln!(text, "{}", if verdicts { format!(" {affects} |") } else { String::new() });
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn the_page_lists_every_notice() {
    let (warnings, refusals) = (table(Warning::LISTS, true), table(Refusal::LISTS, false));
    docs::check("docs/warnings.md", &[("warnings", &warnings), ("refusals", &refusals)]);
}
