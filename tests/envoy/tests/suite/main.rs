//! Every test starts the real Envoy with the filter, and the emulator of the Azure endpoints.

mod answers;
mod attach;
mod attacks;
mod bodies;
mod bytes;
mod claims;
mod clients;
mod cold_start;
mod configuration;
mod cors;
mod entra;
mod held_back;
mod issuers;
mod leak;
mod many_at_once;
mod matching;
mod outages;
mod overwrite;
mod paths;
mod refresh;
mod refusals;
mod reload;
mod request;
mod scenario_one;
mod storm;
mod support;
