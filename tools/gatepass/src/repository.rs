//! The configurations that the repository shows: files of their own, and those in the documentation. For tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A text in which there is a configuration, and where it stands.
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What a part of a configuration in the documentation leaves out.
const NAMES: [(&str, &str); 4] = [
    (
        "issuers:",
        "issuers: {contoso: {entra: {tenant: 7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90, cluster: login}}}\n",
    ),
    ("identities:", "identities: {gateway: {managed_identity: {source: imds, cluster: imds}}}\n"),
    ("secrets:", "secrets: {functions-key: {env: FUNCTIONS_KEY}}\n"),
    ("defaults:", "defaults: {validate: {issuer: contoso, audiences: [api]}}\n"),
];

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files that hold a configuration, but for those that tests break on purpose.
pub(crate) fn files() -> Vec<Shown> {
    let mut found = Vec::new();
    for folder in ["envoy", "examples"] {
        files_below(&root().join(folder), &["yaml"], &mut found);
    }
    found.retain(|shown| shown.text.contains("operations:"));
    found
}

/// Pages of the documentation.
pub(crate) fn pages() -> Vec<Shown> {
    let mut pages = Vec::new();
    for folder in ["docs", "examples"] {
        files_below(&root().join(folder), &["md"], &mut pages);
    }
    for name in ["README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        pages.push(Shown { name: name.to_owned(), text: fs::read_to_string(root().join(name)).unwrap() });
    }
    pages
}

/// Configurations in the documentation, each made whole.
pub(crate) fn in_pages() -> Vec<Shown> {
    let pages = pages();
    let blocks = pages.iter().flat_map(|page| blocks(page, &["yaml"]));
    blocks.filter_map(|Shown { name, text }| Some(Shown { name, text: whole(&text)? })).collect()
}

/// The fenced blocks of a page in one of these languages, named by page and line.
pub(crate) fn blocks(page: &Shown, languages: &[&str]) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut open: Option<(bool, usize, String)> = None;
    for (number, line) in page.text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let language = language.split_whitespace().next().unwrap_or_default();
                open = Some((languages.contains(&language), number + 1, String::new()));
            }
            (Some(_), Some(_)) => {
                if let Some((true, line, text)) = open.take() {
                    found.push(Shown { name: format!("{}:{line}", page.name), text });
                }
            }
            (None, Some((_, _, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

/// A configuration, or a part of one with what it leaves out. `None` where it is something else.
fn whole(text: &str) -> Option<String> {
    let has = |field: &str| text.lines().any(|line| line.starts_with(field));
    if ["apiVersion:", "clusters:", "static_resources:", "resources:"].into_iter().any(has) {
        return text.contains("operations:").then(|| text.to_owned());
    }
    let mut whole = text.to_owned();
    if text.starts_with("    ") {
        whole.insert_str(0, "  - match: {path: {prefix: /}}\n");
    }
    if whole.starts_with("  - match:") {
        whole.insert_str(0, "operations:\n");
    }
    let has_ours = NAMES.iter().any(|(field, _)| has(field)) || whole.starts_with("operations:");
    if !has_ours {
        return None;
    }
    if !whole.contains("operations:") {
        let asks = if has("defaults:") { "" } else { ", anonymous: true" };
        whole.push_str(&format!("operations: [{{match: {{path: {{prefix: /}}}}{asks}}}]\n"));
    }
    let names_issuers = has("issuers:");
    for (field, default) in NAMES {
        let is_left_out = field == "defaults:" && names_issuers;
        if !has(field) && !is_left_out {
            whole.push_str(default);
        }
    }
    Some(whole)
}

fn files_below(folder: &Path, extensions: &[&str], found: &mut Vec<Shown>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, extensions, found);
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
        {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push(Shown { name, text: fs::read_to_string(path).unwrap() });
        }
    }
}
