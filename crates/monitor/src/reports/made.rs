//! From stored counts to a report on some days, of some scrapers.

use std::time::Duration;

use dragline_alerting::Labels;
use dragline_alerting::notice::{Notice, ReportEntry};
use dragline_report::ReportOptions;
use dragline_rollup::{Rollup, SourceKey};
use dragline_schema::{Severity, Timestamp};
use dragline_web::Window;
use rustc_hash::FxHashSet;

use super::{ReportPage, ScheduledReport, notice_of};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// How long loading the counts may take.
const LIMIT: Duration = Duration::from_mins(5);

/// The days (UTC) of a report that is due: those before it, and its own as far as it is over.
pub(super) fn period(report: &ScheduledReport, due: Timestamp, now: Timestamp) -> Window {
    let day = due.as_micros().div_euclid(DAY);
    Window {
        from: Timestamp::from_micros((day - report.days()) * DAY),
        to: Timestamp::from_micros((day + 1) * DAY).min(now),
    }
}

/// What a report says beside the counts.
pub(super) struct Page<'p> {
    /// The days that it covers.
    pub(super) window: Window,
    /// The logs, for commands that show more.
    pub(super) logs: &'p [String],
    /// A sentence for the section on the quality of the data.
    pub(super) note: Option<&'p str>,
    /// Why the newest counts are not stored.
    pub(super) trouble: Option<String>,
}

/// Makes the report, as `dragline report` would with the period as its filter.
pub(super) fn make(
    store: &Store,
    settings: &Settings,
    report: &ScheduledReport,
    page: &Page<'_>,
    now: Timestamp,
) -> Result<Notice, String> {
    let day = |time: Timestamp| time.as_micros().div_euclid(DAY);
    let window = page.window;
    let (first, last) = (day(window.from), day(window.to.plus_micros(-1)));
    let earliest = first.min(day(now) - i64::from(settings.monitor.history_days));
    let sentence = |error: StoreError| error.to_string();
    let everything = store.load(earliest, LIMIT).map_err(sentence)?;
    let wanted = (!report.is_of_all()).then(|| sources(&everything, report));
    let counted = store.load_with(earliest, LIMIT, |day, part| {
        let part = match &wanted {
            Some(wanted) => keep(part, wanted),
            None => part,
        };
        // Days outside of the period tell how runs began and ended.
        if (first..=last).contains(&day) {
            part
        } else {
            part.life()
        }
    });
    let counted = counted.map_err(sentence)?.finish(now);
    if counted.runs.is_empty() {
        return Ok(nothing(report, window, now));
    }
    let everything = everything.finish(now);
    let options = ReportOptions {
        generated_at: now,
        since: Some(window.from),
        until: Some(window.to),
        ..settings.report.clone()
    };
    let made = dragline_report::report(&counted, Some(&everything), &settings.rules, &options);
    let mut made = made.map_err(|error| format!("the analysis failed: {error}"))?;
    let trouble = page.trouble.as_ref().map(|error| {
        format!("The newest lines may be missing, because of a problem of the service: {error}.")
    });
    let note = page.note.map(|note| format!("This report was {note}."));
    made.trust.notes.extend(note.into_iter().chain(trouble));
    let activity = dragline_report::activity(&counted);
    let page = ReportPage {
        report: &made,
        activity: &activity,
        layout: &settings.layout,
        logs: page.logs,
    };
    Ok(notice_of(page, now))
}

/// Nothing was logged: that is said, because a report that does not come looks like a fault of the mail.
fn nothing(report: &ScheduledReport, window: Window, now: Timestamp) -> Notice {
    let day = |time: Timestamp| time.to_string()[..10].to_owned();
    let title = format!(
        "Nothing was logged from {} to {} (UTC)",
        day(window.from),
        day(window.to.plus_micros(-1))
    );
    let fact = |name: &str, names: &[String]| (name.to_owned(), names.join(", "));
    let facts = [("Scrapers", &report.scrapers), ("Sites", &report.sites)];
    let facts = facts.into_iter().filter(|(_, names)| !names.is_empty());
    let entry = ReportEntry {
        kind: "nothing_logged".to_owned(),
        labels: Labels::new(),
        severity: Severity::High,
        title: title.clone(),
        since: Some(window.from),
        facts: facts.map(|(name, names)| fact(name, names)).collect(),
        evidence: Vec::new(),
        command: None,
    };
    Notice::report(&title, vec![entry], now, Vec::new())
}

/// A part of the counts without the sources that are not wanted.
fn keep(part: Rollup, wanted: &FxHashSet<SourceKey>) -> Rollup {
    let is_wanted = |source: &SourceKey| wanted.contains(source);
    // A part usually belongs to one scraper and site: then it is kept or dropped as a whole, with its files.
    let has_other = part.sources().any(|(source, _)| !is_wanted(source));
    if has_other {
        part.only(is_wanted)
    } else {
        part
    }
}

/// The sources of the scrapers and sites that a report is about.
fn sources(everything: &Rollup, report: &ScheduledReport) -> FxHashSet<SourceKey> {
    let all = everything.sources().filter(|(_, run)| report.takes(run));
    all.map(|(source, _)| source.clone()).collect()
}
