//! Data that only some scrapers log: articles, searches, queues, databases, the machine.

use std::ops::Deref;
use std::sync::LazyLock;

use dragline_schema::{Event, Record, Timestamp, clip};
use serde::{Deserialize, Serialize};

use crate::bounded::{Add, Bounded};
use crate::counters::Spread;
use crate::evidence::Evidence;
use crate::signs::FirstSign;

/// Maximum length of a name in bytes; longer ones are cut.
const LONGEST: usize = 256;
/// Values are stored as integers in thousandths, so that fractions add up exactly.
const MILLI: f64 = 1000.0;

macro_rules! add_fields {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl Add for $name {
            fn add(&mut self, other: Self) {
                $( Add::add(&mut self.$field, other.$field); )*
            }
        }
    };
}

/// Data of the less common event types of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sections {
    /// Articles.
    pub articles: Articles,
    /// Duplicates.
    pub duplicates: Duplicates,
    /// Searches.
    pub search: Search,
    /// The request queue.
    pub queue: Queue,
    /// The scraper's database.
    pub database: Database,
    /// The machine.
    pub system: System,
    /// Requested hosts.
    pub domains: Domains,
    /// Missing fields of items.
    pub fields: Fields,
    /// Warnings by template.
    pub warnings: Warnings,
}
add_fields!(Sections {
    articles,
    duplicates,
    search,
    queue,
    database,
    system,
    domains,
    fields,
    warnings
});

/// Optional [`Sections`]; most sources have none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rare(Option<Box<Sections>>);

static NONE: LazyLock<Sections> = LazyLock::new(Sections::default);

impl Deref for Rare {
    type Target = Sections;

    fn deref(&self) -> &Sections {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl PartialEq for Rare {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Add for Rare {
    fn add(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(own), Some(other)) => own.add(*other),
            (own @ None, other) => *own = other,
            (Some(_), None) => {}
        }
    }
}

impl Rare {
    /// The sections, created if missing.
    pub(crate) fn own(&mut self) -> &mut Sections {
        self.0.get_or_insert_default()
    }

    pub(crate) fn observe(&mut self, record: &Record<'_>) {
        if Sections::takes(&record.event) {
            self.own().observe(record);
        }
    }

    /// Replaces the templates of the warnings by what `of` makes of each and of the text of its first line.
    pub(crate) fn map_warnings(&mut self, of: impl Fn(&str, &str) -> String) {
        let Some(sections) = self.0.as_mut().filter(|own| !own.warnings.0.is_empty()) else {
            return;
        };
        let old = std::mem::take(&mut sections.warnings);
        for (template, warned) in old.0.into_kept() {
            let template = of(&template, warned.first.text());
            sections.warnings.0.entry(template.as_str()).add(warned);
        }
    }

    /// Drops the hosts, which another source counts.
    pub(crate) fn forget_domains(&mut self) {
        if let Some(sections) = &mut self.0 {
            sections.domains = Domains::default();
        }
    }
}

/// Stored articles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Articles {
    /// Words per article.
    pub words: Spread,
    /// Time from page to storage, in microseconds.
    pub processing: Spread,
    /// Articles by language.
    pub languages: Bounded<String, u64>,
}
add_fields!(Articles {
    words,
    processing,
    languages
});

impl Default for Articles {
    fn default() -> Self {
        Self {
            words: Spread::default(),
            processing: Spread::default(),
            languages: Bounded::new(64),
        }
    }
}

impl Add for Bounded<String, u64> {
    fn add(&mut self, other: Self) {
        self.merge(other);
    }
}

/// Items recognised as duplicates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Duplicates {
    /// Number of duplicates.
    pub count: u64,
    /// The scraper's confidence, in thousandths.
    pub confidence: Spread,
}
add_fields!(Duplicates { count, confidence });

/// Searches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Search {
    /// Number of searches.
    pub count: u64,
    /// Results per search.
    pub results: Spread,
    /// Response time, in microseconds.
    pub response_time: Spread,
    /// Query length, in characters.
    pub query_length: Spread,
}
add_fields!(Search {
    count,
    results,
    response_time,
    query_length
});

/// The logged queue lengths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// The lengths.
    pub size: Spread,
}
add_fields!(Queue { size });

/// Calls to the scraper's database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    /// Duration of a call, in microseconds.
    pub duration: Spread,
    /// Open connections.
    pub connections: Spread,
    /// Calls by operation.
    pub operations: Bounded<String, Operation>,
}
add_fields!(Database {
    duration,
    connections,
    operations
});

impl Default for Database {
    fn default() -> Self {
        Self {
            duration: Spread::default(),
            connections: Spread::default(),
            operations: Bounded::new(64),
        }
    }
}

impl Add for Bounded<String, Operation> {
    fn add(&mut self, other: Self) {
        self.merge(other);
    }
}

