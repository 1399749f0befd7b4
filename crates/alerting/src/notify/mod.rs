//! Who is notified of what, and when: decisions without any sending.
//!
//! [`NotifyState::record`] takes the changes of the watch, [`NotifyState::decide`] says what is to be sent now, and
//! the caller reports for each [`Delivery`] what became of it: [`NotifyState::confirm`] after success,
//! [`NotifyState::postpone`] when it is to be tried again, [`NotifyState::refuse`] when the channel does not take
//! it as it is configured. What was sent is only written down after success. So a crash in between sends a notice
//! twice and never loses one; both have the same idempotency key.

mod budget;
mod config;
mod decide;
mod silence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use budget::Budget;
pub use config::{NotifyConfig, NotifySettings, Route, ScraperOwner};
pub use silence::{Day, Inhibition, Silence, Weekly, Zone};

use crate::Labels;
use crate::alert::{Alert, AlertId, pairs};
use crate::duration::{after, elapsed};
use crate::labels::hexadecimal;
use crate::watch::Change;

/// What identifies an episode: the alert, and when it fired.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EpisodeKey {
    /// The alert.
    pub alert: AlertId,
    /// When it fired.
    pub fired_at: Timestamp,
}

impl EpisodeKey {
    fn of(alert: &Alert) -> Self {
        Self {
            alert: alert.id.clone(),
            fired_at: alert.fired_at,
        }
    }
}

/// Why an alert is in a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// The channel is notified of this episode for the first time.
    New,
    /// Its severity rose.
    Raised,
    /// It is over, and the channel was notified that it fires.
    Ended,
    /// It began and ended before the channel could be notified.
    Past,
    /// It still fires; the channel knows.
    Still,
}

/// What a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// Something is new.
    Firing,
    /// Nothing of the group fires any more.
    Resolved,
    /// The same again.
    Repeat,
    /// What the budget put off, ranked.
    Digest,
    /// A report, which no alert caused.
    Report,
}

/// An alert in a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveredAlert {
    /// Why it is there.
    pub news: News,
    /// The alert.
    pub alert: Alert,
}

/// One notice to one channel, to be rendered and sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The idempotency key: the same for the same news, however often it is tried.
    pub key: String,
    /// The channel.
    pub channel: String,
    /// The labels that the alerts share.
    pub group: Labels,
    /// What it is.
    pub kind: DeliveryKind,
    /// The alerts: what is new first, the most severe first.
    pub alerts: Vec<DeliveredAlert>,
}

impl Delivery {
    /// The highest severity of what fires, or else of all.
    pub fn severity(&self) -> Severity {
        let firing = self.alerts.iter().filter(|entry| entry.alert.is_firing());
        let highest = firing.map(|entry| entry.alert.severity).max();
        highest
            .or_else(|| self.alerts.iter().map(|entry| entry.alert.severity).max())
            .unwrap_or(Severity::Low)
    }
}

/// A person has taken an alert up: no more repetitions and no escalation in this episode, unless it gets worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The severity that was acknowledged.
    pub severity: Severity,
}

/// What a channel was notified of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Notified {
    severity: Severity,
    at: Timestamp,
    /// The channel knows that it is over.
    is_over: bool,
    /// The channel refused it: it knows nothing, and is tried again after a while.
    #[serde(default)]
    is_refused: bool,
    /// Before the channel refused it, it had taken another notice of the episode.
    #[serde(default)]
    is_known: bool,
}

/// What identifies a row: a group of alerts, and a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct RowKey {
    group: Labels,
    channel: String,
}

/// What one channel was notified of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    #[serde(with = "pairs")]
    notified: BTreeMap<EpisodeKey, Notified>,
    /// When the last notice went out.
    last_sent: Option<Timestamp>,
    /// When each alert was last reported as new, for its cooldown, and how severe it was.
    #[serde(with = "pairs")]
    last_new: BTreeMap<AlertId, (Timestamp, Severity)>,
    /// Not to be tried before.
    not_before: Option<Timestamp>,
    /// Number of attempts since the last success.
    attempts: u32,
    /// Number of notices so far, which tells repetitions apart.
    sent: u64,
}

