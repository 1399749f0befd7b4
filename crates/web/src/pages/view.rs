//! What a page consists of. A page is a finding as its title and sections below it, each of one kind; one template
//! draws them all, so that they look and behave the same.

use std::time::Duration;

use askama::Template;
use dragline_schema::Timestamp;

use super::html::{Html, Tone};
use super::times::in_utc;
use super::{NAV, assets};
use crate::feed::Topic;
use crate::http::{Call, Problem, Reply};

/// A page before it is drawn.
#[derive(Default)]
pub(super) struct Page {
    /// The finding.
    pub(super) title: String,
    pub(super) tone: Option<Tone>,
    /// Sentences below the title.
    pub(super) lead: Vec<Html>,
    /// Where one comes from: address and name.
    pub(super) up: Option<(String, String)>,
    pub(super) sections: Vec<Section>,
}

/// A part of a page, which is replaced when it changes.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) content: Content,
    /// Addresses and words of links to more.
    pub(super) more: Vec<(String, String)>,
}

/// What a section shows.
pub(super) enum Content {
    Attention(Vec<Thing>),
    Figures(Vec<FigureView>),
    Charts(Vec<Html>),
    Table(Table),
    Filters(Filters),
    Forms(Vec<Form>),
    Facts(Vec<(String, Html)>),
    Lines(Vec<LogLine>),
    /// Sentences with their class.
    Words(Vec<(&'static str, Html)>),
}

/// Something that needs attention.
pub(super) struct Thing {
    pub(super) tone: &'static str,
    pub(super) title: Html,
    pub(super) path: String,
    pub(super) about: Html,
    pub(super) advice: Option<Html>,
    pub(super) sample: Option<(String, String)>,
    pub(super) command: Option<String>,
    pub(super) forms: Vec<Form>,
}

/// A number with what was expected.
pub(super) struct FigureView {
    pub(super) tone: &'static str,
    pub(super) label: String,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) path: Option<String>,
}

/// A table. The first cell of a row is its name.
#[derive(Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Row>,
    /// What is shown without rows: what would be here, and how to get it.
    pub(super) empty: Html,
    pub(super) note: String,
    /// Whether the script may sort it: only a whole list.
    pub(super) is_sortable: bool,
    /// Addresses and names of other parts.
    pub(super) pages: Vec<(String, String)>,
    /// Addresses and names of files with the same rows.
    pub(super) downloads: Vec<(String, String)>,
}

/// The head of a column.
pub(super) struct Head {
    pub(super) label: &'static str,
    pub(super) is_number: bool,
    /// Whether its label may take several lines.
    pub(super) is_wide: bool,
    /// Where the list is sorted by it.
    pub(super) path: Option<String>,
}

/// A row.
pub(super) struct Row {
    pub(super) class: &'static str,
    pub(super) cells: Vec<Cell>,
}

/// A cell.
pub(super) struct Cell {
    pub(super) html: Html,
    pub(super) is_number: bool,
    /// What it is sorted by.
    pub(super) key: Option<String>,
}

/// What a list is narrowed by.
#[derive(Default)]
pub(super) struct Filters {
    pub(super) path: String,
    pub(super) fields: Vec<Field>,
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) windows: Vec<WindowLink>,
    pub(super) custom: Option<Html>,
}

/// A period to choose.
pub(super) struct WindowLink {
    pub(super) path: String,
    pub(super) label: &'static str,
    pub(super) is_current: bool,
}

/// Something to do.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) title: String,
    pub(super) path: String,
    pub(super) fields: Vec<Field>,
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) button: &'static str,
}

/// A field of a form.
#[derive(Clone, Default)]
pub(super) struct Field {
    pub(super) label: &'static str,
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) kind: &'static str,
    pub(super) hint: &'static str,
    pub(super) is_required: bool,
    /// Values and names to choose from; without them it is a text.
    pub(super) options: Vec<(String, String)>,
}

