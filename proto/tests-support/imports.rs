//! Reads which files of a crate import which: for the tests that hold a crate to the order of its layers.
//!
//! A crate is read from `lib.rs` along its `mod` lines. Every `use` and every path that begins with `crate`, `super` or
//! `self` becomes an import of the file that defines the name; re-exports are followed. Code under `#[cfg(test)]` is not
//! read: tests may use what they need.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The text of a crate's files, by path within `src`, such as `engine/mod.rs`.
pub type Sources = BTreeMap<String, String>;

/// One file's import of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The importing file.
    pub from: String,
    /// Its line, from 1.
    pub line: usize,
    /// The imported file.
    pub to: String,
}

/// All imports between the files of a crate, and the module that each file is.
pub struct Imports {
    modules: BTreeMap<String, Vec<String>>,
    all: BTreeSet<Import>,
}

/// The sources below a directory.
///
/// # Panics
/// They cannot be read.
pub fn sources(src: &Path) -> Sources {
    let mut found = Sources::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

impl Imports {
    /// Reads a crate.
    ///
    /// # Panics
    /// There is no `lib.rs`, or a `mod` line has no file.
    pub fn read(sources: &Sources) -> Self {
        let mut files = BTreeMap::new();
        let mut to_read = vec![Vec::new()];
        while let Some(module) = to_read.pop() {
            let (name, text) = file(sources, &module);
            let parsed = Parser::new(text).parse();
            to_read.extend(parsed.children.iter().map(|child| joined(&module, child)));
            files.insert(module, File { name: name.to_owned(), parsed });
        }
        let mut all = BTreeSet::new();
        for (module, File { name, parsed }) in &files {
            for (path, line) in &parsed.paths {
                let to = absolute(path, module, &parsed.children).and_then(|path| defined(&files, path, 0));
                if let Some(to) = to.filter(|to| to != name) {
                    all.insert(Import { from: name.clone(), line: *line, to });
                }
            }
        }
        let modules = files.into_iter().map(|(module, file)| (file.name, module)).collect();
        Self { modules, all }
    }

    /// Imports against an order of layers, lowest first: a layer is a set of modules of the crate's root that may import
    /// one another and every layer before it. `lib.rs` may import all.
    pub fn against(&self, order: &[&[&str]]) -> Vec<String> {
        let layer = |file: &str| -> Result<usize, String> {
            let Some(root) = self.modules[file].first() else { return Ok(order.len()) };
            let found = order.iter().position(|layer| layer.contains(&root.as_str()));
            found.ok_or_else(|| format!("{file}: the module `{root}` is in no layer"))
        };
        let mut wrong = BTreeSet::new();
        for Import { from, line, to } in &self.all {
            match (layer(from), layer(to)) {
                (Ok(upper), Ok(lower)) if lower <= upper => {}
                (Ok(_), Ok(_)) => _ = wrong.insert(format!("{from}:{line} imports {to}, of a higher layer")),
                (from, to) => wrong.extend([from, to].into_iter().filter_map(Result::err)),
            }
        }
        wrong.into_iter().collect()
    }

    /// Circles of files: each a set in which every file reaches every other. A module and those within it do not make one.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let related = |a: &str, b: &str| {
            let (a, b) = (&self.modules[a], &self.modules[b]);
            a.starts_with(b) || b.starts_with(a)
        };
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for Import { from, to, .. } in self.all.iter().filter(|import| !related(&import.from, &import.to)) {
            next.entry(from).or_default().insert(to);
        }
        let reached = |from: &str| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
            while let Some(file) = open.pop() {
                for to in next.get(file.as_str()).into_iter().flatten() {
                    if seen.insert((*to).to_owned()) {
                        open.push((*to).to_owned());
                    }
                }
            }
            seen
        };
        let reach: BTreeMap<&str, BTreeSet<String>> =
            next.keys().map(|file| (*file, reached(file))).collect();
        let mut circles: Vec<Vec<String>> = Vec::new();
        for (file, ahead) in reach.iter().filter(|(file, ahead)| ahead.contains(**file)) {
            if circles.iter().flatten().all(|known| known != file) {
                let returns =
                    |other: &&String| reach.get(other.as_str()).is_some_and(|back| back.contains(*file));
                circles.push(ahead.iter().filter(returns).cloned().collect());
            }
        }
        circles
    }
}

struct File {
    name: String,
    parsed: Parsed,
}

type Files = BTreeMap<Vec<String>, File>;

