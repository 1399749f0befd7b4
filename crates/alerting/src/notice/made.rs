//! Notices that no alert caused: a test of a channel, a report.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_schema::{Severity, Timestamp};

use super::{Attachment, EVIDENCE_LINES, Notice, NoticeAlert, redact, redact_line};
use crate::alert::{Alert, AlertId, AlertStatus};
use crate::notify::{DeliveryKind, News};
use crate::state::Reason;
use crate::{Labels, duration};

/// One thing that a report says.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportEntry {
    /// A word for its kind, such as `block_wave`.
    pub kind: String,
    /// The scraper and the site, as far as they are known.
    pub labels: Labels,
    /// The severity.
    pub severity: Severity,
    /// What happened, in a sentence.
    pub title: String,
    /// Since when; `None` if no time is known.
    pub since: Option<Timestamp>,
    /// Further names and values.
    pub facts: Vec<(String, String)>,
    /// Log lines; the notice redacts them and takes the first three.
    pub evidence: Vec<String>,
    /// The command that shows more.
    pub command: Option<String>,
}

/// Maximum number of entries of a report in a notice.
const ENTRIES: usize = 10;

impl Notice {
    /// A notice that says that a channel works.
    pub fn test(now: Timestamp) -> Self {
        let entry = ReportEntry {
            kind: "test".to_owned(),
            labels: Labels::new(),
            severity: Severity::Low,
            title: "This is a test of the channel; nothing is wrong".to_owned(),
            since: Some(now),
            facts: Vec::new(),
            evidence: Vec::new(),
            command: Some("dragline alerts send-test".to_owned()),
        };
        Self::report("Test of Dragline's notices", vec![entry], now, Vec::new())
    }

    /// A report: its headline, what needs attention, the most severe first, and files for channels that take them.
    pub fn report(
        title: &str,
        mut entries: Vec<ReportEntry>,
        now: Timestamp,
        attachments: Vec<Attachment>,
    ) -> Self {
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.severity));
        let severity = entries
            .first()
            .map_or(Severity::Low, |entry| entry.severity);
        let more = entries.len().saturating_sub(ENTRIES);
        let alerts = entries
            .into_iter()
            .take(ENTRIES)
            .map(|entry| entry.describe(now));
        Self {
            // A report is sent once: the time tells two of them apart.
            key: format!("report-{}", now.as_micros()),
            kind: DeliveryKind::Report,
            severity,
            title: redact_line(title),
            alerts: alerts.collect(),
            more,
            at: now,
            attachments,
        }
    }
}

impl ReportEntry {
    fn describe(self, now: Timestamp) -> NoticeAlert {
        let mut facts = vec![("Severity".to_owned(), self.severity.to_string())];
        facts.extend(
            self.facts
                .into_iter()
                .map(|(name, value)| (name, redact_line(&value))),
        );
        if let Some(since) = self.since {
            let length = super::length(duration::elapsed(now, since));
            facts.push((
                "Since".to_owned(),
                format!("{} UTC, for {length}", super::minute(since)),
            ));
        }
        let evidence = self.evidence.iter().take(EVIDENCE_LINES);
        NoticeAlert {
            news: News::Still,
            summary: redact_line(&self.title),
            facts,
            evidence: evidence.map(|line| redact_line(line)).collect(),
            verdict: None,
            runbook: None,
            command: self.command.as_deref().map(redact),
            link: None,
            chart: None,
            alert: Alert {
                id: AlertId {
                    rule: self.kind.clone(),
                    labels: self.labels.clone(),
                },
                labels: self
                    .labels
                    .with(&Labels::from([("alertname", self.kind.as_str())])),
                status: AlertStatus::Firing,
                severity: self.severity,
                began: self.since.unwrap_or(now),
                fired_at: now,
                ended: None,
                reason: Reason::ConditionTrue,
                flapping: false,
                value: None,
                worst: None,
                ended_value: None,
                condition: String::new(),
                threshold: None,
                expected: None,
                summary: self.title,
                annotations: BTreeMap::new(),
                category: "report".to_owned(),
                cooldown: Duration::ZERO,
                repeat: None,
                escalate: Vec::new(),
            },
        }
    }
}
