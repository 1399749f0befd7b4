//! Finds runs that did not end normally, and runs that did not start when they were due.

use std::collections::{BTreeMap, BTreeSet};

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, GroupRow, RunRow, Sample, Verdict};
use dragline_schema::{ErrorCategory, RunKey, Severity, Timestamp, clip};

use crate::finding::{Evidence, Finding, ScraperKey};
use crate::kind::{InsightKind, runbook_of_errors};
use crate::schedule::{Lapse, lapses};
use crate::series::{MINUTE, Series};
use crate::told::{id, minute, name};

/// From this many separate failures of one kind on, closed ones of a scraper are one finding.
const RECURRING: usize = 4;

/// Findings for runs that were killed, stalled, failed, or whose last file is truncated. Failures of one kind that
/// follow each other without a finished run between them are one finding.
/// Includes requested runs that started in the period or before it; their figures come from all their lines.
pub(crate) fn ends(finished: &Finished, everything: &Finished, rules: &RuleSet) -> Vec<Finding> {
    let asked: BTreeSet<&RunKey> = finished.runs.iter().map(|row| &row.key).collect();
    let until = finished.period.map(|(_, last)| last);
    let groups: BTreeMap<u64, &GroupRow> =
        everything.groups.iter().map(|row| (row.id, row)).collect();
    let mut by_scraper: BTreeMap<_, Vec<&RunRow>> = BTreeMap::new();
    for row in everything.runs.iter().filter(|row| row.start <= until) {
        let name = (&row.key.scraper_id, &row.key.site);
        by_scraper.entry(name).or_default().push(row);
    }
    let mut found = Vec::new();
    for rows in by_scraper.values_mut() {
        rows.sort_by_key(|row| (row.start, &row.key));
        for streak in streaks(rows, &asked) {
            found.push(streak.finding(&groups, rules));
        }
    }
    found
}

/// The kind of finding that a run's outcome is; `None` if it ended normally or may still be running.
fn kind_of(row: &RunRow) -> Option<InsightKind> {
    match row.verdict? {
        Verdict::Killed => Some(InsightKind::RunKilled),
        Verdict::Stalled => Some(InsightKind::RunStalled),
        Verdict::Truncated => Some(InsightKind::RunTruncated),
        Verdict::Failed => Some(InsightKind::RunFailed),
        Verdict::Finished | Verdict::Cancelled | Verdict::Running => None,
    }
}

/// Failures of one kind of one scraper that are one finding.
struct Streak<'f> {
    kind: InsightKind,
    /// The failed runs, oldest first; never empty.
    rows: Vec<&'f RunRow>,
    /// Whether a later run finished.
    went_on: bool,
    /// The number of earlier streaks that this one stands for, and the start of the first.
    before: Option<(usize, Option<Timestamp>)>,
}

/// Splits the failures among a scraper's runs (oldest first) into streaks. Closed streaks are combined when there are
/// many of them.
fn streaks<'f>(rows: &[&'f RunRow], asked: &BTreeSet<&RunKey>) -> Vec<Streak<'f>> {
    let mut all: Vec<Streak<'f>> = Vec::new();
    for row in rows {
        if row.verdict == Some(Verdict::Finished) {
            all.iter_mut().for_each(|streak| streak.went_on = true);
        }
        let Some(kind) = kind_of(row).filter(|_| asked.contains(&row.key)) else {
            continue;
        };
        let current = all
            .iter_mut()
            .find(|streak| streak.kind == kind && !streak.went_on);
        match current {
            Some(streak) => streak.rows.push(row),
            None => all.push(Streak {
                kind,
                rows: vec![row],
                went_on: false,
                before: None,
            }),
        }
    }
    combined(all)
}

