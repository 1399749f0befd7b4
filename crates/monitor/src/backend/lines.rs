//! Single lines, read from the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline_alerting::notice::redact_long_line;
use dragline_classifier::RuleSet;
use dragline_ingest::{Family, ReadOptions, Watch, discover, excerpt, pick, read_family};
use dragline_scan::Labeller;
use dragline_schema::{Level, Position, Problem, Record, Sink, SourceFile, Timestamp, clip};
use dragline_web::model::{EventLine, LineAround, LinesAround};
use dragline_web::{Answer, BackendError, EventQuery, Listing, Place, Scope, ScraperKey, Window};

use crate::service::Monitor;

/// Maximum number of lines shown before and after a place.
const AROUND: u32 = 200;
/// Longest text of a line among the lines around it, in characters.
const LONGEST: usize = 4_096;
/// Longest text of a line in a list, in characters.
const LISTED: usize = 1_000;
/// How long files are searched.
const LIMIT: Duration = Duration::from_secs(10);
/// Lines are written at most this long after their time, in microseconds: files that were last written before a window
/// cannot hold its lines.
const LATE: i64 = 3_600_000_000;

/// Which lines are searched.
pub(super) struct Search {
    pub(super) scope: Scope,
    pub(super) run_id: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) event_type: Option<String>,
    pub(super) text: Option<String>,
    pub(super) window: Window,
    /// Only errors of this group.
    pub(super) group: Option<u64>,
}

impl Monitor {
    pub(super) fn read_around(
        &self,
        place: &Place,
        before: u32,
        after: u32,
    ) -> Answer<LinesAround> {
        let path = self.followed(&place.file)?;
        let (before, after) = (u64::from(before.min(AROUND)), u64::from(after.min(AROUND)));
        let line = match place.line {
            Some(line) => line,
            None => {
                line_at(&path, place.offset).map_err(|error| unreadable(&place.file, &error))?
            }
        };
        let first = line.saturating_sub(before).max(1);
        let last = line.saturating_add(after);
        // One more than wanted tells whether there are more.
        let numbers: BTreeSet<u64> = (first..=last.saturating_add(1)).collect();
        let lines = pick(&path, &numbers, &Arc::default())
            .map_err(|error| unreadable(&place.file, &error))?;
        if !lines.iter().any(|(at, _)| at.line == line) {
            return Err(BackendError::NotFound(format!(
                "{} has no line {line}",
                place.file
            )));
        }
        let has_after = lines.iter().any(|(at, _)| at.line > last);
        let shown = lines.into_iter().filter(|(at, _)| at.line <= last);
        let target = |at: &Position| at.line == line;
        let lines: Vec<LineAround> = shown
            .map(|(at, text)| LineAround {
                line: Some(at.line),
                offset: at.offset,
                is_target: target(&at),
                level: level_in(&text),
                text: redact_long_line(&text, LONGEST),
            })
            .collect();
        let target = lines.iter().find(|line| line.is_target);
        let has_moved =
            place.line.is_some() && target.is_some_and(|line| line.offset != place.offset);
        Ok(LinesAround {
            file: place.file.clone(),
            has_before: first > 1,
            has_after,
            lines,
            note: has_moved.then(|| {
                "The file has changed since this line was counted: it was rotated, and the line may be in a file with \
                 another name."
                    .to_owned()
            }),
        })
    }

    /// The path of a file that is followed. Everything else is refused: the name comes from a request.
    fn followed(&self, file: &str) -> Answer<PathBuf> {
        let refused =
            || BackendError::NotFound(format!("{file} is not a file that the service follows"));
        let path = Path::new(file).canonicalize().map_err(|_| {
            BackendError::NotFound(format!(
                "{file} does not exist any more, or is not a file that the service follows"
            ))
        })?;
        let is_below = |input: &String| {
            let input = Path::new(input).canonicalize();
            input.is_ok_and(|input| path.starts_with(input))
        };
        let is_given = self.follows().iter().any(is_below);
        let is_log = || {
            let found = discover(&self.follows());
            let families = found.map(|found| found.families).unwrap_or_default();
            let mut files = families.iter().flat_map(|family| &family.files);
            files.any(|log| log.path.canonicalize().is_ok_and(|log| log == path))
        };
        if path.is_file() && is_given && is_log() {
            Ok(path)
        } else {
            Err(refused())
        }
    }

