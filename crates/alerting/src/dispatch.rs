//! From decisions to channels and back: the only place where notices are sent and written down.

use dragline_schema::Timestamp;

use crate::alert::Alert;
use crate::channel::{Channels, Outcome, backoff};
use crate::duration::after;
use crate::history::History;
use crate::notice::{Explanation, Notice};
use crate::notify::{NotifyConfig, NotifyState};

/// After this many failures in a row a delivery is given up: about two days.
pub const MAX_ATTEMPTS: u32 = 200;

/// What one round of notices did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// Number of notices that were delivered.
    pub delivered: usize,
    /// What was not delivered: the channel, and why. Each is in the history as well.
    pub failures: Vec<(String, String)>,
}

/// Decides, sends and writes down. `jitter`, between 0 and 1, spreads repeated attempts; `explain` looks up what is
/// known about an alert.
///
/// The caller stores `state` and `history` afterwards. When it cannot, the next round sends the same again, with the
/// same idempotency keys.
pub fn dispatch(
    state: &mut NotifyState,
    history: &mut History,
    channels: &Channels,
    config: &NotifyConfig,
    now: Timestamp,
    jitter: f64,
    explain: impl Fn(&Alert) -> Explanation,
) -> Round {
    let deliveries = state.decide(config, now);
    let explain = |alert: &Alert| {
        let mut explanation = explain(alert);
        let owner = || config.owner_of(&alert.labels).map(str::to_owned);
        explanation.owner = explanation.owner.or_else(owner);
        explanation
    };
    let notices: Vec<Notice> = deliveries
        .iter()
        .map(|delivery| Notice::new(delivery, now, explain))
        .collect();
    let addressed: Vec<(&str, &Notice)> = deliveries
        .iter()
        .map(|delivery| delivery.channel.as_str())
        .zip(&notices)
        .collect();
    let outcomes = channels.deliver(&addressed, now);
    let mut round = Round::default();
    for ((delivery, notice), outcome) in deliveries.iter().zip(&notices).zip(outcomes) {
        history.record_notice(&delivery.channel, notice, &outcome, now);
        if let Some(error) = outcome.error() {
            round
                .failures
                .push((delivery.channel.clone(), error.to_owned()));
        }
        match outcome {
            Outcome::Delivered => {
                round.delivered += 1;
                state.confirm(delivery, now);
            }
            Outcome::Refused { .. } => state.refuse(delivery, now),
            Outcome::Retry { after: asked, .. } => {
                let attempts = state.postpone(delivery, now);
                if let Some(asked) = asked {
                    state.hold(&delivery.channel, after(now, asked));
                }
                if attempts >= MAX_ATTEMPTS {
                    state.refuse(delivery, now);
                } else {
                    state.wait_until(delivery, after(now, backoff(attempts, asked, jitter)));
                }
            }
        }
    }
    history.prune(now);
    round
}
