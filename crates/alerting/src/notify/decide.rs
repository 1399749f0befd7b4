//! What is to be sent now.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_schema::{Severity, Timestamp};

use super::{
    DeliveredAlert, Delivery, DeliveryKind, EpisodeKey, Member, News, NotifyConfig, NotifyState,
    Row, RowKey, delivery_key,
};
use crate::Alert;
use crate::Labels;
use crate::duration::elapsed;
use crate::state::KEEP_RESOLVED;

/// Maximum number of alerts in a digest; the others are counted.
const DIGEST_ALERTS: usize = 50;

/// How long a channel that refused an alert is left alone with it: somebody has to mend the channel.
pub(super) const REFUSED_FOR: Duration = Duration::from_hours(1);

/// How long after the end of an alert a channel that refused it is still tried.
const REFUSED_LONGEST: Duration = Duration::from_hours(24);

/// Whether a channel that refused an alert is still to be notified of it.
pub(super) fn is_still_sent(member: &Member, now: Timestamp) -> bool {
    let ended = member.ended_at;
    ended.is_none_or(|ended| elapsed(now, ended) < REFUSED_LONGEST)
}

impl NotifyState {
    /// What is to be sent at `now`. What the budget does not allow moves to the digest.
    ///
    /// Calling it again before a delivery is confirmed returns the same delivery with the same key.
    pub fn decide(&mut self, config: &NotifyConfig, now: Timestamp) -> Vec<Delivery> {
        self.settle(now);
        let rows = self.rows_of_members(config, now);
        self.forget_reported(config, &rows, now);
        let mut deliveries = Vec::new();
        for (row_key, members) in rows {
            let Some(delivery) = self.decide_row(config, &row_key, &members, now) else {
                continue;
            };
            if self.is_put_off(config, &delivery, now) {
                self.put_off(&delivery, now);
            } else {
                deliveries.push(delivery);
            }
        }
        deliveries.extend(self.decide_digests(config, now));
        self.held.retain(|_, until| now < *until);
        deliveries.retain(|delivery| !self.held.contains_key(&delivery.channel));
        deliveries
    }

    /// The episodes of each row: those routed to the channel now, and those that it was notified of.
    fn rows_of_members(
        &self,
        config: &NotifyConfig,
        now: Timestamp,
    ) -> BTreeMap<RowKey, BTreeSet<EpisodeKey>> {
        let mut rows: BTreeMap<RowKey, BTreeSet<EpisodeKey>> = BTreeMap::new();
        for (key, member) in &self.members {
            let group = group_of(config, &member.alert.labels);
            for channel in channels_of(config, member, now) {
                let row = RowKey {
                    group: group.clone(),
                    channel: channel.to_owned(),
                };
                rows.entry(row).or_default().insert(key.clone());
            }
        }
        let named = self.named_channels(config);
        for (row_key, row) in &self.rows {
            // A channel that refused an alert and was removed needs not hear of it.
            let is_named = named.contains(row_key.channel.as_str());
            let known = row
                .notified
                .iter()
                .filter(|(key, told)| {
                    self.members.contains_key(*key) && (is_named || !told.is_refused)
                })
                .map(|(key, _)| key.clone());
            rows.entry(row_key.clone()).or_default().extend(known);
        }
        rows
    }