fn joined(module: &[String], child: &str) -> Vec<String> {
    module.iter().cloned().chain([child.to_owned()]).collect()
}

/// The file of a module.
fn file<'a>(sources: &'a Sources, module: &[String]) -> (&'a str, &'a str) {
    let path = module.join("/");
    let names = if module.is_empty() {
        ["lib.rs".into(), String::new()]
    } else {
        [format!("{path}.rs"), format!("{path}/mod.rs")]
    };
    let found = names.iter().find_map(|name| sources.get_key_value(name));
    let (name, text) = found.unwrap_or_else(|| panic!("no file for the module `{path}`"));
    (name, text)
}

/// A path from the crate's root; `None` for one that leads out of the crate.
fn absolute(path: &[String], module: &[String], children: &BTreeSet<String>) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut found = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        child if children.contains(child) => joined(module, child),
        _ => return None,
    };
    for name in rest {
        match name.as_str() {
            "super" => _ = found.pop(),
            "self" => {}
            name => found.push(name.to_owned()),
        }
    }
    Some(found)
}

/// The file that defines what a path names.
fn defined(files: &Files, path: Vec<String>, depth: usize) -> Option<String> {
    let depth_left = 8_usize.checked_sub(depth)?;
    let inner = (0..=path.len()).rev().find(|end| files.contains_key(&path[..*end]))?;
    let (module, rest) = path.split_at(inner);
    let File { name, parsed } = &files[module];
    let Some(item) = rest.first().filter(|item| depth_left > 0 && !parsed.items.contains(*item)) else {
        return Some(name.clone());
    };
    let to = |used: &Used| -> Option<String> {
        let mut path = absolute(&used.path, module, &parsed.children)?;
        path.extend(if used.name == "*" { rest.to_vec() } else { rest[1..].to_vec() });
        defined(files, path, depth + 1)
    };
    let exact = parsed.used.iter().filter(|used| used.name == *item).find_map(to);
    let globs = parsed.used.iter().filter(|used| used.name == "*");
    let has = |used: &&Used| {
        let module = absolute(&used.path, module, &parsed.children);
        module.and_then(|module| files.get(&module)).is_some_and(|file| file.parsed.items.contains(item))
    };
    exact.or_else(|| globs.clone().filter(has).find_map(to)).or_else(|| Some(name.clone()))
}

/// The modules, names and paths in a file.
#[derive(Default)]
struct Parsed {
    /// Modules with files of their own.
    children: BTreeSet<String>,
    /// Names that are defined here.
    items: BTreeSet<String>,
    /// Names that `use` brings in.
    used: Vec<Used>,
    /// All paths, with their lines.
    paths: Vec<(Vec<String>, usize)>,
}

struct Used {
    /// `*` for all of a module.
    name: String,
    path: Vec<String>,
}

/// A word or a sign, and its line. `::` is one sign.
type Token = (String, usize);

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    parsed: Parsed,
}

impl Parser {
    fn new(text: &str) -> Self {
        Self { tokens: without_tests(&tokens(text)), at: 0, parsed: Parsed::default() }
    }

    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.0)
    }

    fn before(&self, back: usize) -> &str {
        self.at.checked_sub(back).map_or("", |at| &self.tokens[at].0)
    }

    fn parse(mut self) -> Parsed {
        const DEFINES: [&str; 8] = ["struct", "enum", "trait", "type", "const", "static", "fn", "union"];
        while self.at < self.tokens.len() {
            let line = self.tokens[self.at].1;
            match self.peek(0) {
                "mod" if self.peek(2) == ";" => {
                    let child = self.peek(1).to_owned();
                    self.parsed.children.insert(child);
                }
                "use" => {
                    self.at += 1;
                    self.tree(&[], line);
                }
                word if DEFINES.contains(&word) => {
                    let name = self.peek(1).to_owned();
                    self.parsed.items.insert(name);
                }
                "crate" | "super" | "self"
                    // Not the `pub(in super::super)` of a visibility, nor the middle of another path.
                    if self.peek(1) == "::" && self.before(1) != "::" && (self.before(1), self.before(3)) != ("in", "pub") =>
                {
                    let mut path = vec![self.peek(0).to_owned()];
                    while self.peek(1) == "::" && is_word(self.peek(2)) {
                        path.push(self.peek(2).to_owned());
                        self.at += 2;
                    }
                    self.parsed.paths.push((path, line));
                }
                _ => {}
            }
            self.at += 1;
        }
        self.parsed
    }

    /// The tree of a `use`, up to what follows it.
    fn tree(&mut self, before: &[String], line: usize) {
        let mut path = before.to_vec();
        loop {
            match self.peek(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | "") {
                        self.tree(&path, self.tokens[self.at].1);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "::" => {}
                "*" => return self.leaf(path, "*", line, 1),
                word if is_word(word) && self.peek(1) != "::" => {
                    let word = word.to_owned();
                    if word != "self" || path.is_empty() {
                        path.push(word);
                    }
                    let renamed = self.peek(1) == "as";
                    let name = if renamed {
                        self.peek(2).to_owned()
                    } else {
                        path.last().cloned().unwrap_or_default()
                    };
                    return self.leaf(path, &name, line, if renamed { 3 } else { 1 });
                }
                word if is_word(word) => path.push(word.to_owned()),
                _ => return,
            }
            self.at += 1;
        }
    }

    fn leaf(&mut self, path: Vec<String>, name: &str, line: usize, tokens: usize) {
        self.parsed.paths.push((path.clone(), line));
        self.parsed.used.push(Used { name: name.to_owned(), path });
        self.at += tokens;
    }
}

