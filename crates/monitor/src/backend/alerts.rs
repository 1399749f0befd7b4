//! Alerts, silences, rules and health checks.

use dragline_alerting::history::{AlertSummary, Entry, History};
use dragline_alerting::notify::Silence;
use dragline_health::{Report, Status};
use dragline_schema::{Severity, Timestamp};
use dragline_web::model::{
    AlertDetail, AlertRecord, Attention, AttentionKind, HealthHistory, RuleSummary, SilenceRecord,
    WatchStatus,
};
use dragline_web::{AlertQuery, Answer, BackendError, Listing, Page, Topic, Window};

use super::unavailable;
use crate::alerts::{Firing, explain};
use crate::service::Monitor;

/// Microseconds of 90 days: how long the history is kept.
const KEPT: i64 = 90 * 86_400_000_000;
/// Number of entries of an alert's history.
const ENTRIES: usize = 200;

impl Monitor {
    fn record_of(&self, firing: Firing, now: Timestamp) -> AlertRecord {
        let Firing {
            alert,
            acknowledged,
        } = firing;
        let settings = self.settings();
        let explanation = explain(self, &alert, now);
        let (configured, own, kept) = {
            let book = self.alerts.book();
            (
                settings.notify.silence.clone(),
                book.silences().to_vec(),
                book.evidence(&alert.id),
            )
        };
        let silence = configured
            .iter()
            .chain(&own)
            .find(|silence| silence.mutes(&alert.labels, now));
        let evidence = if kept.is_empty() {
            let lines = explanation
                .evidence
                .iter()
                .take(dragline_alerting::notice::EVIDENCE_LINES);
            lines
                .map(|line| dragline_alerting::notice::redact_line(line))
                .collect()
        } else {
            kept
        };
        AlertRecord {
            channels: settings
                .notify
                .channels_of(&alert.labels, alert.severity)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            place: explanation.evidence.first().and_then(|line| place_in(line)),
            evidence,
            acknowledged,
            silenced_until: silence.and_then(|silence| silence.ends),
            silenced_by: silence.map(Silence::id),
            verdict: explanation.verdict,
            owner: explanation.owner,
            command: explanation.command,
            alert,
        }
    }

    pub(super) fn list_alerts(&self, query: &AlertQuery) -> Answer<Listing<AlertRecord>> {
        let now = self.time();
        let firing = self.alerts.book().firing();
        let is_wanted = |one: &Firing| {
            let labels = &one.alert.id.labels;
            query
                .scope
                .matches(labels.get("scraper_id"), labels.get("site"))
                && query
                    .severity
                    .is_none_or(|severity| one.alert.severity >= severity)
        };
        let mut wanted: Vec<Firing> = firing.into_iter().filter(is_wanted).collect();
        wanted.sort_by_key(|one| std::cmp::Reverse((one.alert.severity, one.alert.began)));
        let part = Listing::cut(wanted, &query.page)?;
        Ok(Listing {
            items: part
                .items
                .into_iter()
                .map(|one| self.record_of(one, now))
                .collect(),
            total: part.total,
            next: part.next,
            note: part.note,
        })
    }

    pub(super) fn find_alert(&self, id: &str) -> Answer<AlertDetail> {
        let now = self.time();
        let firing = self
            .alerts
            .book()
            .firing()
            .into_iter()
            .find(|one| one.alert.id.short() == id);
        let past = || {
            let alerts = self.alerts.watched();
            let alert = alerts.into_iter().find(|alert| alert.id.short() == id)?;
            Some(Firing {
                alert,
                acknowledged: None,
            })
        };
        let found = firing.or_else(past).ok_or_else(|| {
            BackendError::NotFound(format!(
                "the alert {id:?} does not fire, and did not in the last minutes"
            ))
        })?;
        let alert = found.alert.id.clone();
        let since = now.plus_micros(-KEPT);
        let (entries, _) = self
            .store
            .alert_history(since, None, 0, 5_000)
            .map_err(unavailable)?;
        let is_own = |entry: &Entry| match entry {
            Entry::Transition { alert: own, .. } => *own == alert,
            Entry::Notice { alerts, .. } => alerts.iter().any(|one| one.alert == alert),
            Entry::Action { text, .. } => text.contains(id),
        };
        let own = entries.into_iter().map(|one| one.entry).filter(is_own);
        Ok(AlertDetail {
            record: self.record_of(found, now),
            history: own.take(ENTRIES).collect(),
            series: None,
        })
    }

