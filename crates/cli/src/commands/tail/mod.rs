//! `dragline tail`: follows logs while they are written.

mod known;

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
    Event, Level, Position, Problem, ProblemKind, Record, RunKey, Sink, SourceFile, Timestamp,
};
use regex::Regex;

use self::known::Known;
use super::read::{READING, read_options};
use crate::args::{TailArgs, TailFormat, WrongUsage};
use crate::output::tell;
use crate::session::Session;
use crate::{output, progress, times};

/// Polling interval.
const LOOK: Duration = Duration::from_millis(200);
/// Time without new lines after which a record that may continue is shown.
const SETTLED: Duration = Duration::from_secs(1);
/// Number of bytes of each log that are read back for the last records; larger steps follow if too few
/// records are found.
const READ_BACK: [u64; 3] = [64 << 10, 2 << 20, 64 << 20];
/// Number of consecutive unreadable lines of a file that are reported one by one.
const NAMED: u32 = 5;
/// Maximum number of problems held while reading back.
const TROUBLES: usize = 1000;
/// Maximum number of remembered errors.
const ERRORS: usize = 100_000;
/// Maximum number of records held for sorting by time.
const HELD: usize = 10_000;
/// Maximum number of bytes held for sorting.
const HELD_BYTES: usize = 32 << 20;
/// Records held for sorting may take at most this fraction (1/n) of the memory limit.
const HELD_PART: usize = 16;

/// Starts where the state file, the option or the last records say.
fn start<'a>(
    args: &'a TailArgs,
    options: &ReadOptions,
    known: &'a Known,
) -> anyhow::Result<(Follower, Shown<'a>)> {
    let kept = args.state.as_deref().map(Checkpoint::load).transpose()?;
    let follower = match kept.flatten() {
        Some(checkpoint) => Follower::resume(&args.logs, options, checkpoint),
        None if args.from_start => Follower::new(&args.logs, options, Begin::Start),
        None => return look_back(args, options, known),
    };
    Ok((follower, Shown::new(args, known)?))
}

/// `dragline tail`
pub(crate) fn tail(args: &TailArgs) -> anyhow::Result<()> {
    if args.logs.iter().any(|log| log == "-") {
        let sentence = "tail cannot follow standard input; use report, sql or another command";
        return Err(WrongUsage::new(sentence).into());
    }
    dragline_ingest::check_patterns(&args.logs)
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    let session = Session::open(&args.rules())?;
    let memory = args.memory.unwrap_or(READING);
    let options = ReadOptions {
        memory: Arc::new(Memory::of(memory)),
        ..read_options(&session.config, &args.filter)
    };
    let known = known::known(&session, args, memory)?;
    let guard = progress::guard(&options.watch, memory);
    let (mut follower, mut shown) = start(args, &options, &known)?;
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
            // Save the position, so that shown records are not shown again.
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
            tell("no logs yet: waiting");
        }
        std::thread::sleep(LOOK);
    }
}

/// Reads back far enough for the last records; returns the follower that continues from there, and the
/// records to show.
fn look_back<'a>(
    args: &'a TailArgs,
    options: &ReadOptions,
    known: &'a Known,
) -> anyhow::Result<(Follower, Shown<'a>)> {
    // Without following, read back everything if needed; when following, new records should appear soon.
    let everything = args.no_follow.then_some(u64::MAX);
    let steps = READ_BACK.into_iter().chain(everything);
    let mut last = None;
    for bytes in steps {
        let mut follower = Follower::new(&args.logs, options, Begin::Before(bytes));
        let mut shown = Shown::new(args, known)?;
        shown.last = Some(args.lines);
        follower.poll(&mut shown);
        // No further line follows, so the last record is complete.
        follower.settle(&mut shown);
        let is_enough = shown.taken >= args.lines as u64 || follower.passed() == 0;
        last = Some((follower, shown, bytes));
        if is_enough || options.watch.is_cancelled() {
            break;
        }
    }
    // There is at least one step.
    let (follower, shown, bytes) = last.context("no log was read")?;
    if shown.taken < args.lines as u64 && follower.passed() > 0 && !options.watch.is_cancelled() {
        let back = bytesize::ByteSize::b(bytes).display().iec();
        tell(&format!(
            "only {} of the {} requested records were found in the last {back} of each log; --from-start shows all",
            shown.taken, args.lines
        ));
    }
    Ok((follower, shown))
}

