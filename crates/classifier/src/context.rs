//! The circumstances that raise a severity.

use std::collections::BTreeSet;

use dragline_schema::{Adjustment, ErrorText, Severity};

/// The circumstances that raise a severity. Nothing lowers one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// More consecutive failures than this raise the severity to high. Default 5.
    pub consecutive_failures: u64,
    /// At least this many errors within a minute raise the severity by one step (low → medium →
    /// high). Applies only when the caller counts them, as a run does that labels its errors when
    /// it logs them. Default 100.
    pub burst_per_minute: u64,
    /// Sites whose errors are raised by one step (low → medium → high).
    pub critical_sites: BTreeSet<String>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            burst_per_minute: 100,
            critical_sites: BTreeSet::new(),
        }
    }
}

impl Context {
    /// The severity in this context, and what raised it. A missing count (consecutive failures,
    /// errors in the last minute) never raises it.
    pub(crate) fn adjust(
        &self,
        severity: Severity,
        error: &ErrorText<'_>,
    ) -> (Severity, Vec<Adjustment>) {
        let mut raised = severity;
        let mut adjustments = Vec::new();
        let mut raise = |to: Severity, why| {
            if to > raised {
                raised = to;
                adjustments.push(why);
            }
            raised
        };
        let mut now = severity;
        if error.consecutive_failures.unwrap_or(0) > self.consecutive_failures {
            now = raise(Severity::High, Adjustment::ConsecutiveFailures);
        }
        if error
            .site
            .is_some_and(|site| self.critical_sites.contains(site))
        {
            now = raise(one_step(now), Adjustment::SitePriority);
        }
        if error
            .errors_last_minute
            .is_some_and(|errors| errors >= self.burst_per_minute)
        {
            raise(one_step(now), Adjustment::Burst);
        }
        (raised, adjustments)
    }
}

/// One step up, at most to high. Critical is reserved for rules that say so: data is lost.
fn one_step(severity: Severity) -> Severity {
    match severity {
        Severity::Low => Severity::Medium,
        Severity::Medium | Severity::High => Severity::High,
        Severity::Critical => Severity::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_raises_and_never_lowers() {
        use Adjustment::{Burst, ConsecutiveFailures, SitePriority};
        use Severity::{Critical, High, Low, Medium};
        let context = Context {
            critical_sites: ["shop".to_owned()].into(),
            ..Context::default()
        };
        let adjusted = |severity, failures, site, errors| {
            let error = ErrorText {
                consecutive_failures: Some(failures),
                site,
                errors_last_minute: Some(errors),
                ..ErrorText::default()
            };
            context.adjust(severity, &error)
        };
        assert_eq!(adjusted(Low, 5, None, 99), (Low, vec![]));
        assert_eq!(adjusted(Low, 6, None, 0), (High, vec![ConsecutiveFailures]));
        assert_eq!(
            adjusted(Low, 1, Some("shop"), 0),
            (Medium, vec![SitePriority])
        );
        assert_eq!(
            adjusted(Low, 1, Some("shop"), 100),
            (High, vec![SitePriority, Burst])
        );
        assert_eq!(adjusted(High, 9, Some("shop"), 999), (High, vec![]));
        assert_eq!(adjusted(Critical, 9, Some("shop"), 999), (Critical, vec![]));
    }
}