    pub(super) fn list_alert_history(&self, window: Window, page: &Page) -> Answer<Listing<Entry>> {
        let offset = page.offset()?;
        let found = self
            .store
            .alert_history(window.from, None, offset, page.limit + 1)
            .map_err(unavailable)?;
        let (mut entries, total) = found;
        let more = entries.len() > page.limit;
        entries.truncate(page.limit);
        let entries = entries.into_iter().map(|one| one.entry);
        Ok(Listing {
            items: entries.filter(|entry| entry.at() < window.to).collect(),
            total: Some(total),
            next: more.then(|| (offset + page.limit).to_string()),
            note: None,
        })
    }

    pub(super) fn summarise_alerts(&self) -> Answer<AlertSummary> {
        let now = self.time();
        let day = now.plus_micros(-86_400_000_000);
        let (entries, _) = self
            .store
            .alert_history(day, None, 0, 20_000)
            .map_err(unavailable)?;
        let mut history: Vec<Entry> = entries.into_iter().map(|one| one.entry).collect();
        history.reverse();
        let firing = self.alerts.book().firing();
        let history = History::from(history);
        Ok(history.summarise(firing.iter().map(|one| &one.alert), now))
    }

    pub(super) fn describe_watch(&self) -> WatchStatus {
        let now = self.time();
        let settings = self.settings();
        let state = self.alerts.watch_state();
        let firing = self.alerts.book().firing();
        let rules = settings.alert_rules.iter().map(|rule| RuleSummary {
            name: rule.name.clone(),
            condition: if rule.hold.is_zero() {
                rule.condition.to_string()
            } else {
                format!(
                    "{} for {}",
                    rule.condition,
                    dragline_alerting::duration::format(rule.hold)
                )
            },
            severity: rule.severity,
            enabled: rule.enabled,
            error: state
                .broken
                .get(&rule.name)
                .map(|broken| broken.error.clone()),
            firing: firing
                .iter()
                .filter(|one| one.alert.id.rule == rule.name)
                .count() as u64,
        });
        WatchStatus {
            evaluated_until: state.last_tick,
            lag_seconds: state
                .last_tick
                .map(|tick| now.since(tick).max(0) as f64 / 1e6),
            rules: rules.collect(),
        }
    }

    pub(super) fn acknowledge_alert(&self, id: &str, by: &str) -> Answer<AlertRecord> {
        let now = self.time();
        let taken = self.alerts.book().acknowledge(id, by, now);
        let taken = taken
            .ok_or_else(|| BackendError::NotFound(format!("the alert {id:?} does not fire")))?;
        tracing::info!(by, alert = id, "an alert was acknowledged");
        self.feed.publish(&[Topic::Alerts, Topic::Overview]);
        Ok(self.record_of(taken, now))
    }

    pub(super) fn list_silences(&self) -> Vec<SilenceRecord> {
        let now = self.time();
        let settings = self.settings();
        let (firing, own) = {
            let book = self.alerts.book();
            (book.firing(), book.silences().to_vec())
        };
        let record = |silence: &Silence, is_of_page: bool| {
            let is_in_force = silence.mutes_now(now);
            SilenceRecord {
                id: silence.id(),
                is_of_page,
                is_in_force,
                muted: firing
                    .iter()
                    .filter(|one| silence.mutes(&one.alert.labels, now))
                    .count() as u64,
                silence: silence.clone(),
            }
        };
        let configured = settings
            .notify
            .silence
            .iter()
            .map(|silence| record(silence, false));
        let mut all: Vec<SilenceRecord> = own
            .iter()
            .map(|silence| record(silence, true))
            .chain(configured)
            .collect();
        all.sort_by_key(|one| !one.is_in_force);
        all
    }