/// Records to show, in order of time.
struct Shown<'a> {
    args: &'a TailArgs,
    known: &'a Known,
    pattern: Option<Regex>,
    filter: dragline_scan::Filter,
    terminal: Terminal,
    path: String,
    /// Time and text of each held record.
    held: Vec<(Option<Timestamp>, Vec<u8>)>,
    /// Number of bytes held.
    held_bytes: usize,
    /// Maximum number of bytes held.
    held_limit: usize,
    /// Hashes of the errors shown: a recorder's copy of its errors contains them again.
    errors: HashSet<u64>,
    /// Number of last records to show; `None` after reading back.
    last: Option<usize>,
    /// Number of these records dropped because of the memory limit.
    let_go: usize,
    failed: Option<std::io::Error>,
    /// Number of records read, shown or not.
    records: u64,
    /// Number of records that match the filters.
    taken: u64,
    /// Number of consecutive unreadable lines.
    bad_lines: u32,
    /// Messages about unreadable parts that are not printed yet.
    troubles: Vec<String>,
    /// The first such message.
    trouble: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(args: &'a TailArgs, known: &'a Known) -> anyhow::Result<Self> {
        let pattern = args.grep.as_deref().map(Regex::new).transpose();
        let pattern = pattern.map_err(|error| {
            WrongUsage::new(&format!("invalid regular expression in --grep: {error}"))
        })?;
        Ok(Self {
            args,
            known,
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

    fn takes(&self, record: &Record<'_>, run: &RunKey) -> bool {
        self.filter.takes_run(run)
            && self.filter.takes_level(record)
            && self.filter.takes_time(record)
    }

    /// Whether an error was shown before, according to its sequence number.
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

    /// Prints a message about an unreadable part, or holds it while reading back.
    fn tell(&mut self, trouble: String) {
        self.trouble.get_or_insert_with(|| trouble.clone());
        if self.last.is_none() {
            tell(&trouble);
        } else if self.troubles.len() < TROUBLES {
            self.troubles.push(trouble);
        }
    }

    /// Prints once that further unreadable lines are not reported.
    fn too_many_to_name(&mut self, line: u64) {
        if self.bad_lines == NAMED + 1 {
            let path = &self.path;
            self.tell(format!(
                "{path}:{line}: further unreadable lines follow, which are not listed; `dragline report` counts them"
            ));
        }
    }

    /// Sorts the held records by time.
    fn sort(&mut self) {
        // Records without a time stay after the records before them.
        let mut latest = None;
        for (time, _) in &mut self.held {
            *time = time.or(latest);
            latest = *time;
        }
        self.held.sort_by_key(|(time, _)| *time);
    }

    /// Drops held records beyond the requested number and the memory limit.
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

    /// Writes the held records.
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
                    "not all of the last {last} records fit into {}; --from-start shows all",
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

    /// Returns an error if nothing could be read; prints a message if no record matched the filters.
    fn judged(&self, is_empty: bool) -> anyhow::Result<()> {
        match &self.trouble {
            _ if self.records > 0 => {}
            Some(trouble) => anyhow::bail!("nothing could be read: {trouble}"),
            // With a state file, everything may have been shown before.
            None if self.args.state.is_some() && !is_empty => {}
            None => anyhow::bail!("nothing could be read: the inputs contain no lines"),
        }
        if self.records > 0 && self.taken == 0 {
            let records = self.records;
            anyhow::bail!("no record matches all filters ({records} were read)");
        }
        Ok(())
    }
}

/// A record with the names that it has in the report.
fn named<'r>(record: &Record<'r>, run: &RunKey) -> Record<'r> {
    let name = |name: &Option<String>, own: &Option<Cow<'r, str>>| {
        let name = name.clone().map(Cow::Owned);
        name.or_else(|| own.clone())
    };
    Record {
        scraper_id: name(&run.scraper_id, &record.scraper_id),
        site: name(&run.site, &record.site),
        run_id: name(&run.run_id, &record.run_id),
        ..record.clone()
    }
}

/// Adds custom fields to a record's line.
fn with_own(record: &Record<'_>, line: &mut Vec<u8>) {
    let Some(own) = dragline_ingest::own_fields_json(record) else {
        return;
    };
    // A record without fields is the line `{}`.
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
        // Summaries without a level are derived and not lines of a log.
        if matches!(record.event, Event::Summary(_)) && record.level.is_none() {
            return;
        }
        self.records += 1;
        self.bad_lines = 0;
        let run = self.known.run_of(&self.path, record);
        if !self.takes(record, &run) || self.is_copy(record) {
            return;
        }
        let record = &named(record, &run);
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
        // Twice the limit, so that not every record triggers sorting.
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
            (
                ProblemKind::NoTimestamp
                | ProblemKind::EstimatedTime
                | ProblemKind::AmbiguousDate
                | ProblemKind::EmptyFile,
                _,
            ) => return,
            (kind, Some(at)) if kind.is_lost_line() => {
                let (path, line) = (&self.path, at.line);
                self.bad_lines += 1;
                if self.bad_lines > NAMED {
                    return self.too_many_to_name(line);
                }
                format!("{path}:{line}: unknown format: {}", problem.detail)
            }
            _ => format!("{}: {}", self.path, problem.detail),
        };
        self.tell(told);
    }
}
