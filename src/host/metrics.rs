//! Counters and gauges of the host, defined when they are first written.

use std::collections::BTreeMap;

use super::abi::{self, MetricType};
use crate::observe::{Counter, Counters};

/// The host's numbers for our metrics. `None` where the host refused to define one.
#[derive(Default)]
pub(super) struct Metrics {
    counters: BTreeMap<Counter, Option<u32>>,
    waiting: Option<u32>,
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
                let _ = abi::increment_metric(*id, by);
            }
        }
        if self.waiting.is_none() {
            self.waiting = abi::define_metric(MetricType::Gauge, "gatepass.waiting").ok();
        }
        if let Some(id) = self.waiting {
            let _ = abi::record_metric(id, waiting as u64);
        }
    }
}
