//! A notice that explains itself: what, since when, on what evidence, who is to blame, and what to do.

mod chart;
mod control;
mod made;
mod redact;

use std::time::Duration;

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

pub use chart::{Chart, Column};
pub use control::{ControlCount, ControlVerdict, Peer, Suspect, compare_with_peers};
pub use made::ReportEntry;
pub use redact::{REDACTED, redact, redact_line, redact_long_line};

use crate::alert::Alert;
use crate::duration::{elapsed, format};
use crate::notify::{Delivery, DeliveryKind, News};
use crate::watch::format_value;

/// Maximum number of lines of evidence for an alert.
pub const EVIDENCE_LINES: usize = 3;

/// Maximum number of alerts that a notice for people describes; the others are counted. Programs get all of them.
pub const DESCRIBED_ALERTS: usize = 10;

/// Maximum number of alerts in a notice.
const MAX_ALERTS: usize = 1_000;

/// What others know about an alert: the caller looks it up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// A better sentence than the rule's own.
    pub summary: Option<String>,
    /// The runbook, if the rule names none.
    pub runbook: Option<String>,
    /// Further names and values, such as what was observed.
    pub facts: Vec<(String, String)>,
    /// Log lines, as they are; the notice redacts them and takes the first three.
    pub evidence: Vec<String>,
    /// The command that shows more.
    pub command: Option<String>,
    /// A link to the dashboard.
    pub link: Option<String>,
    /// Who answers for the scraper.
    pub owner: Option<String>,
    /// The comparison with the control group.
    pub verdict: Option<ControlVerdict>,
    /// The scraper's requests around the alert, for channels that draw.
    pub chart: Option<Chart>,
}

/// A notice, ready to be rendered for any channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The idempotency key.
    pub key: String,
    /// What it is.
    pub kind: DeliveryKind,
    /// The highest severity.
    pub severity: Severity,
    /// One line that says it all.
    pub title: String,
    /// The alerts, the most important first.
    pub alerts: Vec<NoticeAlert>,
    /// Number of further alerts that are not in it.
    pub more: usize,
    /// When the notice was made.
    pub at: Timestamp,
    /// Files for channels that take them (mail); they are not stored.
    #[serde(skip)]
    pub attachments: Vec<Attachment>,
}

/// A file in a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name: `report.html`.
    pub name: String,
    /// Its media type: `text/html`.
    pub media_type: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// One alert of a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeAlert {
    /// Why it is in the notice.
    pub news: News,
    /// The alert.
    pub alert: Alert,
    /// What is the matter, in a sentence.
    pub summary: String,
    /// Names and values: value, threshold, expected range, since when.
    pub facts: Vec<(String, String)>,
    /// At most three log lines, redacted.
    pub evidence: Vec<String>,
    /// The comparison with the control group.
    pub verdict: Option<ControlVerdict>,
    /// The name or address of the runbook.
    pub runbook: Option<String>,
    /// The command that shows more.
    pub command: Option<String>,
    /// A link to the dashboard.
    pub link: Option<String>,
    /// The scraper's requests around the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
}

impl Notice {
    /// Makes the notice of a delivery at `now`. `explain` looks up what is known about each alert.
    pub fn new(
        delivery: &Delivery,
        now: Timestamp,
        explain: impl Fn(&Alert) -> Explanation,
    ) -> Self {
        let described = delivery.alerts.iter().take(MAX_ALERTS);
        let alerts: Vec<NoticeAlert> = described
            .map(|entry| describe(entry.news, &entry.alert, now, explain(&entry.alert)))
            .collect();
        Self {
            key: delivery.key.clone(),
            kind: delivery.kind,
            severity: delivery.severity(),
            title: title_of(delivery, alerts.first()),
            more: delivery.alerts.len() - alerts.len(),
            alerts,
            at: now,
            attachments: Vec::new(),
        }
    }

    /// The alerts that people are shown, and the number of the others.
    pub fn described(&self) -> (&[NoticeAlert], usize) {
        let shown = self.alerts.len().min(DESCRIBED_ALERTS);
        (&self.alerts[..shown], self.more + self.alerts.len() - shown)
    }

    /// The severity as it stands in subjects: `CRITICAL`, or `RESOLVED` once nothing fires.
    pub fn badge(&self) -> String {
        match self.kind {
            DeliveryKind::Resolved => "RESOLVED".to_owned(),
            DeliveryKind::Report => "REPORT".to_owned(),
            _ => self.severity.as_str().to_uppercase(),
        }
    }

    /// The colour of the severity as red, green and blue; green once nothing fires.
    pub fn colour(&self) -> u32 {
        match (self.kind, self.severity) {
            (DeliveryKind::Resolved, _) => 0x002e_7d32,
            (_, Severity::Critical) => 0x00b7_1c1c,
            (_, Severity::High) => 0x00e6_5100,
            (_, Severity::Medium) => 0x00f9_a825,
            (_, Severity::Low) => 0x0015_65c0,
        }
    }
}