    pub(super) fn search_events(&self, query: &EventQuery) -> Answer<Listing<EventLine>> {
        let search = Search {
            scope: query.scope.clone(),
            run_id: query.run_id.clone(),
            level: query.level,
            event_type: query.event_type.clone(),
            text: query.text.clone(),
            window: query.window,
            group: None,
        };
        self.search(&search, query.page.offset()?, query.page.limit, false)
    }

    /// Searches the files for at most ten seconds. Lines are sorted by time; `is_latest_first` turns them around.
    pub(super) fn search(
        &self,
        search: &Search,
        offset: usize,
        limit: usize,
        is_latest_first: bool,
    ) -> Answer<Listing<EventLine>> {
        let settings = self.settings();
        let found = discover(&self.follows())
            .map_err(|error| BackendError::Unavailable(error.to_string()))?;
        let wanted = offset.saturating_add(limit).saturating_add(1);
        let watch = Arc::new(Watch::default());
        let options = ReadOptions {
            watch: Arc::clone(&watch),
            ..settings.read.clone()
        };
        let begun = Instant::now();
        let mut all = Vec::new();
        let mut families: Vec<&Family> = found
            .families
            .iter()
            .filter(|family| !family.is_error_copy && may_hold(family, search.window))
            .collect();
        families.sort_by_key(|family| {
            family
                .files
                .iter()
                .filter_map(|file| file.source.modified)
                .max()
        });
        if is_latest_first {
            families.reverse();
        }
        for family in families {
            let mut finder = Finder {
                search,
                rules: &settings.rules,
                file: String::new(),
                found: Vec::new(),
                watch: &watch,
                begun,
                until_look: 0,
            };
            let recent = recent(family, search.window);
            read_family(&recent, &options, &mut finder);
            all.append(&mut finder.found);
            if watch.is_cancelled() || (is_latest_first && all.len() >= wanted) {
                break;
            }
        }
        all.sort_by(|a, b| (a.at, &a.file, a.position.line).cmp(&(b.at, &b.file, b.position.line)));
        if is_latest_first {
            all.reverse();
        }
        let is_cut = watch.is_cancelled();
        let more = all.len() > offset + limit;
        let page: Vec<Found> = all.into_iter().skip(offset).take(limit).collect();
        Ok(Listing {
            items: with_text(page),
            total: None,
            next: more.then(|| (offset + limit).to_string()),
            note: is_cut.then(|| {
                format!(
                    "The search was stopped after {} seconds: narrow the window or the filter.",
                    LIMIT.as_secs()
                )
            }),
        })
    }
}

fn unreadable(file: &str, error: &std::io::Error) -> BackendError {
    BackendError::Unavailable(format!("{file} cannot be read: {error}"))
}

/// The number of the line at an offset.
fn line_at(path: &Path, offset: u64) -> std::io::Result<u64> {
    let lines = excerpt(path, 1, u64::MAX, &Arc::default())?;
    let mut at = 0;
    for (number, text) in lines {
        at += text.len() as u64 + 1;
        if at > offset {
            return Ok(number);
        }
    }
    Ok(1)
}

/// The level that a line seems to have, for its colour.
fn level_in(text: &str) -> Option<String> {
    let start = clip(text, 200);
    let levels = ["CRITICAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    levels
        .iter()
        .find(|level| start.contains(**level))
        .map(|level| (*level).to_owned())
}

fn may_hold(family: &Family, window: Window) -> bool {
    family
        .files
        .iter()
        .any(|file| is_recent(file.source.modified, window))
}

fn is_recent(modified: Option<Timestamp>, window: Window) -> bool {
    modified.is_none_or(|modified| modified.plus_micros(LATE) >= window.from)
}

/// The files of a family that may hold lines of a window.
fn recent(family: &Family, window: Window) -> Family {
    let mut family = family.clone();
    family
        .files
        .retain(|file| is_recent(file.source.modified, window));
    family
}

/// A line that was found, without its text.
struct Found {
    file: String,
    position: Position,
    at: Option<Timestamp>,
    level: Option<Level>,
    event_type: Option<&'static str>,
    key: ScraperKey,
    run_id: Option<String>,
}

struct Finder<'f> {
    search: &'f Search,
    rules: &'f RuleSet,
    file: String,
    found: Vec<Found>,
    watch: &'f Watch,
    begun: Instant,
    until_look: u32,
}