/// An episode that is still of interest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    alert: Alert,
    /// When it was recorded, by the clock; group waiting counts from here.
    recorded_at: Timestamp,
    /// When its end was recorded, by the clock.
    ended_at: Option<Timestamp>,
    acknowledged: Option<Acknowledgement>,
}

/// What the budget put off for one channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Digesting {
    #[serde(with = "pairs")]
    alerts: BTreeMap<EpisodeKey, (News, Alert)>,
    waiting_since: Option<Timestamp>,
    /// The notices that were sent within the budget.
    sent: Vec<Timestamp>,
    not_before: Option<Timestamp>,
    attempts: u32,
}

/// Everything that is stored about notices between runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NotifyState {
    #[serde(with = "pairs")]
    members: BTreeMap<EpisodeKey, Member>,
    #[serde(with = "pairs")]
    rows: BTreeMap<RowKey, Row>,
    #[serde(default)]
    digests: BTreeMap<String, Digesting>,
    /// The channels whose service wants to be left alone, and until when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    held: BTreeMap<String, Timestamp>,
    /// The channels that refused something, with what tells that they were configured anew.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    refusing: BTreeMap<String, String>,
    /// Silences that were set by command, in addition to those of the configuration.
    #[serde(default)]
    pub silences: Vec<Silence>,
}

impl NotifyState {
    /// Takes the changes of the watch, at `now` by the clock.
    pub fn record(&mut self, changes: &[Change], now: Timestamp) {
        for alert in changes.iter().filter_map(|change| change.alert.as_ref()) {
            let member = self
                .members
                .entry(EpisodeKey::of(alert))
                .or_insert_with(|| Member {
                    alert: alert.clone(),
                    recorded_at: now,
                    ended_at: None,
                    acknowledged: None,
                });
            let goes_on = !member.alert.is_firing() && alert.is_firing();
            member.alert = alert.clone();
            if !alert.is_firing() {
                member.ended_at.get_or_insert(now);
            }
            if goes_on {
                // It was taken for ended before all of its time was known: channels that were notified of the end are
                // notified again.
                member.ended_at = None;
                let key = EpisodeKey::of(alert);
                for row in self.rows.values_mut() {
                    row.notified.remove(&key);
                }
            }
        }
    }

    /// Updates the values of alerts that fire, so that a notice shows how things are now.
    pub fn refresh(&mut self, alerts: &[Alert]) {
        for alert in alerts {
            if let Some(member) = self.members.get_mut(&EpisodeKey::of(alert))
                && member.alert.is_firing() == alert.is_firing()
            {
                member.alert.value = alert.value;
                member.alert.worst = alert.worst;
                member.alert.summary.clone_from(&alert.summary);
                member.alert.annotations.clone_from(&alert.annotations);
            }
        }
    }

    /// Acknowledges the alerts that fire: those of the rule with the name `id`, or those whose short id begins with `id`
    /// and has more than the rule's name in common with it. Returns them.
    pub fn acknowledge(&mut self, id: &str, by: &str, now: Timestamp) -> Vec<AlertId> {
        let firing = self
            .members
            .values_mut()
            .filter(|member| member.alert.is_firing());
        let is_meant = |of: &AlertId| {
            of.rule == id || (id.len() > of.rule.len() && of.short().starts_with(id))
        };
        let chosen = firing.filter(|member| is_meant(&member.alert.id));
        chosen
            .map(|member| {
                let severity = member.alert.severity;
                member.acknowledged = Some(Acknowledgement {
                    by: by.to_owned(),
                    at: now,
                    severity,
                });
                member.alert.id.clone()
            })
            .collect()
    }

    /// The alerts that fire, with who has taken them up.
    pub fn firing(&self) -> impl Iterator<Item = (&Alert, Option<&Acknowledgement>)> {
        let firing = self
            .members
            .values()
            .filter(|member| member.alert.is_firing());
        firing.map(|member| (&member.alert, member.acknowledged.as_ref()))
    }

