//! The rules of the rooms, held over every source file of the filter.

mod rules;
mod scan;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use self::rules::{RULES, Refuses, Rule};
use self::scan::{Scan, Thing};

/// Reads all of `source` (the folder `src`) and holds it to the rules.
pub(crate) fn check(source: &Path) -> Result<Kept, Failure> {
    let mut files = Vec::new();
    for path in rust_files(source)? {
        let text = fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path.clone(), error))?;
        // Rules name rooms as `src/…`, wherever the folder lies.
        let relative = path.strip_prefix(source).unwrap_or(&path);
        let name = Path::new("src").join(relative).to_string_lossy().replace('\\', "/");
        files.push((name, text));
    }
    check_files(&files)
}

fn check_files(files: &[(String, String)]) -> Result<Kept, Failure> {
    let mut scans = Vec::new();
    let mut tests = BTreeSet::new();
    for (name, text) in files {
        let file = syn::parse_file(text).map_err(|error| Failure::NotRust(name.clone(), error))?;
        let scan = scan::scan(&file, &module_of(name));
        tests.extend(scan.test_modules.iter().map(|module| inner_module(name, module)));
        scans.push((name, scan));
    }
    scans.retain(|(name, _)| !is_test_file(name, &tests));
    let mut findings: Vec<Finding> = scans.iter().flat_map(|(name, scan)| findings_in(name, scan)).collect();
    findings.sort();
    findings.dedup();
    if findings.is_empty() { Ok(Kept { files: scans.len() }) } else { Err(Failure::Broken(findings)) }
}

/// All rules are kept.
#[derive(Debug)]
pub(crate) struct Kept {
    files: usize,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rooms: {} files keep all {} rules", self.files, RULES.len())
    }
}

/// Why the rules could not be held, or by what they are broken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{path}: {1}", path = .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{} holds no Rust file: is this the top of the checkout?", .0.display())]
    Empty(PathBuf),
    #[error("{0}:{line}:{column}: this does not parse: {1}", line = .1.span().start().line, column = .1.span().start().column + 1)]
    NotRust(String, #[source] syn::Error),
    #[error("{}\n\nrooms: {}; the rules stand in tools/xtask/src/rooms/rules.rs", Lines(.0), Count(.0.len()))]
    Broken(Vec<Finding>),
}

/// One place that breaks a rule. Findings are sorted by place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    column: usize,
    rule: &'static str,
    found: String,
    why: &'static str,
    instead: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, rule, found, why, instead } = self;
        write!(f, "{file}:{line}:{column}: {rule}: {found}; {why}; {instead}")
    }
}

struct Lines<'a>(&'a [Finding]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, finding)| {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{finding}")
        })
    }
}

struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 place breaks a rule"),
            many => write!(f, "{many} places break a rule"),
        }
    }
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| Failure::Unreadable(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    if files.is_empty() { Err(Failure::Empty(folder.to_owned())) } else { Ok(files) }
}

/// `src/jwt/token.rs` is `crate::jwt::token`.
fn module_of(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let words = inner.split('/').filter(|word| !matches!(*word, "mod" | "lib" | "main"));
    ["crate"].into_iter().chain(words).map(str::to_owned).collect()
}

/// Where the module `name`, declared in `file`, stands, without `.rs`: `src/jwt/token` + `tests`.
fn inner_module(file: &str, name: &str) -> String {
    let stem = file.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    };
    format!("{folder}/{name}")
}

fn is_test_file(file: &str, test_modules: &BTreeSet<String>) -> bool {
    test_modules.iter().any(|module| {
        file.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }) || file.starts_with("src/tests/")
}

fn findings_in(file: &str, scan: &Scan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.applies_to(file)) {
        for (thing, place) in &scan.things {
            if let Some(found) = rule.refuses.found_in(thing) {
                findings.push(Finding {
                    file: file.to_owned(),
                    line: place.line,
                    column: place.column.saturating_add(1),
                    rule: rule.name,
                    found,
                    why: rule.why,
                    instead: rule.instead,
                });
            }
        }
    }
    findings
}

impl Rule {
    fn applies_to(&self, file: &str) -> bool {
        let is_for = |room: &str| file == room || room.ends_with('/') && is_in(file, room);
        self.within.iter().any(|room| is_for(room)) && !self.except.iter().any(|(room, _)| is_for(room))
    }
}

/// Whether `file` belongs to the room `src/jwt/`: it lies in it, or is `src/jwt.rs`.
fn is_in(file: &str, room: &str) -> bool {
    file.starts_with(room) || file.strip_suffix(".rs") == Some(room.trim_end_matches('/'))
}

impl Refuses {
    /// What of `thing` is refused, in words.
    fn found_in(&self, thing: &Thing) -> Option<String> {
        match (self, thing) {
            (Self::Crates(crates), Thing::Path(path)) => {
                let first = path.first()?;
                crates.contains(&first.as_str()).then(|| format!("the crate `{first}`"))
            }
            (Self::Paths(refused), Thing::Path(path)) => {
                refused.iter().any(|refused| reaches(path, refused)).then(|| format!("`{}`", path.join("::")))
            }
            (Self::Traits(names), Thing::Trait(name)) => {
                names.contains(&name.as_str()).then(|| format!("an implementation of `{name}`"))
            }
            (Self::Macros(names), Thing::Macro(name)) => {
                names.contains(&name.as_str()).then(|| format!("`{name}!`"))
            }
            (Self::Methods(names), Thing::Method(name)) => {
                names.contains(&name.as_str()).then(|| format!("`{name}`"))
            }
            (Self::Unsafe, Thing::Unsafe) => Some("`unsafe`".to_owned()),
            (Self::ExternBlocks, Thing::ExternBlock) => Some("an `extern` block".to_owned()),
            _ => None,
        }
    }
}

/// Whether `path` names `refused` or something below it, or is a glob that brings it in.
fn reaches(path: &[String], refused: &str) -> bool {
    let mut words = path.iter();
    for part in refused.split("::") {
        match words.next() {
            Some(word) if word == part => {}
            Some(word) => return word == "*",
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests;