impl Finder<'_> {
    fn is_wanted(&self, record: &Record<'_>) -> bool {
        let search = self.search;
        let is_in = record
            .timestamp
            .is_some_and(|time| search.window.contains(time));
        let has_level = search
            .level
            .is_none_or(|level| record.level.is_some_and(|own| own >= level));
        let has_type = search.event_type.as_deref().is_none_or(|wanted| {
            record
                .event
                .event_type()
                .is_some_and(|own| own.as_str() == wanted)
        });
        let has_run =
            search.run_id.is_none() || search.run_id.as_deref() == record.run_id.as_deref();
        is_in
            && has_level
            && has_type
            && has_run
            && search
                .scope
                .matches(record.scraper_id.as_deref(), record.site.as_deref())
            && self.is_of_group(record)
            && search
                .text
                .as_deref()
                .is_none_or(|text| has_text(record, text))
    }

    fn is_of_group(&self, record: &Record<'_>) -> bool {
        let Some(group) = self.search.group else {
            return true;
        };
        let labeller = Labeller {
            rules: self.rules,
            reclassifies: false,
        };
        labeller.label(record, |label| {
            label.is_some_and(|label| label.group == group)
        })
    }
}

/// Whether the record as it would be written contains a text.
fn has_text(record: &Record<'_>, text: &str) -> bool {
    let mut line = Vec::new();
    dragline_schema::wire::encode(record, &mut line);
    super::contains(&String::from_utf8_lossy(&line), text)
}

impl Sink for Finder<'_> {
    fn file(&mut self, file: &SourceFile) {
        self.file.clone_from(&file.path);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        self.until_look = self.until_look.wrapping_add(1);
        if self.until_look.is_multiple_of(1_024) && self.begun.elapsed() > LIMIT {
            self.watch.cancel();
        }
        if record.event.is_summary() || !self.is_wanted(record) {
            return;
        }
        let own = |part: &Option<std::borrow::Cow<'_, str>>| part.as_deref().map(str::to_owned);
        self.found.push(Found {
            file: self.file.clone(),
            position: at,
            at: record.timestamp,
            level: record.level,
            event_type: record
                .event
                .event_type()
                .map(dragline_schema::EventType::as_str),
            key: ScraperKey {
                scraper_id: own(&record.scraper_id),
                site: own(&record.site),
            },
            run_id: own(&record.run_id),
        });
    }

    fn problem(&mut self, _: &Problem<'_>) {}
}

/// The lines with their texts, each file read once.
fn with_text(page: Vec<Found>) -> Vec<EventLine> {
    let mut wanted: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for found in &page {
        wanted
            .entry(&found.file)
            .or_default()
            .insert(found.position.line);
    }
    let mut texts: BTreeMap<(String, u64), String> = BTreeMap::new();
    for (file, numbers) in wanted {
        // A file that is gone meanwhile has no texts.
        for (at, text) in pick(Path::new(file), &numbers, &Arc::default()).unwrap_or_default() {
            texts.insert((file.to_owned(), at.line), text);
        }
    }
    let line = |found: Found| {
        let text = texts.get(&(found.file.clone(), found.position.line));
        let text = text.map_or_else(
            || "The file cannot be read any more.".to_owned(),
            |text| redact_long_line(text, LISTED),
        );
        EventLine {
            place: Place {
                file: found.file,
                line: Some(found.position.line),
                offset: found.position.offset,
            },
            at: found.at,
            level: found.level.map(|level| level.as_str().to_owned()),
            event_type: found.event_type.map(str::to_owned),
            key: found.key,
            run_id: found.run_id,
            text,
        }
    };
    page.into_iter().map(line).collect()
}
