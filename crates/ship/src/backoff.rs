//! When to try again.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(1);
/// The longest pause that a service can ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Pauses that double after each failure, up to a minute. Each is shortened at random by up to half, so that machines
/// that lost the same service do not return at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff {
    random: fastrand::Rng,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            failures: 0,
        }
    }

    /// Number of failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure; at least what the service asked for.
    pub(crate) fn fail(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.mul_f64(1.0 - self.random.f64() / 2.0);
        pause.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_obey_the_service() {
        let mut backoff = Backoff::new(1);
        for nth in 0..40 {
            let pause = backoff.fail(None);
            let full = Duration::from_secs(1 << nth.min(6)).min(LONGEST);
            assert!(pause <= full && pause >= full / 2, "{nth}: {pause:?}");
        }
        let asked = Duration::from_mins(5);
        assert_eq!(backoff.fail(Some(asked)), asked);
        assert_eq!(backoff.fail(Some(Duration::MAX)), LONGEST_ASKED);
        backoff.reset();
        assert!(backoff.fail(Some(Duration::ZERO)) <= FIRST);
    }
}
