//! Mistakes in a configuration, each with its line, key and value.
//!
//! serde stops at the first mistake. To find all of them, [`Parsed::of`] removes the key with the mistake and
//! deserialises again, until the rest is valid. Values that only their owner can judge are reported by
//! [`Places::mistake`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use crate::names;

/// Maximum number of characters of a value that are quoted.
const QUOTED: usize = 60;

/// A mistake in a configuration file or in an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    /// Name of the file; `None` for an environment variable.
    file: Option<String>,
    /// Line in the file, from 1.
    pub(super) line: Option<usize>,
    /// Key with its section, or variable.
    key: String,
    /// Value, as written.
    value: Option<String>,
    /// What is wrong, and what to do.
    what: String,
}

impl Mistake {
    /// A mistake in an environment variable.
    pub(super) fn of_variable(name: String, value: &str, what: String) -> Self {
        Self {
            file: None,
            line: None,
            key: name,
            value: Some(quoted(&format!("{value:?}"))),
            what,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = [self.file.clone(), self.line.map(|line| line.to_string())];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join(":");
        let key = self.key.as_str();
        let setting = match &self.value {
            Some(value) => format!("{key} = {value}"),
            None => key.to_owned(),
        };
        let parts = [place, setting, self.what.clone()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join(": "))
    }
}

/// A part of the path to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The path to a value in a configuration.
pub(crate) type Path = Vec<Step>;

/// Returns a path written as `report.panels.0.sql`. Numbers are indexes.
pub(super) fn at(dotted: &str) -> Path {
    let step = |part: &str| {
        part.parse()
            .map_or_else(|_| Step::Key(part.to_owned()), Step::Index)
    };
    dotted.split('.').map(step).collect()
}

/// Formats a path as in the file: `[limits] cpu_high`, `[[mute]] until`.
fn shown(path: &[Step], is_table: bool) -> String {
    let names: Vec<String> = path
        .iter()
        .filter_map(|step| match step {
            Step::Key(name) if name.contains('.') => Some(format!("{name:?}")),
            Step::Key(name) => Some(name.clone()),
            Step::Index(_) => None,
        })
        .collect();
    // An index in the middle belongs to an array of tables, at the end to a list or to a whole entry.
    let is_entry = path.len() > 1 && matches!(path.last(), Some(Step::Index(_))) && is_table;
    let is_array = is_entry
        || path
            .iter()
            .rev()
            .skip(1)
            .any(|step| matches!(step, Step::Index(_)));
    let section = |names: &[String]| match (names, is_array) {
        ([], _) => String::new(),
        (names, true) => format!("[[{}]]", names.join(".")),
        (names, false) => format!("[{}]", names.join(".")),
    };
    if is_table {
        return section(&names);
    }
    let Some((key, of)) = names.split_last() else {
        return String::new();
    };
    format!("{} {key}", section(of)).trim_start().to_owned()
}

/// A configuration without its mistakes, and the mistakes.
pub(super) struct Parsed<T> {
    pub(super) config: T,
    pub(super) places: Places,
    pub(super) mistakes: Vec<Mistake>,
}

impl<T: DeserializeOwned + Default> Parsed<T> {
    /// Parses a file. What cannot be parsed is left out of the configuration.
    pub(super) fn of(file: &str, text: &str) -> Self {
        let (mut table, errors) = DeTable::parse_recoverable(text);
        let mut mistakes: Vec<Mistake> = errors
            .iter()
            .map(|error| Mistake {
                file: Some(file.to_owned()),
                line: error.span().map(|span| line_of(text, span.start)),
                key: String::new(),
                value: None,
                what: format!("invalid TOML: {}", error.message()),
            })
            .collect();
        let mut config = None;
        let mut cuts: Vec<Cut> = Vec::new();
        // After a syntax error, the rest would be a guess.
        while config.is_none() && errors.is_empty() {
            match T::deserialize(Deserializer::from(table.clone())) {
                Ok(whole) => config = Some(whole),
                Err(error) => {
                    let span = error.span().unwrap_or_default();
                    let cut = Cut::of(&mut table, &span);
                    if !is_consequence(&error, &cuts) {
                        mistakes.push(mistake(file, text, error.message(), cut.as_ref()));
                    }
                    let Some(cut) = cut else { break };
                    cuts.push(cut);
                }
            }
        }
        Self {
            config: config.unwrap_or_default(),
            places: Places::of(file, text, table.get_ref()),
            mistakes,
        }
    }
}

/// The mistake that was cut out.
fn mistake(file: &str, text: &str, message: &str, cut: Option<&Cut>) -> Mistake {
    let path = cut.map_or(&[][..], |cut| &cut.path);
    let value = cut.and_then(|cut| cut.value.clone());
    Mistake {
        file: Some(file.to_owned()),
        line: cut.map(|cut| line_of(text, cut.start)),
        key: shown(path, value.is_none()),
        what: sentence(message, path, value.is_none(), text),
        value: value.map(|span| quoted(&text[span])),
    }
}

/// Whether a key is missing only because it was cut out.
fn is_consequence(error: &toml::de::Error, cuts: &[Cut]) -> bool {
    let missing = error.message().strip_prefix("missing field `");
    missing.is_some_and(|rest| {
        let name = Step::Key(rest.trim_end_matches('`').to_owned());
        let is_it =
            |cut: &Cut| Some(&cut.table) == error.span().as_ref() && cut.path.last() == Some(&name);
        cuts.iter().any(is_it)
    })
}

/// An entry that was cut out of a configuration.
struct Cut {
    path: Path,
    /// Position of its value, unless that is a table.
    value: Option<Range<usize>>,
    /// Where it begins.
    start: usize,
    /// Position of the table or list that contained it.
    table: Range<usize>,
}

impl Cut {
    /// Removes the entry whose key or value is at this position.
    fn of(table: &mut Spanned<DeTable<'_>>, span: &Range<usize>) -> Option<Self> {
        let own = table.span();
        Self::from_table(table.get_mut(), &own, span, &mut Path::new())
    }

