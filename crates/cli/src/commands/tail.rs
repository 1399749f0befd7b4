//! `dragline tail`: what scrapers log, while they log it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use dragline_analytics::render::{self, Terminal};
use dragline_ingest::{Begin, Checkpoint, Follower};
use dragline_schema::wire::encode;
use dragline_schema::{
    Event, Level, Position, Problem, ProblemKind, Record, Sink, SourceFile, Timestamp, host_of,
};
use regex::Regex;

use super::read::read_options;
use crate::args::{TailArgs, TailFormat, WrongUsage};
use crate::config::Config;
use crate::output::tell;
use crate::{output, progress, times};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);
/// A record whose lines may go on is shown when none came for so long.
const SETTLED: Duration = Duration::from_secs(1);
/// So much of each log is read back for the last records.
const READ_BACK: u64 = 64 << 10;
/// So many errors are remembered.
const ERRORS: usize = 100_000;
/// So many records are held to be put in order.
const HELD: usize = 10_000;

/// `dragline tail`
pub(crate) fn tail(args: &TailArgs) -> anyhow::Result<()> {
    if args.logs.iter().any(|log| log == "-") {
        let sentence = "tail follows files; what comes by standard input is read by report, sql and the others";
        return Err(WrongUsage::new(sentence).into());
    }
    dragline_ingest::check_patterns(&args.logs)
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    let config = Config::load(args.config.as_deref())?;
    let options = read_options(&config, &args.filter)?;
    let kept = args.state.as_deref().map(Checkpoint::load).transpose()?;
    let kept = kept.flatten();
    let is_resumed = kept.is_some();
    let mut follower = match kept {
        Some(checkpoint) => Follower::resume(&args.logs, &options, checkpoint),
        None if args.from_start => Follower::new(&args.logs, &options, Begin::Start),
        None => Follower::new(&args.logs, &options, Begin::Before(READ_BACK)),
    };
    let mut shown = Shown::new(args)?;
    if !is_resumed && !args.from_start {
        shown.last = Some(args.lines);
    }
    let interrupted = progress::interrupts();
    // A first look can be long.
    progress::look_after();
    let mut quiet_since = Instant::now();
    let mut saved = None;
    loop {
        let lines = follower.poll(&mut shown);
        if lines > 0 {
            quiet_since = Instant::now();
        }
        if args.no_follow || quiet_since.elapsed() >= SETTLED {
            follower.settle(&mut shown);
        }
        shown.flush()?;
        if let Some(path) = &args.state {
            // What was shown is not shown again.
            let reached = follower.checkpoint();
            if saved.as_ref() != Some(&reached) {
                reached.save(path)?;
                saved = Some(reached);
            }
        }
        if interrupted.load(Ordering::Relaxed) {
            return Ok(());
        }
        if args.no_follow {
            return shown.judged();
        }
        std::thread::sleep(LOOK);
    }
}

