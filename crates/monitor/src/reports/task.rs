//! The thread that makes and sends reports when they are due.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dragline_alerting::channel::Outcome;
use dragline_alerting::notice::{Attachment, Notice};
use dragline_schema::Timestamp;
use dragline_web::model::{ReportDelivery, ReportSchedule};
use dragline_web::{Topic, Window};

use super::ScheduledReport;
use super::made::{Page, make, period};
use super::memory::{Delivery, Made, Memory, State};
use crate::service::{Monitor, ServiceError};
use crate::store::{ReportDocument, Store};

/// The time between two looks at what is due.
const LOOK: Duration = Duration::from_secs(5);
/// After the time at which a report is due, the last lines are waited for, in microseconds.
const SETTLE: i64 = 10_000_000;
/// A report that is made later than this, in microseconds, is late.
const LATE: i64 = 15 * 60_000_000;
/// After this time, in microseconds, a report that cannot be made is tried again.
const AGAIN: i64 = 60_000_000;

/// A report whose counts cannot be loaded is not tried again before this time.
type Paused = std::collections::BTreeMap<String, Timestamp>;

impl Memory {
    /// Goes on with what the store remembers.
    pub(crate) fn load(store: &Store) -> Result<Self, ServiceError> {
        match store.reports()? {
            None => Ok(Self::default()),
            Some(json) => Self::from_json(&json).map_err(ServiceError::State),
        }
    }
}

/// Makes and sends reports until the service ends.
pub(crate) fn run(monitor: &Arc<Monitor>) {
    let mut paused = Paused::new();
    loop {
        let now = monitor.time();
        let outcome = round(monitor, &mut paused, now);
        if monitor.tasks.note("reports", now, outcome) {
            monitor.feed.publish(&[Topic::Service, Topic::Overview]);
        }
        if monitor.pause(LOOK) {
            return;
        }
    }
}

/// Makes what is due, and sends what waits. A failure of one report does not keep the others.
fn round(monitor: &Monitor, paused: &mut Paused, now: Timestamp) -> Result<(), String> {
    let settings = monitor.settings();
    let reports = &settings.monitor.reports;
    let mut failures = Vec::new();
    adopt(monitor, reports, now)?;
    for report in reports {
        let Some(due) = due(monitor, report, now) else {
            continue;
        };
        if paused.get(&report.name).is_some_and(|until| now < *until) {
            continue;
        }
        if let Err(error) = make_one(monitor, report, due, now) {
            paused.insert(report.name.clone(), now.plus_micros(AGAIN));
            let error = format!(
                "{}: the report that was due on {} is not made: {error}",
                report.name,
                report.local(due)
            );
            note_error(monitor, report, &error);
            failures.push(error);
        }
    }
    let waiting = memory(monitor).waiting(now);
    for name in waiting {
        if let Err(error) = send(monitor, &name, now) {
            failures.push(error);
        }
    }
    failures.extend(troubles(monitor, reports));
    failures.dedup();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("; "))
    }
}

fn memory(monitor: &Monitor) -> std::sync::MutexGuard<'_, Memory> {
    monitor
        .reports
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Begins with new schedules, and forgets those that are gone.
fn adopt(monitor: &Monitor, reports: &[ScheduledReport], now: Timestamp) -> Result<(), String> {
    let (before, after, gone) = {
        let mut memory = memory(monitor);
        let before = memory.clone();
        let gone = memory.adopt(reports, now);
        (before, memory.clone(), gone)
    };
    if before == after {
        return Ok(());
    }
    monitor.feed.publish(&[Topic::Reports]);
    store(monitor, &after, None, &gone)
}

fn store(
    monitor: &Monitor,
    memory: &Memory,
    document: Option<(&str, &ReportDocument)>,
    gone: &[String],
) -> Result<(), String> {
    let stored = monitor.store.put_reports(memory.to_json()?, document, gone);
    stored.map_err(|error| format!("the state of reports cannot be stored: {error}"))
}

