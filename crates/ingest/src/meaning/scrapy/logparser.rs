//! What logparser made of a job's log: a JSON document with the statistics and how it ended.

use dragline_schema::{RunSummary, Timestamp};
use serde_json::{Map, Value};

use super::message::summary;
use crate::parsing::Object;
use crate::parsing::literal::Literal;

/// A job as logparser tells it.
pub(crate) struct Job {
    pub(super) bot: Option<String>,
    pub(super) spider: Option<String>,
    /// The job's id, where scrapyd gave one.
    pub(super) id: Option<String>,
    /// The log's lines at WARNING and above, as far as logparser kept them.
    pub(super) lines: Vec<String>,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    /// `None` while it runs.
    pub(super) finish_reason: Option<String>,
    pub(super) summary: RunSummary<'static>,
}

/// Reads a document of logparser's; `None` when the object is none.
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
        // Without a dump: what it counted of the lines.
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

/// The statistics as a dump would have them.
pub(super) fn literals(stats: &Map<String, Value>) -> Vec<(String, Literal)> {
    let literal = |value: &Value| match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Literal::Int(whole),
            None => number.as_f64().map_or(Literal::Other, Literal::Float),
        },
        Value::String(text) => Literal::Text(text.clone()),
        _ => Literal::Other,
    };
    let entries = stats.iter();
    entries
        .map(|(key, value)| (key.clone(), literal(value)))
        .collect()
}
