//! What the documentation tells people to type works: each `gatepass` command in a block is run, each other one that is
//! mentioned is one that exists, and so are make targets and packages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

#[allow(dead_code, reason = "the unit tests use the rest of it")]
#[path = "../src/repository.rs"]
mod repository;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use repository::{blocks, pages, root};

/// Commands that need more than files: an identity endpoint, a terminal.
const NOT_RUN: [&str; 3] = ["gatepass token", "gatepass man", "source <("];

/// The commands of all pages that begin so: lines of shell blocks, and code within sentences.
fn commands(begin: &str) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    for page in pages() {
        for block in blocks(&page, &["sh", "console", "bash"]) {
            let text = block.text.replace("\\\n", " ");
            let lines = text.lines().map(|line| line.trim().trim_start_matches("$ "));
            let lines = lines.filter(|line| line.starts_with(begin));
            found.extend(lines.map(|line| (block.name.clone(), without_comment(line), true)));
        }
        let spans = page
            .text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| span.starts_with(begin) && !span.contains('\n'));
        found.extend(spans.map(|span| (page.name.clone(), span.to_owned(), false)));
    }
    found
}

fn without_comment(line: &str) -> String {
    line.split(" #").next().unwrap_or_default().trim().to_owned()
}

/// A folder with the files that the documentation speaks of.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["envoy", "examples"] {
        symlink(root().join(name), at(name)).unwrap();
    }
    let plugin = root().join("examples/protected-and-unprotected/gatepass.yaml");
    fs::copy(plugin, at("gatepass.yaml")).unwrap();
    let import = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/import.in");
    fs::copy(import.join("protected-api.xml"), at("policy.xml")).unwrap();
    for name in ["values.yaml", "named-values.yaml"] {
        fs::copy(import.join("named-values.yaml"), at(name)).unwrap();
    }
    fs::write(at("token.txt"), "e30.e30.AA").unwrap();
    folder
}

#[test]
fn commands_of_the_documentation_do_their_work() {
    let folder = folder();
    let bin = Path::new(env!("CARGO_BIN_EXE_gatepass")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (place, command, is_block) in commands("gatepass ") {
        if !is_block || NOT_RUN.iter().any(|begin| command.starts_with(begin)) {
            continue;
        }
        let mut bash = Command::new("bash");
        bash.args(["-c", &command]).env("PATH", &path).current_dir(folder.path()).stdin(Stdio::null());
        let output = bash.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{place}: `{command}` could not do its work: {told}"
        );
        count += 1;
    }
    assert!(count >= 3, "only {count} commands were found");
}

#[test]
fn commands_that_are_mentioned_exist() {
    for (place, command, _) in commands("gatepass ") {
        // `--help` takes the place of what a mention leaves out.
        let words = command.split_whitespace().skip(1).take_while(|word| !["<", ">", "|"].contains(word));
        let words: Vec<_> = words.collect();
        let Some(subcommand) = words.first().filter(|word| word.chars().all(|c| c.is_ascii_lowercase()))
        else {
            continue;
        };
        let help =
            Command::new(env!("CARGO_BIN_EXE_gatepass")).args([subcommand, "--help"]).output().unwrap();
        assert!(help.status.success(), "{place}: there is no command in `{command}`");
        let help = String::from_utf8(help.stdout).unwrap();
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{place}: there is no option `{option}` in `{command}`");
        }
    }
}

#[test]
fn make_targets_and_packages_that_are_mentioned_exist() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let rules = makefile.lines().filter_map(|line| line.split_once(':').map(|(names, _)| names));
    let targets: Vec<_> = rules.flat_map(str::split_whitespace).collect();
    for (place, command, _) in commands("make ").into_iter().chain(commands("ENVOY=")) {
        let words = command.split_whitespace().filter(|word| !word.contains('=') && *word != "make");
        for target in words.take_while(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
            assert!(targets.contains(&target), "{place}: there is no target `{target}` for `{command}`");
        }
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for (place, command, _) in commands("cargo ") {
        let words: Vec<_> = command.split_whitespace().collect();
        for pair in words.windows(2).filter(|pair| matches!(pair, ["-p" | "--package", _])) {
            let package = pair.last().unwrap();
            assert!(
                lock.contains(&format!("name = \"{package}\"\n")),
                "{place}: there is no package `{package}`"
            );
        }
    }
}