/// The time at which a report is due and not made, once the lines up to it are stored.
fn due(monitor: &Monitor, report: &ScheduledReport, now: Timestamp) -> Option<Timestamp> {
    let done = memory(monitor).get(&report.name)?.done;
    let due = report.cron.last_between(done, now, &report.zone.0)?;
    let live = monitor.shared.live();
    let commit = monitor.settings().monitor.commit_every.as_micros() as i64;
    let settled = due.plus_micros(SETTLE + commit);
    let is_read = live.is_caught_up && live.looked_at.is_some_and(|at| at >= settled);
    is_read.then_some(due)
}

/// Why a report is late.
fn lateness(
    monitor: &Monitor,
    report: &ScheduledReport,
    due: Timestamp,
    now: Timestamp,
) -> Option<String> {
    let why = if due < monitor.started_at {
        "because the service was not running"
    } else if now.since(due) > LATE {
        "because the logs had not been read or it could not be made before"
    } else {
        return None;
    };
    Some(format!("due on {}, sent late {why}", report.local(due)))
}

/// Makes a report and stores it with what is to be sent. From then on it is never made again.
fn make_one(
    monitor: &Monitor,
    report: &ScheduledReport,
    due: Timestamp,
    now: Timestamp,
) -> Result<(), String> {
    let settings = monitor.settings();
    let window = period(report, due, now);
    let late = lateness(monitor, report, due, now);
    let page = Page {
        window,
        logs: &monitor.follows(),
        note: late.as_deref(),
        trouble: monitor.tasks.error_of("follow"),
    };
    let mut notice = make(&monitor.store, &settings, report, &page, now)?;
    // The same after a restart, so that a receiver can recognise a report that came twice.
    notice.key = format!("report-{}-{}", report.name, due.as_micros());
    if let Some(late) = &late {
        notice.title = format!("{} ({late})", notice.title);
    }
    let is_late = late.is_some();
    let content = notice.attachments.first().map(|page| page.content.clone());
    let document = ReportDocument {
        notice: serde_json::to_string(&notice).map_err(|error| error.to_string())?,
        page: content.and_then(|content| String::from_utf8(content).ok()),
    };
    let mut whole = memory(monitor).clone();
    if let Some(kept) = whole.get_mut(&report.name) {
        kept.done = due;
        kept.error = None;
        kept.last = Some(Made {
            due,
            at: now,
            period: (window.from, window.to),
            title: notice.title,
            late,
            deliveries: report
                .channels
                .iter()
                .map(|name| Delivery::new(name, now))
                .collect(),
        });
    }
    store(monitor, &whole, Some((&report.name, &document)), &[])?;
    *memory(monitor) = whole;
    let late = if is_late { "late" } else { "in time" };
    tracing::info!(
        report = report.name,
        "the report due on {} was made {late}",
        report.local(due)
    );
    monitor.feed.publish(&[Topic::Reports]);
    Ok(())
}

fn note_error(monitor: &Monitor, report: &ScheduledReport, error: &str) {
    if let Some(kept) = memory(monitor).get_mut(&report.name) {
        kept.error = Some(error.to_owned());
    }
    monitor.feed.publish(&[Topic::Reports]);
}

/// Sends the last report of a schedule to the channels that wait for it, each in its own thread.
fn send(monitor: &Monitor, name: &str, now: Timestamp) -> Result<(), String> {
    let document = monitor
        .store
        .report_document(name)
        .map_err(|error| error.to_string())?;
    let document =
        document.ok_or_else(|| format!("{name}: the report to be sent is not stored"))?;
    let mut notice: Notice = serde_json::from_str(&document.notice)
        .map_err(|error| format!("{name}: the stored report is damaged: {error}"))?;
    notice
        .attachments
        .extend(document.page.map(|page| Attachment {
            name: "report.html".to_owned(),
            media_type: "text/html; charset=utf-8".to_owned(),
            content: page.into_bytes(),
        }));
    // Stored before it is sent: after a crash it is not sent a second time.
    let (sending, channels) = changed(monitor, name, |delivery| {
        delivery
            .is_due(now)
            .then(|| delivery.state = State::Sending)
    });
    store(monitor, &sending, None, &[])?;
    *memory(monitor) = sending;
    let addressed: Vec<(&str, &Notice)> = channels
        .iter()
        .map(|channel| (channel.as_str(), &notice))
        .collect();
    let outcomes = monitor.settings().channels.deliver(&addressed, now);
    let delivered = outcomes.iter().filter(|one| **one == Outcome::Delivered);
    let delivered = delivered.count() as u64;
    let failed = outcomes.len() as u64 - delivered;
    monitor.own.count_reports(delivered, failed);
    let jitter = f64::from(now.subsec_micros() % 1_000) / 1_000.0;
    let mut outcomes = outcomes.iter();
    let (sent, _) = changed(monitor, name, |delivery| {
        let is_sending = delivery.state == State::Sending;
        let outcome = is_sending.then(|| outcomes.next()).flatten()?;
        delivery.end(outcome, now, jitter);
        let (channel, state) = (delivery.channel.as_str(), delivery.describe());
        tracing::info!(report = name, channel, "report: {state}");
        Some(())
    });
    *memory(monitor) = sent.clone();
    monitor.feed.publish(&[Topic::Reports]);
    store(monitor, &sent, None, &[])
}