/// Replaces the closed streaks of a kind by the last of them if there are many.
fn combined(all: Vec<Streak<'_>>) -> Vec<Streak<'_>> {
    let mut by_kind: BTreeMap<InsightKind, Vec<Streak<'_>>> = BTreeMap::new();
    for streak in all {
        by_kind.entry(streak.kind).or_default().push(streak);
    }
    let mut kept = Vec::new();
    for streaks in by_kind.into_values() {
        let (mut closed, open): (Vec<_>, Vec<_>) =
            streaks.into_iter().partition(|streak| streak.went_on);
        if closed.len() >= RECURRING
            && let Some(mut last) = closed.pop()
        {
            let count = closed.iter().map(|streak| streak.rows.len()).sum();
            last.before = Some((count, closed[0].since()));
            closed = vec![last];
        }
        kept.extend(closed);
        kept.extend(open);
    }
    kept
}

impl Streak<'_> {
    fn since(&self) -> Option<Timestamp> {
        onset(self.rows.first()?)
    }

    fn finding(&self, groups: &BTreeMap<u64, &GroupRow>, rules: &RuleSet) -> Finding {
        let kind = self.kind;
        // A streak has at least one run.
        let (first, last) = (self.rows[0], self.rows[self.rows.len() - 1]);
        let own = (first.key.scraper_id.clone(), first.key.site.clone());
        let since = self.since();
        let severity = match kind.severity() {
            Severity::High if self.went_on => Severity::Medium,
            severity => severity,
        };
        let error = last_error(last, groups).filter(|error| error.explains(kind));
        let ended = onset(last).filter(|_| self.went_on && self.rows.len() > 1);
        Finding {
            id: id(kind, &first.key.to_string(), since),
            severity,
            title: self.title(&name(&own)),
            detail: self.detail(error.as_ref()),
            since,
            until: ended,
            is_open: !self.went_on,
            evidence: evidence(last, error.as_ref()),
            recommendation: recommendation(kind, error.as_ref(), rules),
            runbook: error
                .as_ref()
                .and_then(Error::runbook)
                .unwrap_or(kind.runbook()),
            scraper: ScraperKey::from(&own),
            ..Finding::of(kind)
        }
    }

    fn title(&self, who: &str) -> String {
        let last = self.rows[self.rows.len() - 1];
        let run = last.key.run_id.as_deref().unwrap_or_default();
        let at = |row: &RunRow| onset(row).map_or_else(|| "an unknown time".to_owned(), minute);
        match self.rows.len() {
            1 => format!("Run {run} of {who} {} at {}", what(self.kind), at(last)),
            count => format!(
                "{count} runs of {who} {} since {}, the latest, {run}, at {}",
                what(self.kind)
                    .replacen("was ", "were ", 1)
                    .replacen("ends ", "end ", 1),
                at(self.rows[0]),
                at(last)
            ),
        }
    }

    fn detail(&self, error: Option<&Error<'_>>) -> String {
        let last = self.rows[self.rows.len() - 1];
        let mut text = until_then(last);
        if let Some(reason) = &last.finish_reason {
            text += &format!(": {}", clip(reason, 200));
        }
        if !text.ends_with('.') {
            text.push('.');
        }
        if let Some(error) = error {
            text += &format!(" {}", error.sentence());
        }
        if self.went_on {
            text += " Later runs finished.";
        }
        if let Some((count, since)) = self.before {
            let since = since.map_or_else(String::new, |at| format!(" since {}", minute(at)));
            let s = if count == 1 { "" } else { "s" };
            text += &format!(" The same happened to {count} earlier run{s}{since}.");
        }
        text
    }
}

fn what(kind: InsightKind) -> &'static str {
    match kind {
        InsightKind::RunKilled => "was killed",
        InsightKind::RunStalled => "stalled",
        InsightKind::RunTruncated => "ends in a damaged archive file",
        _ => "failed",
    }
}

/// When a run stopped working. A stall starts at the run's last activity.
fn onset(row: &RunRow) -> Option<Timestamp> {
    match row.verdict {
        Some(Verdict::Stalled) => row.last_active.or(row.last_seen),
        _ => row.last_seen,
    }
}

/// The last error of a run.
struct Error<'f> {
    at: Option<Timestamp>,
    evidence: &'f dragline_rollup::Evidence,
    /// The first error of its group, and its line.
    sample: &'f Sample,
    sample_line: &'f dragline_rollup::Evidence,
}