fn title_of(delivery: &Delivery, first: Option<&NoticeAlert>) -> String {
    let count = delivery.alerts.len();
    if delivery.kind == DeliveryKind::Digest {
        return format!(
            "{count} {} that did not need a notice of their own",
            plural(count, "alert")
        );
    }
    let Some(first) = first else {
        return "no alert".to_owned();
    };
    // Beside what fires, what ended is counted by itself.
    let ended = delivery
        .alerts
        .iter()
        .skip(1)
        .filter(|entry| delivery.kind != DeliveryKind::Resolved && !entry.alert.is_firing());
    let ended = ended.count();
    let more = match count - 1 - ended {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    let ended = match ended {
        0 => String::new(),
        ended => format!("; {ended} {} ended", plural(ended, "alert")),
    };
    format!("{}{more}{ended}", first.summary)
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

/// The values of an alert that was compared with a threshold, and the threshold. Without one there is nothing to compare: a
/// finding is open, a run is overdue.
fn values(alert: &Alert) -> Vec<(&'static str, f64)> {
    if alert.threshold.is_none() {
        return Vec::new();
    }
    // Of what is over, the worst value and the one at its end say all.
    let is_told = !alert.is_firing() && alert.worst.is_some() && alert.ended_value.is_some();
    let value = alert.value.filter(|_| !is_told);
    let worst = alert.worst.filter(|worst| value != Some(*worst));
    let all = [
        ("Value", value),
        ("Worst value", worst),
        ("Value at the end", alert.ended_value),
        ("Threshold", alert.threshold),
    ];
    let known = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    known.collect()
}

fn describe(news: News, alert: &Alert, now: Timestamp, explanation: Explanation) -> NoticeAlert {
    let Explanation {
        summary,
        runbook: fallback,
        facts: more,
        evidence,
        command,
        link,
        owner,
        verdict,
        chart,
    } = explanation;
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("State", state_of(news, alert));
    fact("Severity", alert.severity.to_string());
    if !alert.condition.is_empty() {
        fact("Condition", alert.condition.clone());
    }
    for (name, value) in values(alert) {
        fact(name, format_value(value));
    }
    if let Some(expected) = alert.expected {
        let (low, high) = (format_value(expected.low), format_value(expected.high));
        fact(
            "Usually",
            format!("{} ({low} to {high})", format_value(expected.value)),
        );
    }
    for (name, value) in more {
        fact(&name, redact_line(&value));
    }
    fact("Since", since(alert, now));
    for name in ["scraper_id", "site", "host"] {
        if let Some(value) = alert.labels.get(name) {
            fact(name, redact_line(value));
        }
    }
    if let Some(owner) = owner {
        fact("Owner", owner);
    }
    if let Some(verdict) = verdict {
        fact("Cause", verdict.to_string());
    }
    let runbook = ["runbook", "runbook_url"]
        .iter()
        .find_map(|name| alert.annotations.get(*name))
        .or(fallback.as_ref());
    NoticeAlert {
        news,
        summary: redact_line(summary.as_deref().unwrap_or(&alert.summary)),
        facts,
        evidence: evidence
            .iter()
            .take(EVIDENCE_LINES)
            .map(|line| redact_line(line))
            .collect(),
        verdict,
        runbook: runbook.map(|runbook| redact(runbook)),
        command: command.map(|command| redact(&command)),
        link,
        chart,
        alert: alert.clone(),
    }
}

/// `began 03:12, ended 04:40`, with dates where they matter.
fn since(alert: &Alert, now: Timestamp) -> String {
    let (began, ended) = (minute(alert.began), alert.ended);
    match ended {
        None => format!("{began} UTC, for {}", length(elapsed(now, alert.began))),
        Some(ended) => {
            let same_day = began[..10] == minute(ended)[..10];
            let end = minute(ended);
            let end = if same_day { &end[11..] } else { &end };
            format!(
                "began {began}, ended {end} UTC, after {}",
                length(elapsed(ended, alert.began))
            )
        }
    }
}

/// A time as notices show it: `2026-03-04 06:00`, in UTC.
pub fn minute(time: Timestamp) -> String {
    time.to_string()[..16].replace('T', " ")
}

/// A length of time as notices show it: in its two largest units.
pub fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let rounded = match seconds {
        0..3_600 => seconds,
        3_600..86_400 => seconds / 60 * 60,
        _ => seconds / 3_600 * 3_600,
    };
    format(Duration::from_secs(rounded))
}

fn state_of(news: News, alert: &Alert) -> String {
    let state = match news {
        _ if alert.flapping => "flapping: held as firing until it is stable",
        News::New | News::Still if alert.is_firing() => "firing",
        News::Raised => "firing, severity raised",
        News::Past => "over: it began and ended before this notice",
        _ => "resolved",
    };
    match alert.ended {
        Some(_) => format!("{state} ({})", alert.reason.describe()),
        None => state.to_owned(),
    }
}
