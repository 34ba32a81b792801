//! Attacks on the core: the corpus, what is generated from good tokens, and text that nobody would write.

mod cases;
mod fuzz;
mod generated;

use std::sync::LazyLock;

use gatepass_attacks::Corpus;

/// One corpus for all: its keys take seconds to make.
static CORPUS: LazyLock<Corpus> = LazyLock::new(Corpus::load);
