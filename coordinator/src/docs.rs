//! Lists in the documentation that are generated from the code. Each stands between two markers of its name.

use std::{fs, path::Path};

/// Set to write the lists instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";

/// Asserts that a page, named from the root of the repository, has these lists, or writes them.
///
/// # Panics
/// Where a list differs, or the page lacks its markers.
pub(crate) fn check(page: &str, lists: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let wanted = lists.iter().fold(text.clone(), |text, (name, list)| with(page, &text, name, list));
    if std::env::var_os(UPDATE).is_some() {
        fs::write(path, wanted).unwrap();
        return;
    }
    assert!(
        text == wanted,
        "{page} is out of date; write its lists with: {UPDATE}=1 cargo test -p coordinator --lib"
    );
}

/// The text with the list between the markers of this name replaced.
fn with(page: &str, text: &str, name: &str, list: &str) -> String {
    let (begin, end) = (format!("<!-- begin: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} lacks {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{page} lacks {end}"));
    format!("{before}{begin}\n{list}\n{end}{after}")
}