/// One kind of database operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operation {
    /// Number of calls.
    pub count: u64,
    /// Duration of a call, in microseconds.
    pub duration: Spread,
}
add_fields!(Operation { count, duration });

/// The machines by name, at most 64; samples without a machine name share an empty name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// The machines.
    pub machines: Bounded<String, Machine>,
}
add_fields!(System { machines });

impl System {
    /// All machines merged into one.
    pub fn whole(&self) -> Machine {
        let mut whole = Machine::default();
        let rest = self.machines.overflow().into_iter();
        let all = self.machines.iter().map(|(_, machine)| machine);
        all.chain(rest)
            .for_each(|machine| whole.add(machine.clone()));
        whole
    }
}

impl Default for System {
    fn default() -> Self {
        Self {
            machines: Bounded::new(64),
        }
    }
}

impl Add for Bounded<String, Machine> {
    fn add(&mut self, other: Self) {
        self.merge(other);
    }
}

/// The first and last value of a counter that increases while a machine is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Running {
    first: Option<(Timestamp, u64)>,
    last: Option<(Timestamp, u64)>,
    /// The largest value; larger than the last one if the counter started again.
    most: u64,
}

impl Running {
    fn observe(&mut self, time: Option<Timestamp>, value: Option<u64>) {
        if let (Some(time), Some(value)) = (time, value) {
            let own = Some((time, value));
            self.add(Self {
                first: own,
                last: own,
                most: value,
            });
        }
    }

    /// The average increase per second; `None` if it was logged only once or was reset.
    pub fn rate(&self) -> Option<f64> {
        let ((begin, first), (end, last)) = (self.first?, self.last?);
        let seconds = end.since(begin) as f64 / 1e6;
        if self.most > last {
            return None;
        }
        let more = last.checked_sub(first)?;
        (seconds > 0.0).then_some(more as f64 / seconds)
    }
}

impl Add for Running {
    fn add(&mut self, other: Self) {
        self.first = match (self.first, other.first) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
        self.last = self.last.max(other.last);
        self.most = self.most.max(other.most);
    }
}

/// Samples of a machine. Percentages are in thousandths of a percent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// CPU in use.
    pub cpu: Spread,
    /// Memory in use.
    pub memory: Spread,
    /// Memory in use, in bytes.
    pub memory_bytes: Spread,
    /// Memory available to programs, in bytes.
    pub available_bytes: Spread,
    /// Disk in use.
    pub disk: Spread,
    /// Disk in use, in bytes.
    pub disk_used_bytes: Spread,
    /// Free disk, in bytes.
    pub disk_free_bytes: Spread,
    /// Bytes sent since the machine's start.
    pub sent_bytes: Running,
    /// Bytes received since the machine's start.
    pub received_bytes: Running,
}
add_fields!(Machine {
    cpu,
    memory,
    memory_bytes,
    available_bytes,
    disk,
    disk_used_bytes,
    disk_free_bytes,
    sent_bytes,
    received_bytes
});

/// Requested hosts, at most 4,096 by name: of more, a sample by hash, which does not favour the largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Domains(pub Bounded<String, Domain>);

impl Default for Domains {
    fn default() -> Self {
        Self(Bounded::new(4096))
    }
}