/// Returns the last error of a run; `None` if it has none, or if its group is not known.
fn last_error<'f>(row: &'f RunRow, groups: &BTreeMap<u64, &'f GroupRow>) -> Option<Error<'f>> {
    let last = row.last_error.as_ref()?;
    let (sample_line, sample) = groups.get(&last.group)?.group.sample.as_ref()?;
    Some(Error {
        at: last.at,
        evidence: &last.evidence,
        sample,
        sample_line,
    })
}

impl Error<'_> {
    /// Whether the error may be the cause. A run that is killed or stalls does not log the cause, unless the machine
    /// was at its limits.
    fn explains(&self, kind: InsightKind) -> bool {
        match kind {
            InsightKind::RunFailed => true,
            InsightKind::RunKilled | InsightKind::RunStalled => {
                self.sample.category == ErrorCategory::System
            }
            _ => false,
        }
    }

    fn runbook(&self) -> Option<&'static str> {
        runbook_of_errors(self.sample.category, &self.sample.sub_category)
    }

    /// `system/disk`, as the error groups are named.
    fn label(&self) -> String {
        let category = self.sample.category.to_string().replace('_', " ");
        match &*self.sample.sub_category {
            "" => category,
            sub => format!("{category}/{sub}"),
        }
    }

    fn sentence(&self) -> String {
        let at = self
            .at
            .map_or_else(String::new, |at| format!(" at {}", minute(at)));
        let text = match &*self.sample.error_type {
            "" => self.sample.template.clone(),
            name => format!("{name}: {}", self.sample.template),
        };
        let text = text.lines().next().unwrap_or_default();
        format!(
            "Its last error{at} ({}): {}.",
            self.label(),
            clip(text, 160).trim_end_matches('.')
        )
    }
}

/// The advice: that of the rule that classified the last error, with the reason why.
fn recommendation(kind: InsightKind, error: Option<&Error<'_>>, rules: &RuleSet) -> String {
    let rule = error.and_then(|error| error.sample.rule.as_deref());
    let advice = rule.and_then(|rule| rules.recommendation(rule));
    if let Some((error, advice)) = error.zip(advice) {
        return format!("The last error was {}: {advice}", error.label());
    }
    match kind {
        InsightKind::RunKilled => {
            "Look at the machine's log at that time: out of memory, a deployment or a shutdown are the usual reasons."
        }
        InsightKind::RunStalled => {
            "Give every wait a timeout, and check what the run was waiting for."
        }
        InsightKind::RunTruncated => "Copy the archive again, or find the original.",
        _ if error.is_some() => "Check the run's last errors: no rule knows the last one.",
        _ => "The run logged no error: check its last lines and the reason that it gives for its end.",
    }
    .to_owned()
}

/// The line of the last error, and the end of the run.
fn evidence(row: &RunRow, error: Option<&Error<'_>>) -> Vec<Evidence> {
    let error = error.map(|error| Evidence {
        // Other lines of the group differ in their variable parts.
        sample: (error.sample_line == error.evidence)
            .then(|| clip(&error.sample.message, 160).to_owned()),
        ..Evidence::from(error.evidence)
    });
    let end = row.evidence.as_ref().map(Evidence::from);
    let is_other = |end: &Evidence| {
        let mut error = error.iter();
        !error.any(|error| (&error.file, error.line) == (&end.file, end.line))
    };
    let end = end.filter(is_other);
    error.iter().cloned().chain(end).collect()
}

/// The known totals of a run up to its end.
fn until_then(row: &RunRow) -> String {
    let count = |known: bool, n: u64, noun: &str| {
        let s = if n == 1 { "" } else { "s" };
        known.then(|| format!("{n} {noun}{s}"))
    };
    let parts = [
        count(row.known.requests, row.counters.requests, "request"),
        count(row.known.items, row.counters.items(), "item"),
        count(true, row.counters.errors, "error"),
    ];
    let told: Vec<String> = parts.into_iter().flatten().collect();
    format!("{} until then", told.join(", "))
}

