//! The table in the README under "How it is proved", held to what the tests count.

/// Cases tried, wrongly accepted and wrongly rejected are what the README says.
///
/// # Panics
/// If they are not.
#[allow(unreachable_pub, reason = "a module of several crates")]
pub fn assert_in_readme(what: &str, [tried, wrongly_accepted, wrongly_rejected]: [usize; 3]) {
    let row = format!("| {what} | {tried} | {wrongly_accepted} | {wrongly_rejected} |");
    let is_there = include_str!("../../README.md").lines().any(|line| line == row);
    assert!(is_there, "README.md, \"How it is proved\", has not the row {row}");
}