impl Add for Domains {
    fn add(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

/// Number of items without a field, for at most 64 fields by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fields(pub Bounded<String, u64>);

impl Default for Fields {
    fn default() -> Self {
        Self(Bounded::new(64))
    }
}

impl Fields {
    /// Counts a JSON list of an item's missing fields.
    fn observe(&mut self, list: Option<&str>) {
        let Some(list) = list.filter(|list| list.contains('"')) else {
            return;
        };
        // Anything but a list of strings names no field.
        for field in serde_json::from_str::<Vec<String>>(list).unwrap_or_default() {
            *self.0.entry(clip(&field, LONGEST)) += 1;
        }
    }
}

impl Add for Fields {
    fn add(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

/// Log records at WARN without another meaning, for at most 64 templates: messages without their variable parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warnings(pub Bounded<String, Warned>);

impl Default for Warnings {
    fn default() -> Self {
        Self(Bounded::new(64))
    }
}

impl Add for Warnings {
    fn add(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

/// The warnings of one template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Warned {
    /// Number of warnings.
    pub count: u64,
    /// The first one.
    pub first: FirstSign,
}
add_fields!(Warned { count, first });

impl Warnings {
    /// Maximum length of a template in bytes; longer ones are cut.
    const TEMPLATE: usize = 120;

    /// Counts a warning.
    pub(crate) fn observe(
        &mut self,
        template: &str,
        (time, place): (Option<Timestamp>, Evidence),
        message: &str,
    ) {
        let warned = self.0.entry(clip(template, Self::TEMPLATE));
        warned.count += 1;
        warned
            .first
            .observe(time, place, || clip(message, Self::TEMPLATE).to_owned());
    }
}

/// One host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Domain {
    /// HTTP attempts.
    pub requests: u64,
    /// HTTP attempts that failed.
    pub requests_failed: u64,
    /// Bytes of responses.
    pub bytes: u64,
    /// HTTP attempts whose line contains the size of the response.
    pub sized: u64,
}
add_fields!(Domain {
    requests,
    requests_failed,
    bytes,
    sized
});

/// Converts a value to thousandths of its unit; `None` if it is invalid.
pub(crate) fn thousandths(value: f64) -> Option<u64> {
    (value.is_finite() && value >= 0.0).then(|| (value * MILLI).round() as u64)
}

fn observe(spread: &mut Spread, value: Option<u64>) {
    if let Some(value) = value {
        spread.observe(value);
    }
}

impl Sections {
    /// Adds the other sections.
    pub fn merge(&mut self, other: Self) {
        self.add(other);
    }

    /// Whether an event is recorded here.
    fn takes(event: &Event<'_>) -> bool {
        match event {
            Event::ProductProcessed(event) => event.fields_missing.is_some(),
            Event::ArticleStored(_)
            | Event::DuplicateDetected(_)
            | Event::SearchQuery(_)
            | Event::QueueSize(_)
            | Event::DatabaseOperation(_)
            | Event::SystemSample(_) => true,
            _ => false,
        }
    }

    fn observe(&mut self, record: &Record<'_>) {
        match &record.event {
            Event::ArticleStored(event) => {
                observe(&mut self.articles.words, event.word_count);
                let took = event.processing_time_ms.and_then(thousandths);
                observe(&mut self.articles.processing, took);
                if let Some(language) = event.language.as_deref() {
                    *self.articles.languages.entry(clip(language, LONGEST)) += 1;
                }
                self.fields
                    .observe(event.fields_missing.as_ref().map(|json| &*json.0));
            }
            Event::ProductProcessed(event) => self
                .fields
                .observe(event.fields_missing.as_ref().map(|json| &*json.0)),
            Event::DuplicateDetected(event) => {
                self.duplicates.count += 1;
                observe(
                    &mut self.duplicates.confidence,
                    event.confidence.and_then(thousandths),
                );
            }
            Event::SearchQuery(event) => {
                self.search.count += 1;
                observe(&mut self.search.results, event.result_count);
                let took = event.response_time_ms.and_then(thousandths);
                observe(&mut self.search.response_time, took);
                let length = event
                    .query
                    .as_ref()
                    .map(|query| query.chars().count() as u64);
                observe(&mut self.search.query_length, length);
            }
            Event::QueueSize(event) => observe(&mut self.queue.size, event.queue_size),
            Event::DatabaseOperation(event) => {
                let took = event.duration_ms.and_then(thousandths);
                observe(&mut self.database.duration, took);
                observe(&mut self.database.connections, event.connections_active);
                let name = clip(event.operation.as_deref().unwrap_or("unknown"), LONGEST);
                let operation = self.database.operations.entry(name);
                operation.count += 1;
                observe(&mut operation.duration, took);
            }
            Event::SystemSample(event) => {
                self.observe_machine(event, record.timestamp);
            }
            _ => {}
        }
    }

    fn observe_machine(
        &mut self,
        event: &dragline_schema::SystemSample<'_>,
        at: Option<Timestamp>,
    ) {
        let name = clip(event.host.as_deref().unwrap_or_default(), LONGEST);
        let system = self.system.machines.entry(name);
        observe(&mut system.cpu, event.cpu_percent.and_then(thousandths));
        observe(
            &mut system.memory,
            event.memory_percent.and_then(thousandths),
        );
        observe(&mut system.memory_bytes, event.memory_used_bytes);
        observe(&mut system.available_bytes, event.memory_available_bytes);
        observe(&mut system.disk, event.disk_percent.and_then(thousandths));
        observe(&mut system.disk_used_bytes, event.disk_used_bytes);
        observe(&mut system.disk_free_bytes, event.disk_free_bytes);
        system.sent_bytes.observe(at, event.network_sent_bytes);
        let received = event.network_received_bytes;
        system.received_bytes.observe(at, received);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(values: &[u64]) -> Option<f64> {
        let mut total = Running::default();
        for (minute, value) in (0..).zip(values) {
            let mut one = Running::default();
            one.observe(Some(Timestamp::from_seconds(minute * 60)), Some(*value));
            total.add(one);
        }
        total.rate()
    }

    #[test]
    fn a_counter_that_started_again_has_no_rate() {
        assert_eq!(rate(&[600, 1_200, 1_800]), Some(10.0));
        assert_eq!(rate(&[600]), None);
        // It ends above its first value, and yet began again.
        assert_eq!(rate(&[600, 9_000, 700]), None);
    }
}