    /// The number of alerts that the budget put off, which wait for a digest.
    pub fn waiting(&self) -> usize {
        let alerts = self
            .digests
            .values()
            .flat_map(|digest| digest.alerts.keys());
        alerts.collect::<BTreeSet<_>>().len()
    }

    /// The channels that have not taken all of what they were sent, and when it is tried again.
    pub fn undelivered(&self, config: &NotifyConfig, now: Timestamp) -> BTreeMap<&str, Timestamp> {
        let named = self.named_channels(config);
        let refused = |(key, told): (&EpisodeKey, &Notified)| {
            let member = self.members.get(key).filter(|_| told.is_refused)?;
            decide::is_still_sent(member, now).then(|| after(told.at, decide::REFUSED_FOR))
        };
        let rows = self.rows.iter().flat_map(|(key, row)| {
            let postponed = row.not_before.filter(|_| row.attempts > 0);
            let refused = row.notified.iter().filter_map(refused).min();
            let next = postponed.into_iter().chain(refused);
            next.map(|next| (key.channel.as_str(), next))
        });
        let digests = self.digests.iter().filter_map(|(channel, digesting)| {
            let next = digesting.not_before.filter(|_| digesting.attempts > 0)?;
            Some((channel.as_str(), next))
        });
        let mut all = BTreeMap::new();
        for (channel, next) in rows
            .chain(digests)
            .filter(|(channel, _)| named.contains(channel))
        {
            let held = all.entry(channel).or_insert(next);
            *held = next.min(*held);
        }
        all
    }

    /// The channels that the configuration or a rule names.
    fn named_channels<'a>(&'a self, config: &'a NotifyConfig) -> BTreeSet<&'a str> {
        let mut named = config.named_channels();
        let members = self.members.values();
        let escalations = members.flat_map(|member| &member.alert.escalate);
        let channels = escalations.flat_map(|escalation| &escalation.channels);
        named.extend(channels.map(String::as_str));
        named
    }

    /// The channel has taken a delivery.
    pub fn confirm(&mut self, delivery: &Delivery, now: Timestamp) {
        self.write_down(delivery, now, false);
        if delivery.severity() < Severity::Critical {
            self.digests
                .entry(delivery.channel.clone())
                .or_default()
                .sent
                .push(now);
        }
        self.settle(now);
    }

    /// The channel does not take this delivery as it is configured, which `mark` stands for. It is tried again each hour, for a
    /// day after the end of its alerts: somebody may mend the channel.
    pub fn refuse(&mut self, delivery: &Delivery, mark: &str, now: Timestamp) {
        self.write_down(delivery, now, true);
        self.refusing
            .insert(delivery.channel.clone(), mark.to_owned());
        self.settle(now);
    }

