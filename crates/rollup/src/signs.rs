//! Example lines of what went wrong: the first line of each kind, per source and quarter of an hour.

use dragline_schema::{Event, ProductAction, Record, Request, Timestamp, clip};
use serde::{Deserialize, Serialize};

use crate::bounded::Add;
use crate::count::{failed, lacks_fields};
use crate::errors::ErrorLabel;
use crate::evidence::Evidence;

/// Maximum number of signs kept for all sources.
pub(crate) const MAX_SIGNS: usize = 20_000;
/// Maximum number of bytes kept of a line.
const TEXT: usize = 160;

/// The kind of trouble that a line is an example of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sign {
    /// An error, by the id of its group.
    Error(u64),
    /// A request refused by the site: 403 or 429.
    Refused,
    /// A request that failed otherwise.
    Failed,
    /// A repeated request for the same page.
    Retry,
    /// An item with missing fields.
    Incomplete,
    /// An item that was lost.
    Lost,
    /// A duplicate.
    Duplicate,
}

/// The first line with a sign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirstSign {
    held: Option<(Option<Timestamp>, Evidence, String)>,
}

impl FirstSign {
    /// The time of the line; `None` if no such line has a time.
    pub fn time(&self) -> Option<Timestamp> {
        self.held.as_ref().and_then(|(time, ..)| *time)
    }

    /// The position of the line.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.held.as_ref().map(|(_, evidence, _)| evidence)
    }

    /// A short text of the line.
    pub fn text(&self) -> &str {
        self.held.as_ref().map_or("", |(.., text)| text)
    }

    pub(crate) fn observe(
        &mut self,
        time: Option<Timestamp>,
        evidence: Evidence,
        text: impl FnOnce() -> String,
    ) {
        let is_earlier = |(at, place, _): &(Option<Timestamp>, Evidence, String)| {
            (time, &evidence) < (*at, place)
        };
        if self.held.as_ref().is_none_or(is_earlier) {
            self.held = Some((time, evidence, text()));
        }
    }
}

impl Add for FirstSign {
    fn add(&mut self, other: Self) {
        let key =
            |(time, evidence, _): &(Option<Timestamp>, Evidence, String)| (*time, evidence.clone());
        let is_earlier = match (&self.held, &other.held) {
            (Some(own), Some(other)) => key(other) < key(own),
            (held, _) => held.is_none(),
        };
        if is_earlier {
            *self = other;
        }
    }
}

/// The length of the time range per which a sign is kept, in microseconds.
pub const SIGN_WIDTH: i64 = 15 * 60_000_000;

/// A key of the table of signs: the source's id, the sign, and the start of the time range in
/// microseconds.
pub(crate) type SignKey = (u64, Sign, i64);

/// Calls `take` with every sign of a record and a function that makes its text.
pub(crate) fn signs(
    record: &Record<'_>,
    label: Option<&ErrorLabel<'_>>,
    mut take: impl FnMut(Sign, &dyn Fn() -> String),
) {
    if let Some(label) = label {
        take(Sign::Error(label.group), &|| error_text(label));
    }
    match &record.event {
        Event::Request(request) => {
            let text = || request_text(request);
            if failed(record, request) {
                let is_refused = matches!(request.status_code, Some(403 | 429));
                take(
                    if is_refused {
                        Sign::Refused
                    } else {
                        Sign::Failed
                    },
                    &text,
                );
            }
            if request.attempt.is_some_and(|attempt| attempt > 1) {
                take(Sign::Retry, &text);
            }
        }
        Event::ProductProcessed(product) => {
            let missing = product.fields_missing.as_ref().map(|json| &*json.0);
            let name = product.url.as_deref().or(product.product_id.as_deref());
            if lacks_fields(missing) {
                take(Sign::Incomplete, &|| incomplete_text(name, missing));
            }
            let action = product.action.as_deref().and_then(ProductAction::from_name);
            if action == Some(ProductAction::Failed) {
                take(Sign::Lost, &|| item_text(name, "failed"));
            }
        }
        Event::ArticleStored(article) => {
            let missing = article.fields_missing.as_ref().map(|json| &*json.0);
            let name = article.url.as_deref().or(article.article_id.as_deref());
            if lacks_fields(missing) {
                take(Sign::Incomplete, &|| incomplete_text(name, missing));
            }
        }
        Event::DuplicateDetected(duplicate) => {
            take(Sign::Duplicate, &|| {
                item_text(duplicate.url.as_deref(), "is a duplicate")
            });
        }
        _ => {}
    }
}

fn error_text(label: &ErrorLabel<'_>) -> String {
    let line = label.message.lines().next().unwrap_or_default();
    let text = match label.error_type {
        "" => line.to_owned(),
        name => format!("{name}: {line}"),
    };
    clip(&text, TEXT).to_owned()
}

fn request_text(request: &Request<'_>) -> String {
    let method = request.method.as_deref().unwrap_or("GET");
    let url = clip(request.url.as_deref().unwrap_or("a page"), TEXT);
    let status = match (request.status_code, request.error_type.as_deref()) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => clip(error, TEXT / 2).to_owned(),
        (None, None) => "no response".to_owned(),
    };
    format!("{method} {url}: {status}")
}

fn item_text(name: Option<&str>, what: &str) -> String {
    format!("{} {what}", clip(name.unwrap_or("an item"), TEXT))
}

fn incomplete_text(name: Option<&str>, missing: Option<&str>) -> String {
    let missing = clip(missing.unwrap_or_default(), TEXT / 2);
    item_text(name, &format!("lacks {missing}"))
}