/// What is to be shown, in the order of time.
struct Shown<'a> {
    args: &'a TailArgs,
    pattern: Option<Regex>,
    filter: dragline_scan::Filter,
    terminal: Terminal,
    path: String,
    /// When, and the line.
    held: Vec<(Option<Timestamp>, Vec<u8>)>,
    /// The numbers of errors that were shown: a recorder's copy of its errors has them again.
    errors: HashSet<u64>,
    /// Of what is held, only so many are shown.
    last: Option<usize>,
    failed: Option<std::io::Error>,
    /// Records that were read, whether they are shown or not.
    records: u64,
    /// The first thing that could not be read, and whether it is something that was named.
    trouble: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(args: &'a TailArgs) -> anyhow::Result<Self> {
        let pattern = args.grep.as_deref().map(Regex::new).transpose();
        let pattern = pattern.map_err(|error| {
            WrongUsage::new(&format!("--grep is not a regular expression: {error}"))
        })?;
        Ok(Self {
            args,
            pattern,
            filter: args.filter.resolve(times::now()?)?,
            terminal: output::terminal(true),
            path: String::new(),
            held: Vec::new(),
            errors: HashSet::new(),
            last: None,
            failed: None,
            records: 0,
            trouble: None,
        })
    }

    fn takes(&self, record: &Record<'_>) -> bool {
        let filter = &self.filter;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == found
        };
        let url = match &record.event {
            Event::Request(request) => request.url.as_deref(),
            Event::ProductProcessed(product) => product.url.as_deref(),
            Event::ScraperError(error) => error.url.as_deref(),
            _ => None,
        };
        let site = record.site.as_deref().or_else(|| url.and_then(host_of));
        is(&filter.scraper, record.scraper_id.as_deref())
            && is(&filter.site, site)
            && is(&filter.run, record.run_id.as_deref())
            && filter.takes_level(record)
            && filter.takes_time(record)
    }

    /// Whether it is an error that was shown already, as its number says.
    fn is_copy(&mut self, record: &Record<'_>) -> bool {
        let (Some(writer), Some(seq)) = (&record.writer_id, record.seq) else {
            return false;
        };
        if record.level.is_none_or(|level| level < Level::Error) {
            return false;
        }
        if self.errors.len() >= ERRORS {
            self.errors.clear();
        }
        let run = (&record.scraper_id, &record.site, &record.run_id);
        let mut hasher = DefaultHasher::new();
        (writer, run, seq).hash(&mut hasher);
        !self.errors.insert(hasher.finish())
    }

    /// Puts what is held in the order of time.
    fn sort(&mut self) {
        // Records that do not say when stay where they are, behind those before them.
        let mut latest = None;
        for (time, _) in &mut self.held {
            *time = time.or(latest);
            latest = *time;
        }
        self.held.sort_by_key(|(time, _)| *time);
    }

    /// Writes what is held.
    fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error).context("cannot write to standard output");
        }
        self.sort();
        let surplus = self
            .last
            .take()
            .map_or(0, |last| self.held.len().saturating_sub(last));
        let mut out = std::io::stdout().lock();
        let write = |out: &mut std::io::StdoutLock<'_>, line: &[u8]| out.write_all(line);
        for (_, line) in self.held.drain(..).skip(surplus) {
            write(&mut out, &line).context("cannot write to standard output")?;
        }
        out.flush().context("cannot write to standard output")
    }

    /// An error when nothing could be read of what was named.
    fn judged(&self) -> anyhow::Result<()> {
        match &self.trouble {
            Some(trouble) if self.records == 0 => {
                anyhow::bail!("nothing could be read: {trouble}")
            }
            _ => Ok(()),
        }
    }
}

impl Sink for Shown<'_> {
    fn file(&mut self, file: &SourceFile) {
        self.path.clone_from(&file.path);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        // An account by itself is no line of anybody's.
        if matches!(record.event, Event::Summary(_)) && record.level.is_none() {
            return;
        }
        self.records += 1;
        if !self.takes(record) || self.is_copy(record) {
            return;
        }
        let shown_on = |terminal: &Terminal| render::record(record, &self.path, at, terminal);
        if let Some(pattern) = &self.pattern
            && !pattern.is_match(&shown_on(&Terminal::default()))
        {
            return;
        }
        let mut line = Vec::new();
        match self.args.format {
            TailFormat::Text => {
                line.extend(shown_on(&self.terminal).bytes());
                line.push(b'\n');
            }
            TailFormat::Json => {
                encode(record, &mut line);
                let text = String::from_utf8_lossy(&line);
                if let Cow::Owned(text) = render::clean_json(&text) {
                    line = text.into_bytes();
                }
            }
        }
        self.held.push((record.timestamp, line));
        if let Some(last) = self.last
            && self.held.len() >= last.saturating_mul(2).max(HELD)
        {
            self.sort();
            self.held.drain(..self.held.len() - last);
        }
        if self.held.len() >= HELD && self.last.is_none() {
            self.failed = self.flush().err().and_then(|error| error.downcast().ok());
        }
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        let told = match (problem.kind, problem.at) {
            (ProblemKind::NoTimestamp | ProblemKind::EmptyFile, _) => return,
            (kind, Some(at)) if kind.is_lost_line() => {
                let (path, line) = (&self.path, at.line);
                format!(
                    "{path}:{line}: in no format that is known: {}",
                    problem.detail
                )
            }
            _ => format!("{}: {}", self.path, problem.detail),
        };
        tell(&told);
        self.trouble.get_or_insert(told);
    }
}