    fn new(value: &Spanned<DeValue<'_>>, start: usize, path: &Path, table: &Range<usize>) -> Self {
        Self {
            path: path.clone(),
            value: written(value),
            start,
            table: table.clone(),
        }
    }

    fn from_table(
        table: &mut DeTable<'_>,
        own: &Range<usize>,
        span: &Range<usize>,
        path: &mut Path,
    ) -> Option<Self> {
        let mut found = None;
        for (key, value) in table.iter_mut() {
            path.push(Step::Key(key.get_ref().to_string()));
            // A list of tables is at the position of its first table.
            let is_own = value.span() == *span && !is_list_of_tables(value);
            if key.span() == *span || is_own {
                found = Some((key.clone(), Self::new(value, key.span().start, path, own)));
                break;
            }
            if let Some(inner) = Self::from_value(value, span, path) {
                return Some(inner);
            }
            path.pop();
        }
        let (key, cut) = found?;
        table.remove(&key);
        Some(cut)
    }

    fn from_value(
        value: &mut Spanned<DeValue<'_>>,
        span: &Range<usize>,
        path: &mut Path,
    ) -> Option<Self> {
        let own = value.span();
        match value.get_mut() {
            DeValue::Table(table) => Self::from_table(table, &own, span, path),
            DeValue::Array(array) => Self::from_list(array, &own, span, path),
            _ => None,
        }
    }