/// A line of a log.
pub(super) struct LogLine {
    pub(super) class: &'static str,
    pub(super) number: String,
    pub(super) text: String,
    pub(super) is_target: bool,
}

impl Section {
    pub(super) fn new(id: &'static str, title: impl Into<String>, content: Content) -> Self {
        Self {
            id,
            title: title.into(),
            content,
            more: Vec::new(),
        }
    }

    pub(super) fn with_more(mut self, path: impl Into<String>, label: impl Into<String>) -> Self {
        self.more.push((path.into(), label.into()));
        self
    }
}

impl Head {
    pub(super) fn text(label: &'static str) -> Self {
        Self {
            label,
            is_number: false,
            is_wide: label.len() > 16,
            path: None,
        }
    }

    pub(super) fn number(label: &'static str) -> Self {
        Self {
            label,
            is_number: true,
            is_wide: false,
            path: None,
        }
    }
}

impl Cell {
    pub(super) fn new(html: Html) -> Self {
        Self {
            html,
            is_number: false,
            key: None,
        }
    }

    pub(super) fn text(text: &str) -> Self {
        Self::new(Html::text(text))
    }

    /// Words of a log or of people, which may be long.
    pub(super) fn words(text: &str) -> Self {
        if text.is_empty() {
            return Self::new(Html::default());
        }
        Self::new(Html(format!(
            "<span class=\"long\">{}</span>",
            Html::text(text).0
        )))
    }

    /// A number with what it is sorted by; `None` is unknown.
    pub(super) fn number(shown: &str, value: Option<f64>) -> Self {
        Self {
            html: Html::text(shown),
            is_number: true,
            key: value.map(|value| value.to_string()),
        }
    }

    pub(super) fn count(count: Option<u64>) -> Self {
        let shown = count.map_or_else(|| super::html::UNKNOWN.to_owned(), super::html::count);
        Self::number(&shown, count.map(|count| count as f64))
    }

    pub(super) fn time(call: &Call<'_>, time: Option<Timestamp>) -> Self {
        Self {
            key: time.map(|time| time.as_micros().to_string()),
            ..Self::new(Html::time(time, call.now))
        }
    }

    /// A sentence of the backend.
    pub(super) fn sentence(call: &Call<'_>, text: &str) -> Self {
        Self::new(Html(format!(
            "<span class=\"long\">{}</span>",
            Html::sentence(text, call.now).0
        )))
    }
}

impl Table {
    /// Cells with the labels of their columns, which a phone shows beside them.
    fn labelled<'c>(&self, cells: &'c [Cell]) -> impl Iterator<Item = (&'c Cell, &'static str)> {
        let labels = self.heads.iter().map(|head| head.label);
        cells.iter().zip(labels.chain(std::iter::repeat("")))
    }

    /// Whether it needs more room than a phone or a tablet has: there, each row is a card.
    fn is_broad(&self) -> bool {
        let is_numbers = self.heads.iter().skip(1).all(|head| head.is_number);
        self.heads.len() > if is_numbers { 4 } else { 3 }
    }

    /// Whether the script puts a field above it that filters its rows.
    fn has_filter(&self) -> bool {
        self.is_sortable && self.rows.len() >= 9
    }
}

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        Self { class: "", cells }
    }
}

