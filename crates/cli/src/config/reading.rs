//! Configuration of reading: text formats, field names, statistics.

use std::collections::BTreeMap;

use dragline_scan::{Map, TextDialect};
use serde::Deserialize;

use super::Problem;
use super::mistake::{Step, at};

/// `[[dialects]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DialectConfig {
    name: String,
    /// Regular expression with the group `message` and optional further groups.
    pattern: String,
    /// Format of the group `time`, in strptime syntax.
    time_format: Option<String>,
}

/// Creates the text formats; what is wrong with a format is added to the problems.
pub(super) fn dialects(all: &[DialectConfig], problems: &mut Vec<Problem>) -> Vec<TextDialect> {
    let mut dialects = Vec::new();
    for (index, dialect) in all.iter().enumerate() {
        let format = dialect.time_format.as_deref();
        match TextDialect::new(&dialect.name, &dialect.pattern, format) {
            Ok(dialect) => dialects.push(dialect),
            Err(error) => {
                let key = match error {
                    dragline_ingest::DialectError::TimeFormat { .. } => "time_format",
                    _ => "pattern",
                };
                problems.push((at(&format!("dialects.{index}.{key}")), error.to_string()));
            }
        }
    }
    dialects
}

/// `[map]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MapConfig {
    /// Dragline's field names, and the names in the log.
    fields: BTreeMap<String, OneOrMore>,
    /// Names of custom statistics, and the fields that contain them.
    stats: BTreeMap<String, OneOrMore>,
    events: Vec<MapEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a name or a list of names, such as \"code\" or [\"page\", \"address\"]"
)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::More(names) => names,
        }
    }
}

/// `[[map.events]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapEvent {
    /// Regular expression that the message must match.
    message: String,
    is: String,
}

impl MapConfig {
    /// Creates the mapping; what is wrong with an entry is added to the problems.
    pub(super) fn map(&self, problems: &mut Vec<Problem>) -> Map {
        let mut map = Map::new();
        for (name, theirs) in &self.stats {
            let fields = theirs.names().iter();
            fields.for_each(|field| map.stat(name, field));
        }
        for (ours, theirs) in &self.fields {
            let mut names = theirs.names().iter();
            if let Some(error) = names.find_map(|name| map.field(ours, name).err()) {
                let path = [at("map.fields"), vec![Step::Key(ours.clone())]].concat();
                problems.push((path, error.to_string()));
            }
        }
        for (index, event) in self.events.iter().enumerate() {
            let path = |key: &str| at(&format!("map.events.{index}.{key}"));
            match event.is.parse() {
                Ok(is) => {
                    if let Err(error) = map.event(&event.message, is) {
                        problems.push((path("message"), error.to_string()));
                    }
                }
                Err(error) => problems.push((path("is"), error.to_string())),
            }
        }
        map
    }
}
