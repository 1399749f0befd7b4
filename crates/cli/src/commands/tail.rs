//! `dragline tail`: what scrapers log, while they log it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use dragline_ingest::{Begin, Checkpoint, Follower, Memory, ReadOptions};
use dragline_report::render::{self, Terminal};
use dragline_schema::wire::encode;
use dragline_schema::{
    Event, Level, Position, Problem, ProblemKind, Record, Sink, SourceFile, Timestamp, host_of,
};
use regex::Regex;

use super::read::{READING, read_options};
use crate::args::{TailArgs, TailFormat, WrongUsage};
use crate::config::Config;
use crate::output::tell;
use crate::{output, progress, times};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);
/// A record whose lines may go on is shown when none came for so long.
const SETTLED: Duration = Duration::from_secs(1);
/// So much of each log's text is read back for the last records, as long as they are not found.
const READ_BACK: [u64; 3] = [64 << 10, 2 << 20, 64 << 20];
/// So many lines of a file that cannot be read are named, until something else is.
const NAMED: u32 = 5;
/// So many troubles are held while it is looked back.
const TROUBLES: usize = 1000;
/// So many errors are remembered.
const ERRORS: usize = 100_000;
/// So many records are held to be put in order …
const HELD: usize = 10_000;
/// … and so many bytes of them.
const HELD_BYTES: usize = 32 << 20;
/// … or, of the memory that there may be, one of so many parts.
const HELD_PART: usize = 16;

/// `dragline tail`
pub(crate) fn tail(args: &TailArgs) -> anyhow::Result<()> {
    if args.logs.iter().any(|log| log == "-") {
        let sentence = "tail follows files; what comes by standard input is read by report, sql and the others";
        return Err(WrongUsage::new(sentence).into());
    }
    dragline_ingest::check_patterns(&args.logs)
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    let config = Config::load(args.config.as_deref())?;
    let memory = args.memory.unwrap_or(READING);
    let options = ReadOptions {
        memory: Arc::new(Memory::of(memory)),
        ..read_options(&config, &args.filter)?
    };
    let guard = progress::guard(&options.watch, memory);
    let kept = args.state.as_deref().map(Checkpoint::load).transpose()?;
    let (mut follower, mut shown) = match kept.flatten() {
        Some(checkpoint) => (
            Follower::resume(&args.logs, &options, checkpoint),
            Shown::new(args)?,
        ),
        None if args.from_start => (
            Follower::new(&args.logs, &options, Begin::Start),
            Shown::new(args)?,
        ),
        None => look_back(args, &options)?,
    };
    let mut quiet_since = Instant::now();
    let mut saved = None;
    let mut is_first = true;
    loop {
        let lines = follower.poll(&mut shown);
        if lines > 0 {
            quiet_since = Instant::now();
        }
        if args.no_follow && args.state.is_none() {
            follower.finish(&mut shown);
        } else if args.no_follow || quiet_since.elapsed() >= SETTLED {
            follower.settle(&mut shown);
        }
        guard.check()?;
        shown.flush()?;
        if let Some(path) = &args.state {
            // What was shown is not shown again.
            let reached = follower.checkpoint();
            if saved.as_ref() != Some(&reached) {
                reached.save(path)?;
                saved = Some(reached);
            }
        }
        if options.watch.is_cancelled() {
            return Err(progress::Stopped.into());
        }
        if args.no_follow {
            return shown.judged(follower.is_empty());
        }
        if std::mem::take(&mut is_first) && follower.is_empty() {
            tell("there is no log yet: waiting for one");
        }
        std::thread::sleep(LOOK);
    }
}

