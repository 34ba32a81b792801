//! Every test that `LIFECYCLE.md` names exists.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use std::fs;
use std::path::Path;

/// The text of every Rust file below a folder.
fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            read_all(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_list_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("tests/LIFECYCLE.md")).unwrap();
    let mut code = String::new();
    ["src", "tests", "tools"].iter().for_each(|folder| read_all(&root.join(folder), &mut code));
    let (mut missing, mut found) = (Vec::new(), 0);
    for row in list.lines().filter(|line| line.starts_with("| ")) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for name in tests.split('`').skip(1).step_by(2).filter(|name| name.contains('_')) {
            found += 1;
            if !code.contains(&format!("fn {name}(")) {
                missing.push(name);
            }
        }
    }
    assert_eq!(missing, Vec::<&str>::new());
    assert!(found > 100, "{found}");
}
