//! What is known of each scheduled report, and survives a restart.

use std::collections::BTreeMap;

use dragline_alerting::channel::{Outcome, backoff};
use dragline_alerting::dispatch::MAX_ATTEMPTS;
use dragline_alerting::duration::after;
use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use super::ScheduledReport;

/// All scheduled reports, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory(BTreeMap<String, Kept>);

/// One scheduled report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// When it is due; with another schedule, nothing was missed.
    schedule: String,
    /// Up to when everything that was due is done.
    pub(super) done: Timestamp,
    /// The last one that was made.
    pub(super) last: Option<Made>,
    /// Why the last one could not be made.
    pub(super) error: Option<String>,
}

/// A report that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) due: Timestamp,
    pub(super) at: Timestamp,
    /// The days that it covers.
    pub(super) period: (Timestamp, Timestamp),
    pub(super) title: String,
    /// Why it is late, in a sentence.
    pub(super) late: Option<String>,
    pub(super) deliveries: Vec<Delivery>,
}

/// A report on its way to a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub(super) channel: String,
    pub(super) attempts: u32,
    pub(super) state: State,
    /// What the last attempt failed with.
    pub(super) error: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// It is tried at this time.
    Waiting(Timestamp),
    /// It is being sent. After a crash nobody knows whether it arrived.
    Sending,
    Delivered(Timestamp),
    GivenUp,
    /// The service ended while it was sent.
    Unknown,
}

impl Memory {
    /// Reads what [`Memory::to_json`] wrote. A delivery that was under way when the service ended is not repeated.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, String> {
        let mut memory: Self = serde_json::from_slice(json)
            .map_err(|error| format!("the stored state of reports is damaged: {error}"))?;
        let made = memory.0.values_mut().filter_map(|kept| kept.last.as_mut());
        for delivery in made.flat_map(|made| &mut made.deliveries) {
            if delivery.state == State::Sending {
                delivery.state = State::Unknown;
                delivery.error = Some(
                    "the service ended while the report was sent; it is not sent again, because it may have arrived"
                        .to_owned(),
                );
            }
        }
        Ok(memory)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// Adopts the configured reports. One that is new or has another schedule begins now; returns the names of those
    /// that are not configured any more.
    pub(super) fn adopt(&mut self, reports: &[ScheduledReport], now: Timestamp) -> Vec<String> {
        let is_configured = |name: &String| reports.iter().any(|report| report.name == *name);
        let gone: Vec<String> = self
            .0
            .keys()
            .filter(|name| !is_configured(name))
            .cloned()
            .collect();
        for name in &gone {
            self.0.remove(name);
        }
        for report in reports {
            let schedule = report.schedule();
            let kept = self.0.entry(report.name.clone()).or_insert_with(|| Kept {
                schedule: schedule.clone(),
                done: now,
                last: None,
                error: None,
            });
            if kept.schedule != schedule {
                (kept.schedule, kept.done) = (schedule, now);
            }
        }
        gone
    }

    pub(super) fn get(&self, name: &str) -> Option<&Kept> {
        self.0.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Kept> {
        self.0.get_mut(name)
    }

    /// The names of reports with something to send.
    pub(super) fn waiting(&self, now: Timestamp) -> Vec<String> {
        let is_due = |made: &Made| made.deliveries.iter().any(|one| one.is_due(now));
        let waiting = self
            .0
            .iter()
            .filter(|(_, kept)| kept.last.as_ref().is_some_and(is_due));
        waiting.map(|(name, _)| name.clone()).collect()
    }
}

impl Delivery {
    pub(super) fn new(channel: &str, now: Timestamp) -> Self {
        Self {
            channel: channel.to_owned(),
            attempts: 0,
            state: State::Waiting(now),
            error: None,
        }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Waiting(at) if at <= now)
    }

    /// Writes down what became of an attempt. `jitter` is between 0 and 1.
    pub(super) fn end(&mut self, outcome: &Outcome, now: Timestamp, jitter: f64) {
        self.attempts += 1;
        self.error = outcome.error().map(str::to_owned);
        self.state = match outcome {
            Outcome::Delivered => State::Delivered(now),
            Outcome::Retry { after: asked, .. } if self.attempts < MAX_ATTEMPTS => {
                State::Waiting(after(now, backoff(self.attempts, *asked, jitter)))
            }
            Outcome::Retry { .. } | Outcome::Refused { .. } => State::GivenUp,
        };
    }

    /// What became of it, in words.
    pub(super) fn describe(&self) -> String {
        let error = self.error.as_deref().unwrap_or_default();
        match self.state {
            State::Delivered(_) => "sent".to_owned(),
            State::Sending => "being sent".to_owned(),
            State::Waiting(_) if self.attempts == 0 => "waits to be sent".to_owned(),
            State::Waiting(_) => format!("failed and is tried again: {error}"),
            State::GivenUp => format!("given up: {error}"),
            State::Unknown => format!("not known: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MonitorConfig;

    fn reports(cron: &str) -> Vec<ScheduledReport> {
        let text = format!("[[monitor.reports]]\nname = 'a'\ncron = '{cron}'\nchannels = ['mail']");
        MonitorConfig::from_toml(&text).unwrap().reports
    }

    #[test]
    fn another_schedule_begins_anew_and_another_report_forgets() {
        let mut memory = Memory::default();
        let time = Timestamp::from_seconds;
        assert!(memory.adopt(&reports("0 8 * * *"), time(1)).is_empty());
        memory.adopt(&reports("0 8 * * *"), time(2));
        assert_eq!(memory.get("a").unwrap().done, time(1));
        memory.adopt(&reports("0 9 * * *"), time(3));
        assert_eq!(memory.get("a").unwrap().done, time(3));
        assert_eq!(memory.adopt(&[], time(4)), ["a"]);
        assert_eq!(memory, Memory::default());
    }

    #[test]
    fn a_delivery_is_repeated_until_it_is_given_up_and_never_after_a_crash() {
        let now = Timestamp::from_seconds(1_000);
        let mut delivery = Delivery::new("mail", now);
        let retry = Outcome::Retry {
            after: None,
            error: "no answer".to_owned(),
        };
        delivery.end(&retry, now, 1.0);
        assert_eq!(delivery.state, State::Waiting(now.plus_micros(10_000_000)));
        assert_eq!(delivery.describe(), "failed and is tried again: no answer");
        for _ in 1..MAX_ATTEMPTS {
            delivery.end(&retry, now, 1.0);
        }
        assert_eq!(delivery.state, State::GivenUp);
        let mut memory = Memory::default();
        memory.adopt(&reports("0 8 * * *"), now);
        delivery.state = State::Sending;
        memory.get_mut("a").unwrap().last = Some(Made {
            due: now,
            at: now,
            period: (now, now),
            title: String::new(),
            late: None,
            deliveries: vec![delivery],
        });
        let again = Memory::from_json(&memory.to_json().unwrap()).unwrap();
        let delivery = &again.get("a").unwrap().last.as_ref().unwrap().deliveries[0];
        assert_eq!(delivery.state, State::Unknown);
        assert!(again.waiting(now).is_empty());
    }
}
