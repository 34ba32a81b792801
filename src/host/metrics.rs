//! Counters and gauges of the host, defined when they are first written.

use std::collections::BTreeMap;

use super::abi::{self, MetricType};
use crate::observe::{Counter, Counters};

/// The host's numbers for our metrics. `None` where the host refused to define one.
#[derive(Default)]
pub(super) struct Metrics {
    counters: BTreeMap<Counter, Option<u32>>,
    waiting: Option<u32>,
    /// What this VM last added to the gauge; the others add theirs to the same one.
    was_waiting: usize,
}

impl Metrics {
    /// Writes what was counted since the last time. A host that cannot count is not a reason to refuse
    /// anybody, so failures are let go.
    pub(super) fn write(&mut self, counters: &mut Counters, waiting: usize) {
        for (counter, by) in counters.take() {
            let id = self
                .counters
                .entry(counter)
                .or_insert_with(|| abi::define_metric(MetricType::Counter, &counter.name()).ok());
            if let Some(id) = id {
                let _ = abi::increment_metric(*id, i64::try_from(by).unwrap_or(i64::MAX));
            }
        }
        if self.waiting.is_none() {
            self.waiting = abi::define_metric(MetricType::Gauge, "gatepass.waiting").ok();
        }
        if let Some(id) = self.waiting.filter(|_| waiting != self.was_waiting) {
            // Both are at most the few thousand requests that may wait.
            let _ = abi::increment_metric(id, (waiting as i64).saturating_sub(self.was_waiting as i64));
            self.was_waiting = waiting;
        }
    }
}
