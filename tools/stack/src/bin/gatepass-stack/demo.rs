//! `gatepass-stack demo`: scenario 1 as a table.

use std::{process::ExitCode, time::Instant};

use gatepass_stack::{
    Error, Stack,
    scenario::{self, Outcome, Row},
};

use crate::{
    checkout,
    terminal::{Terminal, Tone},
};

pub(crate) async fn run(terminal: &Terminal, free_ports: bool) -> Result<ExitCode, Error> {
    let started = Instant::now();
    let stack = start(terminal, free_ports).await?;
    println!();
    println!("An unprotected API calls a protected one with the gateway's managed identity. Its roles are");
    println!("Sample.Read and Sample.Write; Sample.Delete is granted to nobody.");
    println!();
    let heading =
        line("", "request", "expected", "got", "IssuedAt of the token", "role asked for", "tokens*");
    println!("{}", terminal.paint(Tone::Strong, heading));
    let outcome = scenario::run(&stack, |row| println!("{}", show(terminal, row))).await?;
    println!(
        "{}",
        terminal.paint(Tone::Quiet, "* token requests that the identity endpoint has seen so far")
    );
    println!();
    conclude(terminal, &outcome);
    println!("It took {:.1} s. To send requests yourself:", started.elapsed().as_secs_f32());
    println!();
    println!("    make up");
    println!("    curl -i http://127.0.0.1:10000/unprotected");
    println!("    make down");
    Ok(if outcome.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn start(terminal: &Terminal, free_ports: bool) -> Result<Stack, Error> {
    if free_ports {
        let work = Stack::builder().start();
        return terminal.step("Starting the emulator and Envoy on free ports", work).await;
    }
    let checkout = checkout()?;
    let emulator = terminal
        .step("Starting the emulator of the Azure endpoints", Stack::reference_emulator(&checkout))
        .await?;
    terminal
        .step(
            "Starting Envoy with envoy/envoy.yaml and target/gatepass.wasm",
            Stack::reference(&checkout, emulator),
        )
        .await
}

fn show(terminal: &Terminal, row: &Row) -> String {
    let good = row.faults.is_empty();
    let mark = if good { "ok" } else { "NO" };
    let text = line(
        mark,
        &row.request,
        &row.expected,
        &row.got,
        dash(&row.issued_at),
        dash(&row.role),
        &row.token_requests.to_string(),
    );
    if good {
        // Only the mark has a colour, so that the rest stays easy to read.
        text.replacen(mark, &terminal.paint(Tone::Good, mark), 1)
    } else {
        terminal.paint(Tone::Bad, format!("{text}  <- {}", row.faults.join("; ")))
    }
}

fn conclude(terminal: &Terminal, outcome: &Outcome) {
    if outcome.is_good() {
        let issued = outcome.issued_at.first().map_or("", String::as_str);
        println!(
            "{} Every answer was as expected. Behind /unprotected the backend saw one and the same token\n\
             (IssuedAt {issued}) at every call and with every method: it was asked for once and kept.",
            terminal.paint(Tone::Good, "Good.")
        );
    } else {
        println!(
            "{} {} of {} rows are not as expected; the token was asked for {} times and the backend saw \
             {} values of IssuedAt. Envoy's log is target/stack/envoy.log.",
            terminal.paint(Tone::Bad, "Not good."),
            outcome.faulty,
            outcome.rows,
            outcome.token_requests,
            outcome.issued_at.len(),
        );
    }
}

fn dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn line(
    mark: &str,
    request: &str,
    expected: &str,
    got: &str,
    issued_at: &str,
    role: &str,
    tokens: &str,
) -> String {
    format!("{mark:2}  {request:<40} {expected:<9} {got:<9} {issued_at:<21}  {role:<14} {tokens:>7}")
}
