//! Counters and gauges of the host, defined when they are first written.

use litemap::LiteMap;

use super::abi::{self, MetricType};
use crate::observe::{Counter, Counters, Gauge};

/// The host's numbers for our metrics. `None` where the host refused to define one.
#[derive(Default)]
pub(super) struct Metrics {
    counters: LiteMap<Counter, Option<u32>>,
    gauges: LiteMap<Gauge, Written>,
}

/// A gauge of the host's, and what this VM last wrote to it.
struct Written {
    id: Option<u32>,
    value: u64,
}

impl Metrics {
    /// Writes what was counted since the last time. A host that cannot count is not a reason to refuse
    /// anybody, so failures are let go.
    pub(super) fn count(&mut self, counters: &mut Counters) {
        for (counter, by) in counters.take() {
            let id = self
                .counters
                .entry(counter)
                .or_insert_with(|| abi::define_metric(MetricType::Counter, &counter.name()).ok());
            if let Some(id) = id {
                let _ = abi::increment_metric(*id, i64::try_from(by).unwrap_or(i64::MAX));
            }
        }
    }

    /// Writes where a gauge stands now, if it has moved.
    pub(super) fn set(&mut self, gauge: Gauge, value: u64) {
        let is_sum = gauge.is_sum();
        let written = self.gauges.entry(gauge.clone()).or_insert_with(|| Written {
            id: abi::define_metric(MetricType::Gauge, &gauge.name()).ok(),
            value: 0,
        });
        let Some(id) = written.id.filter(|_| value != written.value) else { return };
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let _ = match is_sum {
            true => abi::increment_metric(id, signed(value).saturating_sub(signed(written.value))),
            false => abi::record_metric(id, value),
        };
        written.value = value;
    }

    /// Puts the gauges of identities whose tokens are not in use at 0: nobody looks after these, so nothing fails.
    pub(super) fn reset_unused(&mut self, is_used: impl Fn(&str) -> bool) {
        let unused = |gauge: &&Gauge| gauge.identity().is_some_and(|identity| !is_used(identity));
        let gauges: Vec<_> = self.gauges.keys().filter(unused).cloned().collect();
        gauges.into_iter().for_each(|gauge| self.set(gauge, 0));
    }
}