    /// Forgets episodes that ended a while ago and that no channel has to be notified of.
    fn forget_reported(
        &mut self,
        config: &NotifyConfig,
        rows: &BTreeMap<RowKey, BTreeSet<EpisodeKey>>,
        now: Timestamp,
    ) {
        let empty = Row::default();
        let is_wanted = |row_key: &RowKey, key: &EpisodeKey, member: &Member| {
            let row = self.rows.get(row_key).unwrap_or(&empty);
            let told = row.notified.get(key);
            let is_refused = told.is_some_and(|told| told.is_refused);
            (is_refused && is_still_sent(member, now))
                || self
                    .news_of(config, (row_key, row), key, member, now)
                    .is_some()
        };
        let is_over = |member: &Member| {
            member
                .ended_at
                .is_some_and(|ended| elapsed(now, ended) >= KEEP_RESOLVED)
        };
        let reported: Vec<EpisodeKey> = self
            .members
            .iter()
            .filter(|(_, member)| is_over(member))
            .filter(|(key, member)| {
                let mut of_member = rows.iter().filter(|(_, members)| members.contains(*key));
                !of_member.any(|(row_key, _)| is_wanted(row_key, key, member))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in reported {
            self.members.remove(&key);
            for row in self.rows.values_mut() {
                row.notified.remove(&key);
            }
        }
    }

    fn decide_row(
        &self,
        config: &NotifyConfig,
        row_key: &RowKey,
        members: &BTreeSet<EpisodeKey>,
        now: Timestamp,
    ) -> Option<Delivery> {
        let empty = Row::default();
        let row = self.rows.get(row_key).unwrap_or(&empty);
        if row.not_before.is_some_and(|until| now < until) {
            return None;
        }
        let members = members
            .iter()
            .filter_map(|key| Some((key, self.members.get(key)?)));
        let news: Vec<(News, &Member)> = members
            .filter_map(|(key, member)| {
                Some((
                    self.news_of(config, (row_key, row), key, member, now)?,
                    member,
                ))
            })
            .collect();
        let changes: Vec<&(News, &Member)> = news
            .iter()
            .filter(|(news, _)| *news != News::Still)
            .collect();
        let kind = if changes.is_empty() {
            repetition(config, row, &news, now)?
        } else if is_due(config, row, &changes, now) {
            let still_fires = news
                .iter()
                .any(|(news, _)| matches!(news, News::New | News::Raised | News::Still));
            if still_fires {
                DeliveryKind::Firing
            } else {
                DeliveryKind::Resolved
            }
        } else {
            return None;
        };
        let mut alerts: Vec<DeliveredAlert> = news
            .iter()
            .map(|(news, member)| DeliveredAlert {
                news: *news,
                alert: member.alert.clone(),
            })
            .collect();
        // The first gives the notice its title: nothing that is over while another fires.
        alerts.sort_by_key(|entry| {
            (
                !entry.alert.is_firing(),
                entry.news,
                Reverse(entry.alert.severity),
                entry.alert.fired_at,
            )
        });
        let key = delivery_key(row_key, kind, &alerts, row.sent);
        Some(Delivery {
            key,
            channel: row_key.channel.clone(),
            group: row_key.group.clone(),
            kind,
            alerts,
        })
    }

    /// What an episode is to a row; `None`: nothing to be reported.
    fn news_of(
        &self,
        config: &NotifyConfig,
        (row_key, row): (&RowKey, &Row),
        key: &EpisodeKey,
        member: &Member,
        now: Timestamp,
    ) -> Option<News> {
        let alert = &member.alert;
        match (row.notified.get(key), alert.ended) {
            (Some(notified), _) if notified.is_refused => {
                if alert.is_firing() && self.is_muted(config, member, now) {
                    return None;
                }
                // Somebody may have mended the channel meanwhile.
                let is_worse = notified.severity < alert.severity;
                let is_again = is_worse || has_passed(now, notified.at, REFUSED_FOR);
                let news = match (alert.is_firing(), notified.is_known) {
                    (true, true) => News::Raised,
                    (true, false) => News::New,
                    (false, true) => News::Ended,
                    (false, false) => News::Past,
                };
                (is_again && is_still_sent(member, now)).then_some(news)
            }
            (Some(notified), _) if notified.is_over => None,
            // A channel that was notified of an alert is notified of its end, whatever is silenced.
            (Some(_), Some(_)) => Some(News::Ended),
            (Some(notified), None) => {
                if self.is_muted(config, member, now) {
                    return None;
                }
                let is_raised = notified.severity < alert.severity;
                Some(if is_raised { News::Raised } else { News::Still })
            }
            (None, None) => {
                let held = self.is_muted(config, member, now) || is_cooling(row, member, now);
                (!held).then_some(News::New)
            }
            // Others were notified while it fired: the channel is a new one, which needs not hear of the end.
            (None, Some(_)) if self.is_new_to(row_key, row, key) => None,
            // It ended before the channel was notified: a short episode, or one of a time when the watch was down.
            (None, Some(ended)) => {
                let held = self.is_muted(config, member, ended) || is_cooling(row, member, ended);
                (!held).then_some(News::Past)
            }
        }
    }

    /// Whether another channel was notified of an episode, and nothing kept this one from it.
    fn is_new_to(&self, row_key: &RowKey, row: &Row, key: &EpisodeKey) -> bool {
        let group = RowKey {
            group: row_key.group.clone(),
            channel: String::new(),
        };
        let mut others = self
            .rows
            .range(group..)
            .take_while(|(other, _)| other.group == row_key.group);
        let is_told = |(other, row): (&RowKey, &Row)| {
            let told = row.notified.get(key);
            other.channel != row_key.channel && told.is_some_and(|told| !told.is_refused)
        };
        let is_kept = row.attempts > 0 || self.held.contains_key(&row_key.channel);
        !is_kept && others.any(is_told)
    }

    /// The alerts that fire and are not sent at `now`, because of a silence or another alert.
    pub fn muted(&self, config: &NotifyConfig, now: Timestamp) -> impl Iterator<Item = &Alert> {
        let firing = self
            .members
            .values()
            .filter(|member| member.alert.is_firing());
        let muted = firing.filter(move |member| self.is_muted(config, member, now));
        muted.map(|member| &member.alert)
    }

    /// Whether a silence or another alert keeps an alert from being sent at `time`.
    fn is_muted(&self, config: &NotifyConfig, member: &Member, time: Timestamp) -> bool {
        let labels = &member.alert.labels;
        let mut silences = config.silence.iter().chain(&self.silences);
        silences.any(|silence| silence.mutes(labels, time))
            || self.is_inhibited(config, member, time)
    }

    fn is_inhibited(&self, config: &NotifyConfig, member: &Member, time: Timestamp) -> bool {
        let fires_then = |source: &&Member| {
            source.alert.fired_at <= time && source.alert.ended.is_none_or(|ended| time <= ended)
        };
        let target = &member.alert.labels;
        !config.inhibit.is_empty()
            && self.members.values().filter(fires_then).any(|source| {
                let mutes =
                    |inhibition: &super::Inhibition| inhibition.mutes(&source.alert.labels, target);
                source.alert.id != member.alert.id && config.inhibit.iter().any(mutes)
            })
    }

    /// Whether the budget of the channel does not allow a notice of its own.
    fn is_put_off(&self, config: &NotifyConfig, delivery: &Delivery, now: Timestamp) -> bool {
        let Some(budget) = config.notify.budget else {
            return false;
        };
        if delivery.severity() == Severity::Critical {
            return false;
        }
        let sent = self
            .digests
            .get(&delivery.channel)
            .map_or(&[][..], |digesting| &digesting.sent);
        let is_new = delivery
            .alerts
            .iter()
            .any(|entry| matches!(entry.news, News::New | News::Raised));
        !is_new || !budget.allows_notice(sent, now)
    }

    /// Moves a delivery to the channel's digest.
    fn put_off(&mut self, delivery: &Delivery, now: Timestamp) {
        self.write_down(delivery, now, false);
        if delivery.kind == DeliveryKind::Repeat {
            return;
        }
        let digesting = self.digests.entry(delivery.channel.clone()).or_default();
        digesting.waiting_since.get_or_insert(now);
        for DeliveredAlert { news, alert } in delivery
            .alerts
            .iter()
            .filter(|entry| entry.news != News::Still)
        {
            digesting
                .alerts
                .insert(EpisodeKey::of(alert), (*news, alert.clone()));
        }
    }

    fn decide_digests(&self, config: &NotifyConfig, now: Timestamp) -> Vec<Delivery> {
        let Some(budget) = config.notify.budget else {
            return self.release_digests();
        };
        let mut deliveries = Vec::new();
        for (channel, digesting) in &self.digests {
            let Some(since) = digesting.waiting_since else {
                continue;
            };
            let is_held = digesting.not_before.is_some_and(|until| now < until);
            if !is_held && budget.allows_digest(&digesting.sent, since, now) {
                deliveries.push(digest(channel, &digesting.alerts, since));
            }
        }
        deliveries
    }

    /// The budget was removed from the configuration: what waits goes out.
    fn release_digests(&self) -> Vec<Delivery> {
        let waiting = self
            .digests
            .iter()
            .filter(|(_, digesting)| !digesting.alerts.is_empty());
        waiting
            .map(|(channel, digesting)| {
                digest(channel, &digesting.alerts, Timestamp::from_seconds(0))
            })
            .collect()
    }
}

/// The notice of what was put off: the most severe first, then what still fires, then the longest.
fn digest(
    channel: &str,
    alerts: &BTreeMap<EpisodeKey, (News, super::Alert)>,
    since: Timestamp,
) -> Delivery {
    let mut ranked: Vec<DeliveredAlert> = alerts
        .values()
        .map(|(news, alert)| DeliveredAlert {
            news: *news,
            alert: alert.clone(),
        })
        .collect();
    ranked.sort_by_key(|DeliveredAlert { alert, .. }| {
        let length = alert
            .ended
            .map_or(Duration::MAX, |ended| elapsed(ended, alert.began));
        (Reverse(alert.severity), Reverse(length), alert.fired_at)
    });
    ranked.truncate(DIGEST_ALERTS);
    let row_key = RowKey {
        group: Labels::new(),
        channel: channel.to_owned(),
    };
    let key = delivery_key(
        &row_key,
        DeliveryKind::Digest,
        &ranked,
        since.as_seconds() as u64,
    );
    Delivery {
        key,
        channel: row_key.channel,
        group: row_key.group,
        kind: DeliveryKind::Digest,
        alerts: ranked,
    }
}

/// The labels that make an alert's group.
fn group_of(config: &NotifyConfig, labels: &Labels) -> Labels {
    labels.only(&config.notify.group_by)
}

/// The channels of an alert: those that it is routed to, and those that it has been escalated to.
fn channels_of<'c>(
    config: &'c NotifyConfig,
    member: &'c Member,
    now: Timestamp,
) -> BTreeSet<&'c str> {
    let alert = &member.alert;
    let mut channels = config.channels_of(&alert.labels, alert.severity);
    let own = Some(&alert.escalate).filter(|escalate| !escalate.is_empty());
    for escalation in own.unwrap_or(&config.notify.escalate) {
        let is_due = has_passed(now, alert.fired_at, escalation.after);
        if alert.is_firing() && is_due && !is_acknowledged(member) {
            channels.extend(escalation.channels.iter().map(String::as_str));
        }
    }
    channels
}