    /// Tries what a channel refused again at once if it was configured anew: if its mark is another one.
    pub fn reconsider<'m>(&mut self, mark: impl Fn(&str) -> &'m str) {
        let long_ago = Timestamp::from_seconds(0);
        let rows = &mut self.rows;
        self.refusing.retain(|channel, known| {
            let is_same = mark(channel) == known;
            let own = rows
                .iter_mut()
                .filter(|(key, _)| !is_same && key.channel == *channel);
            let told = own.flat_map(|(_, row)| row.notified.values_mut());
            told.filter(|told| told.is_refused)
                .for_each(|told| told.at = long_ago);
            is_same
        });
    }

    /// The delivery failed, and is not to be tried before `until`. Returns the number of attempts so far.
    pub fn postpone(&mut self, delivery: &Delivery, until: Timestamp) -> u32 {
        if delivery.kind == DeliveryKind::Digest {
            let digesting = self.digests.entry(delivery.channel.clone()).or_default();
            digesting.not_before = Some(until);
            digesting.attempts += 1;
            return digesting.attempts;
        }
        let row = self.rows.entry(row_key(delivery)).or_default();
        row.not_before = Some(until);
        row.attempts += 1;
        row.attempts
    }

    /// Sends nothing to a channel before a time: its service asked for that.
    pub fn hold(&mut self, channel: &str, until: Timestamp) {
        let held = self.held.entry(channel.to_owned()).or_insert(until);
        *held = until.max(*held);
    }

    /// Takes back the times that have not come by `now`: the clock was ahead.
    pub(crate) fn set_back(&mut self, now: Timestamp) {
        let past = |time: &mut Timestamp| *time = now.min(*time);
        let perhaps = |time: &mut Option<Timestamp>| *time = time.map(|time| now.min(time));
        for member in self.members.values_mut() {
            past(&mut member.recorded_at);
            perhaps(&mut member.ended_at);
        }
        for row in self.rows.values_mut() {
            perhaps(&mut row.last_sent);
            perhaps(&mut row.not_before);
            row.notified
                .values_mut()
                .for_each(|told| past(&mut told.at));
            row.last_new.values_mut().for_each(|(at, _)| past(at));
        }
        for digesting in self.digests.values_mut() {
            perhaps(&mut digesting.waiting_since);
            perhaps(&mut digesting.not_before);
            digesting.sent.iter_mut().for_each(past);
        }
        self.held.clear();
    }

    /// Changes when a postponed delivery is tried again.
    pub fn wait_until(&mut self, delivery: &Delivery, until: Timestamp) {
        if delivery.kind == DeliveryKind::Digest {
            if let Some(digesting) = self.digests.get_mut(&delivery.channel) {
                digesting.not_before = Some(until);
            }
        } else if let Some(row) = self.rows.get_mut(&row_key(delivery)) {
            row.not_before = Some(until);
        }
    }

    fn write_down(&mut self, delivery: &Delivery, now: Timestamp, is_refused: bool) {
        if delivery.kind == DeliveryKind::Digest {
            if let Some(digesting) = self.digests.get_mut(&delivery.channel) {
                digesting.alerts.clear();
                digesting.waiting_since = None;
                digesting.not_before = None;
                digesting.attempts = 0;
            }
            return;
        }
        let row = self.rows.entry(row_key(delivery)).or_default();
        row.last_sent = Some(now);
        row.not_before = None;
        row.attempts = 0;
        row.sent += 1;
        for DeliveredAlert { news, alert } in &delivery.alerts {
            if *news == News::New && !is_refused {
                row.last_new.insert(alert.id.clone(), (now, alert.severity));
            }
            if *news == News::Still {
                continue;
            }
            let key = EpisodeKey::of(alert);
            let before = row.notified.get(&key);
            let notified = Notified {
                is_known: before.is_some_and(|before| !before.is_refused || before.is_known),
                severity: alert.severity,
                at: now,
                is_over: !alert.is_firing(),
                is_refused,
            };
            row.notified.insert(key, notified);
        }
    }

    /// Forgets what no decision needs any more.
    fn settle(&mut self, now: Timestamp) {
        for digesting in self.digests.values_mut() {
            digesting
                .sent
                .retain(|sent| elapsed(now, *sent) < budget::LONGEST_PERIOD);
        }
        self.rows.retain(|_, row| {
            row.last_new
                .retain(|_, (at, _)| elapsed(now, *at) < LONGEST_COOLDOWN);
            !row.notified.is_empty() || !row.last_new.is_empty() || row.not_before.is_some()
        });
    }
}

/// How long a row remembers that an alert was new.
const LONGEST_COOLDOWN: std::time::Duration = std::time::Duration::from_hours(7 * 24);

fn row_key(delivery: &Delivery) -> RowKey {
    RowKey {
        group: delivery.group.clone(),
        channel: delivery.channel.clone(),
    }
}

/// The idempotency key of a notice.
fn delivery_key(row: &RowKey, kind: DeliveryKind, alerts: &[DeliveredAlert], sent: u64) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    part(&row.channel);
    part(&row.group.fingerprint());
    part(&format!("{kind:?}"));
    // The number of notices before it distinguishes repetitions of the same news.
    part(&sent.to_string());
    for DeliveredAlert { news, alert } in alerts.iter().filter(|entry| entry.news != News::Still) {
        part(&alert.id.short());
        part(&format!("{news:?} {} {}", alert.fired_at, alert.severity));
    }
    hexadecimal(&hash.finalize()[..16])
}