    pub(super) fn add_silence(&self, silence: Silence) -> Answer<SilenceRecord> {
        let now = self.time();
        if silence.ends.is_some_and(|ends| ends <= now) {
            return Err(BackendError::BadRequest(
                "the silence ends in the past: choose a later time".to_owned(),
            ));
        }
        let id = silence.id();
        tracing::info!(by = silence.by, silence = id, "a silence was set");
        self.alerts.book().add_silence(silence, now);
        self.feed.publish(&[Topic::Alerts]);
        let found = self.list_silences().into_iter().find(|one| one.id == id);
        found.ok_or_else(|| BackendError::Unavailable("the silence ended at once".to_owned()))
    }

    pub(super) fn remove_silence(&self, id: &str, by: &str) -> Answer<()> {
        let now = self.time();
        if self
            .alerts
            .book()
            .end_silence(|silence| silence.id() == id, by, now)
        {
            tracing::info!(by, silence = id, "a silence was ended");
            self.feed.publish(&[Topic::Alerts]);
            return Ok(());
        }
        let settings = self.settings();
        if settings
            .notify
            .silence
            .iter()
            .any(|silence| silence.id() == id)
        {
            return Err(BackendError::BadRequest(
                "this silence is in the configuration: remove its [[silence]] there".to_owned(),
            ));
        }
        Err(BackendError::NotFound(format!(
            "there is no silence {id:?}"
        )))
    }

    pub(super) fn read_health(&self) -> Answer<Report> {
        let state = self
            .health
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let report = state.report.clone();
        report.ok_or_else(|| {
            BackendError::Unavailable("the first round of checks is not finished".to_owned())
        })
    }

    pub(super) fn find_check(&self, name: &str) -> Answer<HealthHistory> {
        let report = self.read_health()?;
        let check = report.checks.into_iter().find(|check| check.name == name);
        let check = check
            .ok_or_else(|| BackendError::NotFound(format!("there is no health check {name:?}")))?;
        let state = self
            .health
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let held = state.memory.checks.get(name);
        Ok(HealthHistory {
            check,
            results: held
                .map(|held| held.history().cloned().collect())
                .unwrap_or_default(),
            changes: held
                .map(|held| held.changes().cloned().collect())
                .unwrap_or_default(),
        })
    }

    /// Checks that fail.
    pub(super) fn health_attention(&self) -> Vec<Attention> {
        let Ok(report) = self.read_health() else {
            return Vec::new();
        };
        let failing = report.checks.into_iter().filter_map(|check| {
            let severity = match check.status {
                Status::Critical => Severity::High,
                Status::Degraded => Severity::Medium,
                Status::Healthy | Status::Inconclusive => return None,
            };
            let what = check
                .message
                .clone()
                .unwrap_or_else(|| "a condition does not hold".to_owned());
            Some(Attention {
                kind: AttentionKind::Health,
                title: format!("{}: {what}", check.name),
                id: check.name,
                severity,
                since: check.since,
                scraper: None,
                place: None,
                sample: None,
                recommendation: None,
                command: Some("dragline health".to_owned()),
                handled: None,
            })
        });
        failing.collect()
    }
}

/// The place in a line of evidence: `FILE:LINE: TEXT`.
fn place_in(line: &str) -> Option<dragline_web::Place> {
    let (place, _) = line.split_once(": ")?;
    let (file, number) = place.rsplit_once(':')?;
    Some(dragline_web::Place {
        file: file.to_owned(),
        line: Some(number.parse().ok()?),
        offset: 0,
    })
}