/// Looks back as far as the last records need; gives who goes on from there, and what is to be shown.
fn look_back<'a>(
    args: &'a TailArgs,
    options: &ReadOptions,
) -> anyhow::Result<(Follower, Shown<'a>)> {
    // Who only looks once has time for all; who follows wants to see what comes.
    let everything = args.no_follow.then_some(u64::MAX);
    let steps = READ_BACK.into_iter().chain(everything);
    let mut last = None;
    for bytes in steps {
        let mut follower = Follower::new(&args.logs, options, Begin::Before(bytes));
        let mut shown = Shown::new(args)?;
        shown.last = Some(args.lines);
        follower.poll(&mut shown);
        // Where nothing comes any more, the last record is whole.
        follower.settle(&mut shown);
        let is_enough = shown.taken >= args.lines as u64 || follower.passed() == 0;
        last = Some((follower, shown, bytes));
        if is_enough || options.watch.is_cancelled() {
            break;
        }
    }
    // There is a first step.
    let (follower, shown, bytes) = last.context("nothing was looked at")?;
    if shown.taken < args.lines as u64 && follower.passed() > 0 && !options.watch.is_cancelled() {
        let back = bytesize::ByteSize::b(bytes).display().iec();
        tell(&format!(
            "the last {back} of each log hold {} of the last {} records that are wanted; --from-start shows all",
            shown.taken, args.lines
        ));
    }
    Ok((follower, shown))
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
    /// Bytes of what is held.
    held_bytes: usize,
    /// So many of them may be shown.
    held_limit: usize,
    /// The numbers of errors that were shown: a recorder's copy of its errors has them again.
    errors: HashSet<u64>,
    /// Of what is held, only so many are shown.
    last: Option<usize>,
    /// So many of them were let go, since they take too much memory.
    let_go: usize,
    failed: Option<std::io::Error>,
    /// Records that were read, whether they are shown or not.
    records: u64,
    /// Records that are wanted.
    taken: u64,
    /// So many lines in a row could not be read.
    bad_lines: u32,
    /// What could not be read, until it is told.
    troubles: Vec<String>,
    /// The first thing that could not be read.
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
            held_bytes: 0,
            held_limit: HELD_BYTES.min(args.memory.unwrap_or(READING) / HELD_PART),
            errors: HashSet::new(),
            last: None,
            let_go: 0,
            failed: None,
            records: 0,
            taken: 0,
            bad_lines: 0,
            troubles: Vec::new(),
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

    /// Says what could not be read, now or when it is looked back far enough.
    fn tell(&mut self, trouble: String) {
        self.trouble.get_or_insert_with(|| trouble.clone());
        if self.last.is_none() {
            tell(&trouble);
        } else if self.troubles.len() < TROUBLES {
            self.troubles.push(trouble);
        }
    }

    /// Says once that lines are not named one by one any more.
    fn too_many_to_name(&mut self, line: u64) {
        if self.bad_lines == NAMED + 1 {
            let path = &self.path;
            self.tell(format!(
                "{path}:{line}: and more like it in a row, which are not named; `dragline report` counts them"
            ));
        }
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

    /// Lets go of what is held beyond the last records, and beyond what may be held.
    fn trim(&mut self, last: usize) {
        self.sort();
        let mut surplus = self.held.len().saturating_sub(last);
        let beyond = self.held[..surplus].iter();
        let mut bytes = self.held_bytes - beyond.map(|(_, line)| line.len()).sum::<usize>();
        while bytes > self.held_limit && surplus + 1 < self.held.len() {
            bytes -= self.held[surplus].1.len();
            surplus += 1;
            self.let_go += 1;
        }
        self.held.drain(..surplus);
        self.held_bytes = bytes;
    }

    /// Writes what is held.
    fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error).context("cannot write to standard output");
        }
        self.troubles.drain(..).for_each(|trouble| tell(&trouble));
        if let Some(last) = self.last.take() {
            self.trim(last);
            let let_go = std::mem::take(&mut self.let_go);
            if let_go > 0 {
                tell(&format!(
                    "of the last {last} records, only so many are shown as {} hold; --from-start shows all",
                    bytesize::ByteSize::b(self.held_limit as u64)
                        .display()
                        .iec()
                ));
            }
        }
        self.sort();
        self.held_bytes = 0;
        let mut out = std::io::stdout().lock();
        let write = |out: &mut std::io::StdoutLock<'_>, line: &[u8]| out.write_all(line);
        for (_, line) in self.held.drain(..) {
            write(&mut out, &line).context("cannot write to standard output")?;
        }
        out.flush().context("cannot write to standard output")
    }

    /// An error when nothing could be read of what was named; says when nothing of it was wanted.
    fn judged(&self, is_empty: bool) -> anyhow::Result<()> {
        match &self.trouble {
            _ if self.records > 0 => {}
            Some(trouble) => anyhow::bail!("nothing could be read: {trouble}"),
            // A state says that all of it was shown before.
            None if self.args.state.is_some() && !is_empty => {}
            None => anyhow::bail!("nothing could be read: there is no line in what was named"),
        }
        if self.records > 0 && self.taken == 0 {
            tell(&format!(
                "none of {} records is wanted by the filters",
                self.records
            ));
        }
        Ok(())
    }
}

/// Adds the user's own fields to a record's line.
fn with_own(record: &Record<'_>, line: &mut Vec<u8>) {
    let Some(own) = dragline_ingest::own_fields_json(record) else {
        return;
    };
    // A record says at least one thing, else its line is `{}`.
    let begins = line.len() - "}\n".len();
    let is_bare = line[..begins] == *b"{";
    line.truncate(begins);
    line.extend_from_slice(if is_bare { b"" } else { b"," });
    line.extend_from_slice(&own.as_bytes()[1..]);
    line.push(b'\n');
}

impl Sink for Shown<'_> {
    fn file(&mut self, file: &SourceFile) {
        if self.path != file.path {
            self.path.clone_from(&file.path);
            self.bad_lines = 0;
        }
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        // An account by itself is no line of anybody's.
        if matches!(record.event, Event::Summary(_)) && record.level.is_none() {
            return;
        }
        self.records += 1;
        self.bad_lines = 0;
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
                with_own(record, &mut line);
                let text = String::from_utf8_lossy(&line);
                if let Cow::Owned(text) = render::clean_json(&text) {
                    line = text.into_bytes();
                }
            }
        }
        self.taken += 1;
        self.held_bytes += line.len();
        self.held.push((record.timestamp, line));
        // Beyond the limit, so that not every record has all of them put in order.
        let is_full = self.held_bytes > 2 * self.held_limit;
        if let Some(last) = self.last
            && (is_full || self.held.len() >= last.saturating_mul(2).max(HELD))
        {
            self.trim(last);
        }
        if (is_full || self.held.len() >= HELD) && self.last.is_none() {
            self.failed = self.flush().err().and_then(|error| error.downcast().ok());
        }
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        let told = match (problem.kind, problem.at) {
            (ProblemKind::NoTimestamp | ProblemKind::AmbiguousDate | ProblemKind::EmptyFile, _) => {
                return;
            }
            (kind, Some(at)) if kind.is_lost_line() => {
                let (path, line) = (&self.path, at.line);
                self.bad_lines += 1;
                if self.bad_lines > NAMED {
                    return self.too_many_to_name(line);
                }
                format!(
                    "{path}:{line}: in no format that is known: {}",
                    problem.detail
                )
            }
            _ => format!("{}: {}", self.path, problem.detail),
        };
        self.tell(told);
    }
}
