use std::time::Duration;

use super::answer::Fetched;
use crate::calls::{CallFailure, Jitter, Unusable};

const TWO_HOURS: Duration = Duration::from_secs(7_200);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const FIVE_MINUTES: Duration = Duration::from_secs(300);
/// The least time between two tries while a token is usable.
const RETRY_WHILE_USABLE: Duration = Duration::from_secs(30);

/// When a token is refreshed: at `refresh_in`, else at half-life when it lives over 2 h, else 5 min before its
/// end, or at half-life when it lives under 10 min. Jitter makes it up to a tenth earlier.
pub(super) fn refresh_after(fetched: &Fetched, jitter: &mut Jitter) -> Duration {
    let life = fetched.life;
    let after = match fetched.refresh_in {
        Some(refresh_in) => refresh_in,
        None if life > TWO_HOURS || life < TEN_MINUTES => part(life, 2),
        None => life.saturating_sub(FIVE_MINUTES),
    };
    after.saturating_sub(
        part(after, 10).saturating_mul(u32::from(jitter.next())).checked_div(255).unwrap_or_default(),
    )
}

/// After a failed refresh of a token that is usable for `left`: 30 s, for a short life a third of what is left of it;
/// where the endpoint has nothing fresher yet, a tenth of what is left.
pub(super) fn retry_after(failure: CallFailure, left: Duration) -> Duration {
    let wait = match failure {
        CallFailure::Unusable(Unusable::NotFresher) => RETRY_WHILE_USABLE.max(part(left, 10)),
        _ => RETRY_WHILE_USABLE,
    };
    wait.min(part(left, 3)).max(Duration::from_secs(1))
}

fn part(of: Duration, parts: u32) -> Duration {
    of.checked_div(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn between_two_tries_lie_30_s_or_for_a_short_life_a_third_of_what_is_left() {
        let wait = |left| retry_after(CallFailure::Status(500), Duration::from_secs(left)).as_secs();
        assert_eq!([3_600, 90, 60, 9, 1].map(wait), [30, 30, 20, 3, 1]);
    }

    #[test]
    fn an_endpoint_that_has_nothing_fresher_is_left_alone_for_longer() {
        let failure = CallFailure::Unusable(Unusable::NotFresher);
        let wait = |left| retry_after(failure, Duration::from_secs(left)).as_secs();
        assert_eq!([43_200, 600, 200, 30].map(wait), [4_320, 60, 30, 10]);
    }
}
