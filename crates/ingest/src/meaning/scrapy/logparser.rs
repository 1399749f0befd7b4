//! Reads logparser's summary of a job's log: a JSON document with the statistics and the finish reason.

use dragline_schema::{RunSummary, Timestamp};
use serde_json::Value;

use super::message::{literals, summary};
use crate::parsing::Object;

/// A job as summarised by logparser.
pub(crate) struct Job {
    pub(super) bot: Option<String>,
    pub(super) spider: Option<String>,
    /// The job's id, if scrapyd assigned one.
    pub(super) id: Option<String>,
    /// The log's records at WARNING and above that logparser kept.
    pub(super) lines: Vec<String>,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    /// `None` while the job is running.
    pub(super) finish_reason: Option<String>,
    pub(super) summary: RunSummary<'static>,
}

/// Reads a logparser document; `None` if the object is not one.
pub(crate) fn read(object: &Object<'_>) -> Option<Job> {
    let field = |name: &str| object.fields.iter().find(|(key, _)| key == name);
    let parse = |name: &str| -> Option<Value> { serde_json::from_str(field(name)?.1.get()).ok() };
    field("logparser_version").or_else(|| field("log_categories"))?;
    let stats = parse("crawler_stats")?;
    let mut summary = summary(&literals(stats.as_object()?));
    let text = |name: &str| match parse(name)? {
        Value::String(text) if !matches!(&*text, "N/A" | "") => Some(text),
        _ => None,
    };
    let time = |name: &str| {
        Some(Timestamp::from_seconds(
            parse(name)?.as_i64().filter(|s| *s > 0)?,
        ))
    };
    if summary.requests.is_none() {
        // Without Scrapy's statistics, use logparser's own count.
        summary.items = parse("items").and_then(|count| count.as_u64());
    }
    let head = text("head").unwrap_or_default();
    let bot = head
        .split_once(" started (bot: ")
        .and_then(|(_, rest)| rest.split_once(')'));
    // scrapyd: …/PROJECT/SPIDER/JOB.log
    let path = text("log_path").unwrap_or_default();
    let mut parts = path.rsplit('/');
    let id = parts.next().and_then(|name| name.split('.').next());
    let spider = parts.next().filter(|_| parts.next().is_some());
    let reason = text("finish_reason").or_else(|| text("shutdown_reason"));
    Some(Job {
        bot: bot.map(|(bot, _)| bot.to_owned()),
        spider: text("spider").or(spider.map(str::to_owned)),
        id: id.filter(|id| !id.is_empty()).map(str::to_owned),
        lines: lines(&parse("log_categories").unwrap_or_default()),
        start: time("first_log_timestamp"),
        end: time("latest_log_timestamp"),
        finish_reason: reason,
        summary,
    })
}

fn lines(categories: &Value) -> Vec<String> {
    let kinds = ["critical_logs", "error_logs", "warning_logs"].iter();
    let details = kinds.filter_map(|kind| categories[kind]["details"].as_array());
    let texts = details.flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
