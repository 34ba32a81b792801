use std::rc::Rc;
use std::time::Duration;

use super::abi;
use crate::config::Configuration;

/// How often a root ticks while requests wait: the fallback for every wake-up that gets lost.
const WAITING: Duration = Duration::from_millis(100);
/// How often it ticks otherwise: for refreshes and counters.
const IDLE: Duration = Duration::from_secs(1);

/// A root context: one plugin configuration in one VM.
#[derive(Default)]
pub(super) struct Root {
    /// The configuration, once it is accepted.
    pub(super) configuration: Option<Rc<Configuration>>,
    /// Its queue, from the first tick on.
    pub(super) queue: Option<u32>,
    period: Duration,
}

impl Root {
    /// Asks for the first tick, soon. Nothing with an effect outside the VM may begin before it, because a
    /// configuration is tried in a VM of its own that is thrown away.
    pub(super) fn start_ticking(&mut self) {
        self.set_period(Duration::from_millis(1));
    }

    /// Ticks quickly while requests wait. Called with a context of this root in effect.
    pub(super) fn adjust_ticking(&mut self, waiting: bool) {
        self.set_period(if waiting { WAITING } else { IDLE });
    }

    /// The host would go on ticking for a root that is gone. Called with this root in effect.
    pub(super) fn stop_ticking(&mut self) {
        self.set_period(Duration::ZERO);
    }

    fn set_period(&mut self, period: Duration) {
        if self.period != period && abi::set_tick_period(period).is_ok() {
            self.period = period;
        }
    }
}
