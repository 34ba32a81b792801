//! `gatepass-stack demo`: an example as a table.

use std::{process::ExitCode, time::Instant};

use gatepass_stack::{Checkout, Error, Example, Outcome, Row, Scenario, Stack, Target};

use crate::{
    checkout,
    terminal::{Terminal, Tone},
};

pub(crate) async fn run(terminal: &Terminal, example: &str, free_ports: bool) -> Result<ExitCode, Error> {
    let started = Instant::now();
    let checkout = checkout()?;
    let example = Example::find(&checkout, example)?;
    let scenario = example.scenario()?;
    let stack = start(terminal, &checkout, &example, free_ports).await?;
    let outcome = table(terminal, &scenario, &Target::from(&stack)).await?;
    if outcome.faulty > 0 && !free_ports {
        println!("Envoy's log is target/stack/envoy.log.");
    }
    println!("It took {:.1} s. To send requests yourself:", started.elapsed().as_secs_f32());
    println!();
    println!("    make up EXAMPLE={}", example.name());
    println!("    make down");
    Ok(if outcome.faulty == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Goes through a scenario, a row for each step.
pub(crate) async fn table(
    terminal: &Terminal,
    scenario: &Scenario,
    target: &Target,
) -> Result<Outcome, Error> {
    println!();
    println!("{}", scenario.about);
    println!();
    let width = scenario.width();
    let heading = line(width, ["", "request", "expected", "got", "token that the backend saw", "tokens*"]);
    println!("{}", terminal.paint(Tone::Strong, heading));
    let outcome = scenario.run(target, |row| println!("{}", show(terminal, width, row))).await?;
    println!(
        "{}",
        terminal.paint(Tone::Quiet, "* token requests that the identity endpoints have seen so far")
    );
    println!();
    conclude(terminal, outcome);
    Ok(outcome)
}

async fn start(
    terminal: &Terminal,
    checkout: &Checkout,
    example: &Example,
    free_ports: bool,
) -> Result<Stack, Error> {
    if free_ports {
        let work = Stack::builder().example(example.name()).start();
        return terminal.step("Starting the emulator and Envoy on free ports", work).await;
    }
    let emulator = terminal
        .step("Starting the emulator of the Azure endpoints", Stack::reference_emulator(checkout))
        .await?;
    let what = format!("Starting Envoy with examples/{}/envoy.yaml", example.name());
    terminal.step(&what, Stack::fixed(checkout, example, emulator)).await
}

fn show(terminal: &Terminal, width: usize, row: &Row) -> String {
    let good = row.faults.is_empty();
    let mark = match (good, row.got.is_empty()) {
        (true, true) => "",
        (true, false) => "ok",
        (false, _) => "NO",
    };
    let tokens = row.token_requests.to_string();
    let text = line(width, [mark, &row.step, &row.expected, dash(&row.got), dash(&row.seen), &tokens]);
    if good {
        // Only the mark has a colour, so that the rest stays easy to read.
        text.replacen(mark, &terminal.paint(Tone::Good, mark), 1)
    } else {
        terminal.paint(Tone::Bad, format!("{text}  <- {}", row.faults.join("; ")))
    }
}

fn conclude(terminal: &Terminal, outcome: Outcome) {
    if outcome.faulty == 0 {
        println!("{} Every answer was as expected, at both ends.", terminal.paint(Tone::Good, "Good."));
    } else {
        println!(
            "{} {} of {} rows are not as expected.",
            terminal.paint(Tone::Bad, "Not good."),
            outcome.faulty,
            outcome.rows,
        );
    }
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn line(width: usize, [mark, request, expected, got, seen, tokens]: [&str; 6]) -> String {
    format!("{mark:2}  {request:<width$}  {expected:<29} {got:<9} {seen:<27} {tokens:>7}")
}