/// Whether the same is to be sent again.
fn repetition(
    config: &NotifyConfig,
    row: &Row,
    news: &[(News, &Member)],
    now: Timestamp,
) -> Option<DeliveryKind> {
    let open = news.iter().filter(|(_, member)| !is_acknowledged(member));
    let shortest = open
        .map(|(_, member)| member.alert.repeat.unwrap_or(config.notify.repeat))
        .filter(|repeat| !repeat.is_zero())
        .min()?;
    has_passed(now, row.last_sent?, shortest).then_some(DeliveryKind::Repeat)
}

/// Acknowledged, and no worse since.
fn is_acknowledged(member: &Member) -> bool {
    member
        .acknowledged
        .as_ref()
        .is_some_and(|acknowledged| acknowledged.severity >= member.alert.severity)
}

/// A new episode shortly after the last one: it waits, unless it is worse.
fn is_cooling(row: &Row, member: &Member, now: Timestamp) -> bool {
    let alert = &member.alert;
    let last = row.last_new.get(&alert.id);
    last.is_some_and(|(last, severity)| {
        alert.severity <= *severity && !has_passed(now, *last, alert.cooldown)
    })
}

/// Whether changes may be sent now: a new group waits for others to join it, a known one for its interval.
fn is_due(config: &NotifyConfig, row: &Row, changes: &[&(News, &Member)], now: Timestamp) -> bool {
    if changes.iter().any(|(news, _)| *news == News::Raised) {
        return true;
    }
    let is_open = row
        .notified
        .values()
        .any(|notified| !notified.is_over && !notified.is_refused);
    match row.last_sent {
        Some(last) if is_open => has_passed(now, last, config.notify.group_interval),
        _ => {
            let first = changes.iter().map(|(_, member)| member.recorded_at).min();
            first.is_none_or(|first| has_passed(now, first, config.notify.group_wait))
        }
    }
}

/// Whether `wait` has passed since `since`. A time far in the future was written before the clock was set back.
fn has_passed(now: Timestamp, since: Timestamp, wait: Duration) -> bool {
    elapsed(now, since) >= wait || elapsed(since, now) > wait
}