/// What is known of the reports once some deliveries of one of them change, and the channels of these.
fn changed(
    monitor: &Monitor,
    name: &str,
    mut change: impl FnMut(&mut Delivery) -> Option<()>,
) -> (Memory, Vec<String>) {
    let mut whole = memory(monitor).clone();
    let made = whole.get_mut(name).and_then(|kept| kept.last.as_mut());
    let deliveries = made.into_iter().flat_map(|made| &mut made.deliveries);
    let changed = deliveries.filter_map(|one| change(one).map(|()| one.channel.clone()));
    let channels = changed.collect();
    (whole, channels)
}

/// What failed and was not mended, a sentence each.
fn troubles(monitor: &Monitor, reports: &[ScheduledReport]) -> Vec<String> {
    let memory = memory(monitor);
    let mut troubles = Vec::new();
    for report in reports {
        let Some(kept) = memory.get(&report.name) else {
            continue;
        };
        troubles.extend(kept.error.clone());
        let failed = kept.last.iter().flat_map(|made| &made.deliveries);
        let failed = failed.filter(|one| one.error.is_some());
        troubles.extend(failed.map(|one| {
            format!(
                "the report {} to {}: {}",
                report.name,
                one.channel,
                one.describe()
            )
        }));
    }
    troubles
}

/// What is scheduled, when the last one was sent, and what failed.
pub(crate) fn schedules(monitor: &Monitor) -> Vec<ReportSchedule> {
    let settings = monitor.settings();
    let now = monitor.time();
    let memory = memory(monitor);
    let of = |report: &ScheduledReport| {
        let kept = memory.get(&report.name);
        let last = kept.and_then(|kept| kept.last.as_ref());
        let deliveries = last.iter().flat_map(|made| &made.deliveries);
        let deliveries = deliveries.map(|one| ReportDelivery {
            channel: one.channel.clone(),
            sent_at: match one.state {
                State::Delivered(at) => Some(at),
                _ => None,
            },
            has_failed: one.error.is_some(),
            state: one.describe(),
        });
        ReportSchedule {
            name: report.name.clone(),
            cron: report.cron.text().to_owned(),
            zone: report.zone_name().to_owned(),
            days: report.days() as u64,
            channels: report.channels.clone(),
            next_due: report.cron.next_after(now, &report.zone.0),
            last_due: last.map(|made| made.due),
            made_at: last.map(|made| made.at),
            title: last.map(|made| made.title.clone()),
            period: last.map(|made| Window {
                from: made.period.0,
                to: made.period.1,
            }),
            late: last.and_then(|made| made.late.clone()),
            deliveries: deliveries.collect(),
            error: kept.and_then(|kept| kept.error.clone()),
        }
    };
    settings.monitor.reports.iter().map(of).collect()
}

/// The page of the last report of a schedule.
pub(crate) fn document(monitor: &Monitor, name: &str) -> Result<Option<String>, String> {
    let document = monitor.store.report_document(name);
    let document = document.map_err(|error| error.to_string())?;
    Ok(document.and_then(|document| document.page))
}
