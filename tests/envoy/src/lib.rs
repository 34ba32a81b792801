//! What Gatepass does on the real Envoy. The tests are in `tests/suite`, each with a stack of its own;
//! `gatepass-stack` says how one is started.