fn is_word(token: &str) -> bool {
    token.chars().all(|c| c.is_alphanumeric() || c == '_') && !token.is_empty()
}

/// The words and signs of a source text, without comments, strings and character literals.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut found, mut index, mut line) = (Vec::new(), 0, 1);
    while index < chars.len() {
        let begin = index;
        match (at(index), at(index + 1)) {
            ('/', '/') => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            ('/', '*') => {
                index += 2;
                while index < chars.len() && (at(index), at(index + 1)) != ('*', '/') {
                    index += 1;
                }
                index += 2;
            }
            ('r', '"' | '#') if raw_hashes(&chars[index + 1..]).is_some() => {
                let hashes = raw_hashes(&chars[index + 1..]).unwrap_or_default();
                index += hashes + 2;
                while index < chars.len()
                    && !(at(index) == '"' && (1..=hashes).all(|ahead| at(index + ahead) == '#'))
                {
                    index += 1;
                }
                index += hashes + 1;
            }
            ('"', _) => {
                index += 1;
                while index < chars.len() && at(index) != '"' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                index += 1;
            }
            // A character, unless it is a lifetime.
            ('\'', '\\') => {
                index += 3;
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            ('\'', _) if at(index + 2) == '\'' => index += 3,
            (':', ':') => {
                found.push(("::".to_owned(), line));
                index += 2;
            }
            (c, _) if c.is_alphanumeric() || c == '_' => {
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                found.push((chars[begin..index].iter().collect(), line));
            }
            (c, _) => {
                if !c.is_whitespace() {
                    found.push((c.to_string(), line));
                }
                index += 1;
            }
        }
        line += chars[begin..index.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

/// The number of `#` before the quotation mark of a raw string; `None` if it is not one.
fn raw_hashes(after_r: &[char]) -> Option<usize> {
    let hashes = after_r.iter().take_while(|c| **c == '#').count();
    (after_r.get(hashes) == Some(&'"')).then_some(hashes)
}

/// The tokens without items under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let marked =
            TEST.iter().enumerate().all(|(ahead, sign)| tokens.get(at + ahead).is_some_and(|t| t.0 == *sign));
        if marked {
            at = after_item(tokens, at + TEST.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The end of the item that begins here: after its `;`, its block or, for a field or an arm, its comma.
fn after_item(tokens: &[Token], begin: usize) -> usize {
    const ITEMS: [&str; 15] = [
        "pub",
        "fn",
        "impl",
        "mod",
        "use",
        "struct",
        "enum",
        "const",
        "static",
        "type",
        "trait",
        "unsafe",
        "async",
        "macro_rules",
        "union",
    ];
    let (mut at, mut depth) = (begin, 0_usize);
    // Further attributes.
    while tokens.get(at).is_some_and(|token| token.0 == "#") {
        while tokens.get(at).is_some_and(|token| token.0 != "]") {
            at += 1;
        }
        at += 1;
    }
    let is_item = tokens.get(at).is_some_and(|token| ITEMS.contains(&token.0.as_str()));
    while let Some((token, _)) = tokens.get(at) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" if depth == 0 => return at,
            "}" if depth == 1 && is_item => return at + 1,
            "}" | ")" | "]" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            "," if depth == 0 && !is_item => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}