/// A scraper's runs and, of those that have one, the start times.
pub(crate) fn starts(series: &Series<'_>, everything: &Finished) -> (Vec<usize>, Vec<i64>) {
    let runs: Vec<usize> = series.units.iter().filter_map(|unit| unit.run).collect();
    let starts = runs
        .iter()
        .filter_map(|run| everything.runs[*run].start)
        .map(Timestamp::as_micros)
        .collect();
    (runs, starts)
}

/// Runs that name no site, which may belong to any of their scraper's sites.
pub(crate) fn others<'f>(
    series: &Series<'_>,
    everything: &'f Finished,
) -> impl Iterator<Item = &'f RunRow> {
    let (scraper, site) = series.name.clone();
    everything.runs.iter().filter(move |row| {
        let key = &row.key;
        let is_same = key.scraper_id == scraper && key.is_run();
        is_same && key.site != site && (key.site.is_none() || site.is_none())
    })
}

/// Findings for runs that were due and did not start, or started late.
pub(crate) fn unpunctual(
    series: &Series<'_>,
    everything: &Finished,
    end: Timestamp,
) -> Vec<Finding> {
    let (runs, starts) = starts(series, everything);
    let others: Vec<i64> = others(series, everything)
        .filter_map(|row| Some(row.start?.as_micros()))
        .collect();
    let told = |lapse: Lapse| {
        let due = Timestamp::from_micros(lapse.due);
        let before = runs.iter().rev().map(|run| &everything.runs[*run]);
        let last = before.into_iter().find(|row| row.start < Some(due));
        lapse_insight(series, &lapse, last)
    };
    lapses(&starts, &others, end.as_micros())
        .into_iter()
        .map(told)
        .collect()
}

fn lapse_insight(series: &Series<'_>, lapse: &Lapse, before: Option<&RunRow>) -> Finding {
    let who = name(&series.name);
    let due = Timestamp::from_micros(lapse.due);
    let (kind, severity) = match (lapse.began, lapse.is_open) {
        (Some(_), _) => (InsightKind::RunLate, Severity::Low),
        (None, true) => (InsightKind::RunMissed, Severity::High),
        (None, false) => (InsightKind::RunMissed, Severity::Medium),
    };
    let title = match (lapse.began, lapse.count) {
        (Some(began), _) => format!(
            "A run of {who} started {} late, due {}",
            span(began - lapse.due),
            minute(due)
        ),
        (None, 1) => format!("A run of {who} did not start, due {}", minute(due)),
        (None, count) => format!(
            "{count} runs of {who} did not start, the first due {}",
            minute(due)
        ),
    };
    let last = before
        .and_then(|row| row.start)
        .map_or_else(String::new, |at| {
            format!(" The previous run started {}.", minute(at))
        });
    Finding {
        id: id(kind, &who, due),
        severity,
        title,
        detail: format!("In its history, a run starts every {}.{last}", span(lapse.interval)),
        since: Some(due),
        is_open: lapse.is_open,
        scraper: ScraperKey::from(&series.name),
        evidence: before.and_then(|row| row.evidence.as_ref()).map(Evidence::from).into_iter().collect(),
        recommendation: "Check what starts it: the timer, the machine, or a previous run that still holds a lock.".to_owned(),
        ..Finding::of(kind)
    }
}

/// A duration in words: `25 minutes`, `6 hours`, `1.5 days`.
fn span(micros: i64) -> String {
    let minutes = micros / MINUTE;
    let plural = |count: f64, noun: &str| {
        let text = format!("{count:.1}");
        let text = text.trim_end_matches(".0");
        let s = if text == "1" { "" } else { "s" };
        format!("{text} {noun}{s}")
    };
    match minutes {
        0..120 => plural(minutes as f64, "minute"),
        120..2880 => plural((minutes as f64 / 6.0).round() / 10.0, "hour"),
        _ => plural((minutes as f64 / 144.0).round() / 10.0, "day"),
    }
}
