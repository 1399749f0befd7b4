//! From decisions to channels and back: the only place where notices are sent and written down.

use dragline_schema::Timestamp;

use crate::alert::Alert;
use crate::channel::{Channels, Outcome, backoff};
use crate::duration::after;
use crate::history::History;
use crate::notice::{Explanation, Notice};
use crate::notify::{Delivery, NotifyConfig, NotifyState};

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

/// What one round of notices needs besides the state.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'d> {
    /// Where notices go.
    pub channels: &'d Channels,
    /// Who is notified of what.
    pub config: &'d NotifyConfig,
    /// The current time.
    pub now: Timestamp,
    /// Between 0 and 1; spreads repeated attempts.
    pub jitter: f64,
}

impl Dispatch<'_> {
    /// Decides, sends and writes down. `explain` looks up what is known about an alert; `done` is called whenever a channel is
    /// done while others are not: a caller that is killed meanwhile should have stored what was sent.
    ///
    /// The caller stores `state` and `history` afterwards. When it cannot, the next round sends the same again, with the
    /// same idempotency keys.
    pub fn run(
        &self,
        state: &mut NotifyState,
        history: &mut History,
        explain: impl Fn(&Alert) -> Explanation,
        mut done: impl FnMut(&NotifyState, &History),
    ) -> Round {
        state.reconsider(|channel| self.channels.mark(channel));
        let deliveries = state.decide(self.config, self.now);
        let explain = |alert: &Alert| {
            let mut explanation = explain(alert);
            let owner = || self.config.owner_of(&alert.labels).map(str::to_owned);
            explanation.owner = explanation.owner.or_else(owner);
            explanation
        };
        let notices: Vec<Notice> = deliveries
            .iter()
            .map(|delivery| Notice::new(delivery, self.now, explain))
            .collect();
        let addressed: Vec<(&str, &Notice)> = deliveries
            .iter()
            .map(|delivery| delivery.channel.as_str())
            .zip(&notices)
            .collect();
        // Who is killed while a channel hangs knows that it was not told.
        let attempts: Vec<u32> = deliveries
            .iter()
            .map(|delivery| state.postpone(delivery, self.now))
            .collect();
        let mut round = Round::default();
        self.channels
            .deliver_each(&addressed, self.now, |waiting, outcomes| {
                for (index, outcome) in outcomes {
                    let (delivery, notice) = (&deliveries[index], &notices[index]);
                    history.record_notice(&delivery.channel, notice, &outcome, self.now);
                    self.write_down(state, (delivery, attempts[index]), &outcome, &mut round);
                }
                if waiting > 0 {
                    done(state, history);
                }
            });
        history.prune(self.now);
        round
    }

    /// What became of a delivery.
    fn write_down(
        &self,
        state: &mut NotifyState,
        (delivery, attempts): (&Delivery, u32),
        outcome: &Outcome,
        round: &mut Round,
    ) {
        let now = self.now;
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
            Outcome::Refused { .. } => {
                let mark = self.channels.mark(&delivery.channel);
                state.refuse(delivery, mark, now);
            }
            Outcome::Retry { after: asked, .. } => {
                if let Some(asked) = *asked {
                    state.hold(&delivery.channel, after(now, asked));
                }
                if attempts >= MAX_ATTEMPTS {
                    state.refuse(delivery, self.channels.mark(&delivery.channel), now);
                } else {
                    state.wait_until(delivery, after(now, backoff(attempts, *asked, self.jitter)));
                }
            }
        }
    }
}
