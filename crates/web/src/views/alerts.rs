//! Alerts and silences as the API shows them.

use std::collections::BTreeMap;

use dragline_alerting::history::{AlertSummary, Entry};
use dragline_alerting::notify::Silence;
use dragline_alerting::{Alert, AlertId};
use dragline_schema::{Severity, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::word;
use crate::model::{AlertDetail, AlertRecord, Range, Series, SilenceRecord};
use crate::query::{Place, ScraperKey};

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertView {
    /// Its id: the rule's name and twelve hexadecimal digits.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// The highest severity of the episode.
    #[schema(value_type = String, example = "high")]
    pub severity: Severity,
    /// One sentence: what is the matter.
    pub summary: String,
    /// The condition in words.
    pub condition: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The category of the rule.
    pub category: String,
    /// When the episode began.
    #[schema(value_type = String, format = DateTime)]
    pub began: Timestamp,
    /// When it fired.
    #[schema(value_type = String, format = DateTime)]
    pub fired_at: Timestamp,
    /// When it ended; null while it fires.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// Why it is as it is.
    pub reason: String,
    /// Whether it changes too often to be reported each time.
    pub flapping: bool,
    /// The last value with which the condition was true.
    pub value: Option<f64>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// The usual range.
    pub expected: Option<Range>,
    /// Who has taken it up.
    pub acknowledged_by: Option<String>,
    /// When somebody took it up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    /// Until when it is silenced.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub silenced_until: Option<Timestamp>,
    /// The id of that silence.
    pub silenced_by: Option<String>,
    /// The line that shows it best.
    pub place: Option<Place>,
    /// Lines that show it, at most three.
    pub evidence: Vec<String>,
    /// The comparison with the control group, in words.
    pub verdict: Option<String>,
    /// Who answers for the scraper.
    pub owner: Option<String>,
    /// The name or address of the runbook.
    pub runbook: Option<String>,
    /// The command that shows more.
    pub command: Option<String>,
    /// The channels that were notified.
    pub channels: Vec<String>,
}

impl From<AlertRecord> for AlertView {
    fn from(record: AlertRecord) -> Self {
        let AlertRecord {
            alert,
            acknowledged,
            ..
        } = record;
        let runbook = runbook_of(&alert).map(str::to_owned);
        Self {
            id: alert.id.short(),
            rule: alert.id.rule.clone(),
            status: if alert.is_firing() {
                "firing"
            } else {
                "resolved"
            }
            .to_owned(),
            severity: alert.severity,
            summary: alert.summary,
            condition: alert.condition,
            labels: alert
                .labels
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            category: alert.category,
            began: alert.began,
            fired_at: alert.fired_at,
            ended: alert.ended,
            reason: alert.reason.describe().to_owned(),
            flapping: alert.flapping,
            value: alert.value,
            threshold: alert.threshold,
            expected: alert.expected.map(|expected| Range {
                lower: expected.low,
                upper: expected.high,
            }),
            acknowledged_by: acknowledged.as_ref().map(|who| who.by.clone()),
            acknowledged_at: acknowledged.map(|who| who.at),
            silenced_until: record.silenced_until,
            silenced_by: record.silenced_by,
            place: record.place,
            evidence: record.evidence,
            verdict: record.verdict.map(|verdict| verdict.to_string()),
            owner: record.owner,
            runbook,
            command: record.command,
            channels: record.channels,
        }
    }
}

fn runbook_of(alert: &Alert) -> Option<&str> {
    let names = ["runbook", "runbook_url"];
    names
        .iter()
        .find_map(|name| alert.annotations.get(*name))
        .map(String::as_str)
}

/// An entry of the alert history.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertEvent {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `transition`, `notice` or `action`.
    pub kind: String,
    /// What happened, in a sentence.
    pub text: String,
    /// The ids of the alerts that it is about.
    pub alerts: Vec<String>,
    /// The scraper and site of each of these alerts; null for an alert about several or none.
    pub scrapers: Vec<Option<ScraperKey>>,
    /// The severity, where there is one.
    #[schema(value_type = Option<String>, example = "high")]
    pub severity: Option<Severity>,
    /// The value that was compared.
    pub value: Option<f64>,
    /// The channel of a notice.
    pub channel: Option<String>,
    /// Who did it.
    pub by: Option<String>,
    /// Why a notice was not delivered.
    pub error: Option<String>,
    /// The lines that a notice showed.
    pub evidence: Vec<String>,
}

impl From<Entry> for AlertEvent {
    fn from(entry: Entry) -> Self {
        let at = entry.at();
        let blank = Self {
            at,
            kind: String::new(),
            text: String::new(),
            alerts: Vec::new(),
            scrapers: Vec::new(),
            severity: None,
            value: None,
            channel: None,
            by: None,
            error: None,
            evidence: Vec::new(),
        };
        match entry {
            Entry::Transition {
                alert,
                to,
                reason,
                severity,
                value,
                ..
            } => Self {
                kind: "transition".to_owned(),
                text: format!("{} is {}: {}", alert.rule, word(&to), reason.describe()),
                alerts: vec![alert.short()],
                scrapers: vec![scraper_of(&alert)],
                severity,
                value,
                ..blank
            },
            Entry::Notice {
                channel,
                kind,
                severity,
                title,
                alerts,
                error,
                is_retried,
                ..
            } => {
                let outcome = match (&error, is_retried) {
                    (None, _) => "was sent",
                    (Some(_), true) => "was not delivered and is tried again",
                    (Some(_), false) => "was not delivered",
                };
                Self {
                    kind: "notice".to_owned(),
                    text: format!(
                        "The {} notice \"{title}\" to {channel} {outcome}",
                        word(&kind)
                    ),
                    evidence: alerts
                        .iter()
                        .flat_map(|alert| alert.evidence.clone())
                        .collect(),
                    scrapers: alerts
                        .iter()
                        .map(|entry| scraper_of(&entry.alert))
                        .collect(),
                    alerts: alerts.iter().map(|entry| entry.alert.short()).collect(),
                    severity: Some(severity),
                    channel: Some(channel),
                    error,
                    ..blank
                }
            }
            Entry::Action { by, text, .. } => Self {
                kind: "action".to_owned(),
                alerts: ids_in(&text),
                text,
                by: Some(by),
                ..blank
            },
        }
    }
}