    fn from_list(
        list: &mut DeArray<'_>,
        own: &Range<usize>,
        span: &Range<usize>,
        path: &mut Path,
    ) -> Option<Self> {
        for (index, value) in list.iter_mut().enumerate() {
            path.push(Step::Index(index));
            if value.span() == *span {
                let cut = Self::new(value, value.span().start, path, own);
                let all = std::mem::replace(list, DeArray::new())
                    .into_iter()
                    .enumerate();
                let others = all.filter(|(place, _)| *place != index);
                *list = others.map(|(_, value)| value).collect();
                return Some(cut);
            }
            if let Some(inner) = Self::from_value(value, span, path) {
                return Some(inner);
            }
            path.pop();
        }
        None
    }
}

fn is_list_of_tables(value: &Spanned<DeValue<'_>>) -> bool {
    let list = value.get_ref().as_array();
    list.is_some_and(|list| list.iter().any(|value| value.get_ref().is_table()))
}

/// The position of a value, unless it is a table.
fn written(value: &Spanned<DeValue<'_>>) -> Option<Range<usize>> {
    let is_table = value.get_ref().is_table();
    (!is_table).then(|| value.span())
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    memchr::memchr_iter(b'\n', before).count() + 1
}

/// The beginning of a value, as one line.
fn quoted(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let short: String = line.chars().take(QUOTED).collect();
    if short.len() < value.len() {
        short + "…"
    } else {
        short
    }
}

/// Turns serde's message into a sentence with a remedy.
fn sentence(message: &str, path: &[Step], is_table: bool, text: &str) -> String {
    let quoted_names = |message: &str| -> Vec<String> {
        message
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    if message.starts_with("unknown field") {
        let names = quoted_names(message);
        let (typed, known) = names
            .split_first()
            .map_or(("", &[][..]), |(typed, known)| (&**typed, known));
        if let [Step::Key(sites), Step::Key(site), Step::Key(rest)] = path
            && sites == "sites"
            && is_table
        {
            let all = text.lines().map(str::trim);
            let header = all.into_iter().find_map(|line| {
                let name = line.strip_prefix("[sites.")?.strip_suffix(']')?;
                name.starts_with(&format!("{site}.{rest}")).then_some(name)
            });
            let name = header.map_or_else(|| format!("{site}.{rest}"), str::to_owned);
            return format!("a name with dots needs quotes: [sites.\"{name}\"]");
        }
        let meant = names::did_you_mean(typed, known.iter().map(String::as_str));
        return if meant.is_empty() {
            format!("unknown key; use one of: {}", known.join(", "))
        } else {
            format!("unknown key{meant}")
        };
    }
    if message.starts_with("unknown variant") {
        let names = quoted_names(message);
        return format!(
            "use one of: {}",
            names.get(1..).unwrap_or_default().join(", ")
        );
    }
    if message.starts_with("missing field") {
        return format!("the key `{}` is missing", quoted_names(message).concat());
    }
    match message.rsplit_once(", expected ") {
        Some((wrong, expected)) if wrong.starts_with("invalid ") => {
            let key = match path.last() {
                Some(Step::Key(key)) => key,
                _ => "key",
            };
            format!("expected {}", expectation(expected, key))
        }
        _ => message.to_owned(),
    }
}

/// What serde expects, in words of TOML.
fn expectation(expected: &str, key: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i64" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "text in quotes".to_owned(),
        "a sequence" => format!("a list, such as {key} = [\"…\"]"),
        "a map" => format!("a section, [{key}]"),
        other if other.starts_with("struct ") => format!("a section, [{key}]"),
        other => other.to_owned(),
    }
}

/// Lines and values of all keys of a file.
#[derive(Debug, Default)]
pub(super) struct Places {
    file: String,
    places: BTreeMap<Path, (usize, Option<String>)>,
}

impl Places {
    fn of(file: &str, text: &str, table: &DeTable<'_>) -> Self {
        let mut all = Self {
            file: file.to_owned(),
            places: BTreeMap::new(),
        };
        all.add_table(text, table, &mut Path::new());
        all
    }

    fn add_table(&mut self, text: &str, table: &DeTable<'_>, path: &mut Path) {
        for (key, value) in table {
            path.push(Step::Key(key.get_ref().to_string()));
            self.add(text, value, key.span().start, path);
            path.pop();
        }
    }

    fn add(&mut self, text: &str, value: &Spanned<DeValue<'_>>, start: usize, path: &mut Path) {
        let written = written(value).map(|span| quoted(&text[span]));
        self.places
            .insert(path.clone(), (line_of(text, start), written));
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(text, table, path),
            DeValue::Array(array) => {
                for (index, value) in array.iter().enumerate() {
                    path.push(Step::Index(index));
                    self.add(text, value, value.span().start, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// Returns the mistake in the value at this path; if there is none, in what contains it.
    pub(super) fn mistake(&self, path: &[Step], what: String) -> Mistake {
        let lengths = (1..=path.len()).rev();
        let found = lengths.into_iter().find_map(|length| {
            let place = self.places.get(&path[..length])?;
            Some((length, place))
        });
        let (line, value) = match found {
            Some((length, (line, value))) => {
                (Some(*line), value.clone().filter(|_| length == path.len()))
            }
            None => (None, None),
        };
        let is_table = value.is_none() && matches!(path.last(), Some(Step::Index(_)));
        Mistake {
            file: Some(self.file.clone()),
            line,
            key: shown(path, is_table),
            value,
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_in_the_file() {
        for (path, is_table, expected) in [
            ("limits.cpu_high", false, "[limits] cpu_high"),
            ("mute.0.until", false, "[[mute]] until"),
            ("mute.0", true, "[[mute]]"),
            ("report.panels.1.sql", false, "[[report.panels]] sql"),
            ("report.sections.2", false, "[report] sections"),
            ("limits", true, "[limits]"),
            ("limit", false, "limit"),
        ] {
            assert_eq!(shown(&at(path), is_table), expected);
        }
    }
}