impl Field {
    pub(super) fn text(name: &'static str, label: &'static str, value: &str) -> Self {
        Self {
            label,
            name,
            value: value.to_owned(),
            kind: "text",
            ..Self::default()
        }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(super) fn required(self) -> Self {
        Self {
            is_required: true,
            ..self
        }
    }

    pub(super) fn choice(
        name: &'static str,
        label: &'static str,
        value: &str,
        options: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Self {
        let options = options
            .into_iter()
            .map(|(value, label)| (value.to_owned(), label.to_owned()));
        Self {
            options: options.collect(),
            ..Self::text(name, label, value)
        }
    }
}

/// An entry of the navigation.
struct NavEntry {
    path: &'static str,
    label: &'static str,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Whole<'p> {
    title: String,
    heading: Html,
    tone: &'static str,
    lead: &'p [Html],
    up: Option<&'p (String, String)>,
    sections: &'p [Section],
    nav: Vec<NavEntry>,
    base: &'p str,
    assets: String,
    stream: String,
    topics: String,
    caller: &'p str,
    has_session: bool,
    at: Html,
    copy: Option<FileCopy>,
}

impl Page {
    /// Draws the page. With topics it follows changes.
    pub(super) fn draw(&self, call: &Call<'_>, topics: &[Topic]) -> Result<Reply, Problem> {
        let path = call.address.split('?').next().unwrap_or_default();
        let stream = format!("{}/api/v1/stream", call.base);
        self.render(Frame {
            base: call.base,
            path,
            caller: Some((&call.caller.name, call.caller.has_session)),
            copy: call.copy_every.map(|every| FileCopy::new(call.now, every)),
            stream: if topics.is_empty() {
                String::new()
            } else {
                stream
            },
            topics: topics
                .iter()
                .filter_map(|topic| topic_name(*topic))
                .collect::<Vec<_>>()
                .join(" "),
            now: Some(call.now),
        })
    }

    /// Draws the page in a frame.
    pub(super) fn render(&self, frame: Frame<'_>) -> Result<Reply, Problem> {
        let entry =
            |(path, label, below): &(&'static str, &'static str, &'static [&'static str])| {
                let first = frame.path.split('/').nth(1);
                NavEntry {
                    path,
                    label,
                    is_current: frame.caller.is_some()
                        && first.is_some_and(|first| below.contains(&first)),
                }
            };
        let (caller, has_session) = frame.caller.unwrap_or_default();
        let whole = Whole {
            title: in_utc(&self.title),
            heading: frame.now.map_or_else(
                || Html::text(&self.title),
                |now| Html::sentence(&self.title, now),
            ),
            tone: self.tone.map(Tone::class).unwrap_or_default(),
            lead: &self.lead,
            up: self.up.as_ref(),
            sections: &self.sections,
            nav: if frame.caller.is_some() && frame.copy.is_none() {
                NAV.iter().map(entry).collect()
            } else {
                Vec::new()
            },
            base: frame.base,
            assets: assets::directory(frame.base),
            stream: frame.stream,
            topics: frame.topics,
            caller,
            has_session,
            at: frame.now.map(Html::second).unwrap_or_default(),
            copy: frame.copy,
        };
        whole.render().map(Reply::html).map_err(|error| {
            Problem::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                format!("the page cannot be drawn: {error}"),
            )
        })
    }
}

/// What surrounds a page.
pub(super) struct Frame<'f> {
    pub(super) base: &'f str,
    pub(super) path: &'f str,
    /// Name, and whether there is a session to end. `None`: nobody is signed in.
    pub(super) caller: Option<(&'f str, bool)>,
    pub(super) stream: String,
    pub(super) topics: String,
    /// When it is made; `None` for a page without times.
    pub(super) now: Option<Timestamp>,
    /// What a page says that stands alone; `None` for one that is served.
    pub(super) copy: Option<FileCopy>,
}

/// A page as a file, which nobody can correct once the service is gone: it says when it is out of date.
pub(super) struct FileCopy {
    styles: &'static str,
    /// Seconds after which the browser reads the file again.
    refresh: u64,
    made: Html,
    stale: Html,
}

impl FileCopy {
    fn new(now: Timestamp, every: Duration) -> Self {
        let micros = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
        Self {
            styles: assets::styles(),
            refresh: every.as_secs().max(1),
            made: Html::second(now),
            stale: Html::second(now.plus_micros(micros.saturating_mul(2))),
        }
    }
}

fn topic_name(topic: Topic) -> Option<String> {
    serde_json::to_value(topic)
        .ok()?
        .as_str()
        .map(str::to_owned)
}