/// The short ids of alerts in a sentence about what somebody did: a rule's name and twelve hexadecimal digits.
fn ids_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')));
    let is_id = |word: &&str| {
        word.rsplit_once('-').is_some_and(|(rule, digits)| {
            !rule.is_empty()
                && digits.len() == 12
                && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    words.filter(is_id).map(str::to_owned).collect()
}

fn scraper_of(alert: &AlertId) -> Option<ScraperKey> {
    let label = |name: &str| alert.labels.get(name).map(str::to_owned);
    let key = ScraperKey {
        scraper_id: label("scraper_id"),
        site: label("site"),
    };
    (key != ScraperKey::default()).then_some(key)
}

/// An alert with its history.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = AlertDetail)]
pub struct AlertDetailView {
    /// The alert.
    pub alert: AlertView,
    /// What happened to it, the latest first.
    pub history: Vec<AlertEvent>,
    /// The value of its condition over time.
    pub series: Option<Series>,
}

impl From<AlertDetail> for AlertDetailView {
    fn from(detail: AlertDetail) -> Self {
        Self {
            alert: detail.record.into(),
            history: detail.history.into_iter().map(AlertEvent::from).collect(),
            series: detail.series,
        }
    }
}

/// The alerts in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = AlertSummary)]
pub struct AlertSummaryView {
    /// Number of alerts that fire now.
    pub active: u64,
    /// Number of alerts that fired within the last hour.
    pub last_hour: u64,
    /// Number of alerts that fired within the last 24 hours.
    pub last_day: u64,
    /// The same by severity.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub by_severity: BTreeMap<Severity, u64>,
    /// The id of the alert that fired last.
    pub most_recent: Option<String>,
    /// When it fired.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub most_recent_at: Option<Timestamp>,
}

impl From<AlertSummary> for AlertSummaryView {
    fn from(summary: AlertSummary) -> Self {
        let by_severity = summary.by_severity.into_iter();
        let (most_recent, most_recent_at) = summary.most_recent.unzip();
        Self {
            active: summary.active as u64,
            last_hour: summary.last_hour as u64,
            last_day: summary.last_day as u64,
            by_severity: by_severity
                .map(|(severity, count)| (severity, count as u64))
                .collect(),
            most_recent: most_recent.map(|id| id.short()),
            most_recent_at,
        }
    }
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Silence)]
pub struct SilenceView {
    /// Its id.
    pub id: String,
    /// The labels that an alert must have, `*` standing for any characters; none: all alerts.
    pub matches: BTreeMap<String, Vec<String>>,
    /// From when on; null: from the beginning.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub starts: Option<Timestamp>,
    /// Until when; null: permanently.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends: Option<Timestamp>,
    /// Only in these hours of the week, in words; null: always.
    pub weekly: Option<String>,
    /// Why.
    pub comment: String,
    /// Who.
    pub by: String,
    /// Whether it was set on the page, and can be ended there.
    pub is_of_page: bool,
    /// Whether it mutes now.
    pub is_in_force: bool,
    /// Number of firing alerts that it mutes.
    pub muted: u64,
}

impl From<SilenceRecord> for SilenceView {
    fn from(record: SilenceRecord) -> Self {
        let weekly = describe_weekly(&record.silence);
        let Silence {
            matchers,
            starts,
            ends,
            comment,
            by,
            ..
        } = record.silence;
        let values = |wanted: &dragline_alerting::LabelMatch| match wanted {
            dragline_alerting::LabelMatch::One(value) => vec![value.clone()],
            dragline_alerting::LabelMatch::Any(values) => values.clone(),
        };
        Self {
            id: record.id,
            matches: matchers
                .iter()
                .map(|(name, wanted)| (name.to_owned(), values(wanted)))
                .collect(),
            starts,
            ends,
            weekly,
            comment,
            by,
            is_of_page: record.is_of_page,
            is_in_force: record.is_in_force,
            muted: record.muted,
        }
    }
}

fn describe_weekly(silence: &Silence) -> Option<String> {
    let weekly = silence.weekly.as_ref()?;
    let days: Vec<String> = weekly.days.iter().map(word).collect();
    let days = if days.is_empty() {
        "every day".to_owned()
    } else {
        days.join(", ")
    };
    let clock = |time: jiff::civil::Time| format!("{:02}:{:02}", time.hour(), time.minute());
    let zone = weekly.zone.0.iana_name().unwrap_or("UTC");
    Some(format!(
        "{days} from {} to {} ({zone})",
        clock(weekly.from),
        clock(weekly.to)
    ))
}
