//! Many fleets, a report on each, and what the reports are worth.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::dialect::Dialect;
use crate::incident::Kind;
use crate::score::{Finding, Score, score};

/// An onset within this many minutes of the true one is right: one bucket of time, which no fleet's
/// period is long enough to widen.
const BUCKET_MINUTES: f64 = 15.0;
/// Fewer events than this are chance: who asks to see three lost items asks for false insights.
const EVENTS: u64 = 12;

/// What to evaluate.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program that reports.
    pub dragline: PathBuf,
    /// How many fleets with incidents, and as many without.
    pub fleets: u64,
    /// The first one's seed.
    pub first_seed: u64,
    /// How many at a time.
    pub jobs: usize,
    /// Where logs, truths and reports are kept; else they are deleted.
    pub keep: Option<PathBuf>,
    /// The part of their strength that incidents have.
    pub strength: f64,
}

/// What reports on many fleets are worth.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// The fleets: seed, whether quiet, scrapers times days, and how it went.
    pub fleets: Vec<Outcome>,
}

/// One fleet and how it went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What it was made from.
    pub seed: u64,
    /// Whether nothing was planted.
    pub quiet: bool,
    /// What its logs are written like.
    pub dialect: Dialect,
    /// Scrapers times days.
    pub scraper_days: usize,
    /// Lines in its logs, as the wire format has them.
    pub lines: u64,
    /// How its report did.
    pub score: Score,
}

impl Outcome {
    /// What became of the incidents that anybody could be asked to find in these logs.
    fn due(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.score.findings.iter();
        findings.filter(move |finding| is_due(finding) && self.dialect.sees(finding.incident.kind))
    }

    /// What it is called.
    fn name(&self) -> String {
        name(self.seed, self.quiet, self.dialect, " ")
    }
}

/// What a fleet is called.
fn name(seed: u64, quiet: bool, dialect: Dialect, joint: &str) -> String {
    let kind = if quiet { "quiet" } else { "planted" };
    match dialect {
        Dialect::Native => format!("{kind}{joint}{seed}"),
        _ => format!("{kind}{joint}{seed}{joint}{}", dialect.name()),
    }
}

/// Makes fleets, has them reported on, and scores the reports; `progress` hears how many are done.
///
/// # Errors
/// When logs cannot be written, or the program fails or writes no JSON.
pub fn evaluate(options: &Options, progress: &(dyn Fn(u64) + Sync)) -> Result<Evaluation> {
    evaluate_in(options, &[Dialect::Native], progress)
}

/// The same with the fleets' logs in several dialects in turn; without any, in the wire format.
///
/// # Errors
/// When logs cannot be written, or the program fails or writes no JSON.
pub fn evaluate_in(
    options: &Options,
    dialects: &[Dialect],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Evaluation> {
    let total = 2 * options.fleets;
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        break;
                    }
                    let dialect = spoken(dialects, number / 2);
                    let seed = options.first_seed + number / 2;
                    let result = one(options, dialect, seed, number % 2 == 1);
                    if result.is_err() {
                        next.store(total, Ordering::Relaxed);
                    }
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(result);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut fleets = results.into_iter().collect::<Result<Vec<_>>>()?;
    fleets.sort_by_key(|fleet| (fleet.seed, fleet.quiet));
    Ok(Evaluation { fleets })
}

/// The dialect of the fleet of this number: each in turn, and one further after each round of the
/// kinds that are planted in turn, so that every dialect meets every kind.
fn spoken(dialects: &[Dialect], number: u64) -> Dialect {
    let round = number / Kind::ALL.len() as u64;
    let turn = (number + round) % dialects.len().max(1) as u64;
    let dialect = dialects.get(turn as usize);
    dialect.copied().unwrap_or(Dialect::Native)
}

/// One fleet from its seed to its score.
fn one(options: &Options, dialect: Dialect, seed: u64, quiet: bool) -> Result<Outcome> {
    let name = name(seed, quiet, dialect, "-");
    let temporary = tempfile::tempdir().context("a temporary directory cannot be made")?;
    let dir = options
        .keep
        .as_deref()
        .unwrap_or(temporary.path())
        .join(&name);
    let logs = dir.join("logs");
    let truth = crate::make_in(&logs, (seed, quiet, options.strength), dialect)?;
    let report = report(&options.dragline, &logs)
        .with_context(|| format!("there is no report on the fleet {name}"))?;
    if options.keep.is_some() {
        save(&dir.join("truth.json"), &serde_json::to_vec_pretty(&truth)?)?;
        save(&dir.join("report.json"), &report)?;
    }
    let report = serde_json::from_slice(&report).context("a report is no JSON")?;
    Ok(Outcome {
        seed,
        quiet,
        dialect,
        scraper_days: truth.scraper_days(),
        lines: truth.lines,
        score: score(&truth, &report),
    })
}

fn report(dragline: &Path, logs: &Path) -> Result<Vec<u8>> {
    let output = Command::new(dragline)
        .args(["report", "--no-cache", "--format", "json"])
        .arg(logs)
        .output()
        .with_context(|| format!("{} cannot be run", dragline.display()))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}: {}",
            dragline.display(),
            output.status,
            told.trim()
        );
    }
    Ok(output.stdout)
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// How often things went well.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// Incidents that could be asked for.
    pub planted: usize,
    /// Those that a report found.
    pub found: usize,
    /// Those that it called by a right name.
    pub right_kind: usize,
    /// Found ones of which the logs tell the onset.
    pub datable: usize,
    /// Those of them whose onset a report knew.
    pub onset: usize,
}

impl Rates {
    fn count(&mut self, finding: &Finding, dialect: Dialect) {
        let datable = finding.is_found() && dialect.dates(finding.incident.kind);
        self.planted += 1;
        self.found += usize::from(finding.is_found());
        self.right_kind += usize::from(finding.right_kind);
        self.datable += usize::from(datable);
        self.onset += usize::from(datable && knows_onset(finding));
    }

    /// Found of planted, in percent.
    pub fn recall(&self) -> f64 {
        percent(self.found, self.planted)
    }

    /// Rightly named of found, in percent.
    pub fn named(&self) -> f64 {
        percent(self.right_kind, self.found)
    }

    /// Rightly dated of found ones that could be dated, in percent.
    pub fn dated(&self) -> f64 {
        percent(self.onset, self.datable)
    }
}

fn knows_onset(finding: &Finding) -> bool {
    finding
        .onset_minutes
        .is_some_and(|minutes| minutes <= BUCKET_MINUTES)
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        100.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

/// Whether an incident is one that anybody could be asked to find.
fn is_due(finding: &Finding) -> bool {
    let incident = &finding.incident;
    let counts_events = incident.kind.strikes_midway();
    incident.strength >= incident.minimum && (!counts_events || incident.events >= EVENTS)
}

impl Evaluation {
    /// The rates of one kind, or of all.
    pub fn rates(&self, kind: Option<Kind>) -> Rates {
        self.rates_in(None, kind)
    }

    /// The rates in one dialect, or in all, of one kind, or of all.
    pub fn rates_in(&self, dialect: Option<Dialect>, kind: Option<Kind>) -> Rates {
        let mut rates = Rates::default();
        for fleet in self.spoken_in(dialect) {
            for finding in fleet.due() {
                if kind.is_none_or(|kind| kind == finding.incident.kind) {
                    rates.count(finding, fleet.dialect);
                }
            }
        }
        rates
    }

    /// The fleets of one dialect, or all.
    fn spoken_in(&self, dialect: Option<Dialect>) -> impl Iterator<Item = &Outcome> {
        let fleets = self.fleets.iter();
        fleets.filter(move |fleet| dialect.is_none_or(|dialect| dialect == fleet.dialect))
    }

    /// False insights for every fifty days of a scraper, in quiet or in planted fleets.
    pub fn false_rate(&self, quiet: bool) -> f64 {
        self.false_rate_in(None, quiet)
    }

    /// The same in one dialect, or in all.
    pub fn false_rate_in(&self, dialect: Option<Dialect>, quiet: bool) -> f64 {
        let fleets = || {
            self.spoken_in(dialect)
                .filter(move |fleet| fleet.quiet == quiet)
        };
        let days: usize = fleets().map(|fleet| fleet.scraper_days).sum();
        let insights: usize = fleets().map(|fleet| fleet.score.false_insights.len()).sum();
        50.0 * insights as f64 / days.max(1) as f64
    }

    /// How many insights say again what another one of the same report says.
    pub fn repeated(&self) -> usize {
        self.fleets.iter().map(|fleet| fleet.score.repeated).sum()
    }

    /// Whether all of this is good enough.
    pub fn passes(&self) -> bool {
        let rates = self.rates(None);
        rates.recall() >= 95.0
            && rates.named() >= 90.0
            && rates.dated() >= 90.0
            && self.false_rate(true) <= 1.0
            && self.false_rate(false) <= 1.0
    }

    /// Every miss, wrong name, wrong onset and false insight, one a line.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for fleet in &self.fleets {
            let name = fleet.name();
            for finding in fleet.due() {
                let fault = fault(finding, fleet.dialect);
                faults.extend(fault.map(|fault| format!("{name}: {fault}")));
            }
            for claim in &fleet.score.false_insights {
                let since = claim
                    .since
                    .map_or("-".to_owned(), |since| format!("{since:.0}"));
                let scraper = claim.scraper_id.as_deref().unwrap_or("-");
                let site = claim.site.as_deref().unwrap_or("-");
                faults.push(format!(
                    "{name}: false {} on {scraper} {site} since {since}: {}",
                    claim.kind, claim.title
                ));
            }
        }
        faults
    }

    /// The table of the dialects; of an incident that a dialect cannot show nobody asks there.
    fn write_dialects(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| dialect | planted | found | recall % | right kind % | onset % | false in quiet fleets | false in planted fleets |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
        for dialect in Dialect::ALL {
            let only = Some(dialect);
            if self.spoken_in(only).next().is_none() {
                continue;
            }
            let rates = self.rates_in(only, None);
            let quiet = self.false_rate_in(only, true);
            let planted = self.false_rate_in(only, false);
            let name = dialect.name();
            writeln!(f, "| {name} | {rates} | {quiet:.2} | {planted:.2} |")?;
        }
        writeln!(f, "\nFalse insights are for 50 scraper-days.")?;
        self.write_kinds(f)
    }

    /// The table of kinds and dialects: found of planted ones, a dash where the dialect cannot show the kind.
    fn write_kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_spoken = |dialect: &Dialect| self.spoken_in(Some(*dialect)).next().is_some();
        let dialects: Vec<Dialect> = Dialect::ALL.into_iter().filter(is_spoken).collect();
        let names: Vec<&str> = dialects.iter().map(|dialect| dialect.name()).collect();
        writeln!(f, "\n| kind | {} |", names.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(dialects.len()))?;
        for kind in Kind::ALL {
            let cells = dialects.iter().map(|dialect| {
                let rates = self.rates_in(Some(*dialect), Some(kind));
                if dialect.sees(kind) {
                    format!("{}/{}", rates.found, rates.planted)
                } else {
                    "–".to_owned()
                }
            });
            let cells: Vec<String> = cells.collect();
            writeln!(f, "| {} | {} |", kind.name(), cells.join(" | "))?;
        }
        Ok(())
    }

    /// How many false insights there are of each kind: in quiet fleets, in planted ones.
    fn false_kinds(&self) -> BTreeMap<&str, [usize; 2]> {
        let mut kinds = BTreeMap::new();
        for fleet in &self.fleets {
            for claim in &fleet.score.false_insights {
                let counts: &mut [usize; 2] = kinds.entry(claim.kind.as_str()).or_default();
                counts[usize::from(!fleet.quiet)] += 1;
            }
        }
        kinds
    }
}

/// What is wrong with a finding, if anything is.
fn fault(finding: &Finding, dialect: Dialect) -> Option<String> {
    let incident = &finding.incident;
    let what = format!(
        "{} on {} {} since {:.0} until {:.0}, strength {} of at least {}, {} events",
        incident.kind.name(),
        incident.scraper_id,
        incident.site,
        incident.since,
        incident.until,
        incident.strength,
        incident.minimum,
        incident.events,
    );
    let Some(best) = &finding.best else {
        return Some(format!("missed {what}"));
    };
    if !finding.right_kind {
        return Some(format!("called {}: {what}", best.kind));
    }
    if !dialect.dates(incident.kind) || knows_onset(finding) {
        return None;
    }
    let minutes = finding.onset_minutes?;
    Some(format!("{minutes:.0} minutes beside the onset: {what}"))
}

/// The cells of a table; a share of nothing is a dash.
impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            planted,
            found,
            right_kind,
            datable,
            onset,
        } = *self;
        write!(f, "{planted} | {found}")?;
        for (part, whole) in [(found, planted), (right_kind, found), (onset, datable)] {
            match whole {
                0 => write!(f, " | –")?,
                _ => write!(f, " | {:.1}", percent(part, whole))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds = self.fleets.first().zip(self.fleets.last());
        let (first, last) = seeds.map_or((0, 0), |(first, last)| (first.seed, last.seed));
        let lines: u64 = self.fleets.iter().map(|fleet| fleet.lines).sum();
        writeln!(
            f,
            "Seeds {first} to {last}, each planted and quiet; {lines} lines.\n"
        )?;
        writeln!(
            f,
            "| kind | strength | minimum | planted | found | recall % | right kind % | onset % |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|---:|")?;
        for kind in Kind::ALL {
            let minimum = kind.minimum();
            let rates = self.rates(Some(kind));
            writeln!(
                f,
                "| {} | {} | {minimum} | {rates} |",
                kind.name(),
                kind.measure()
            )?;
        }
        writeln!(f, "| all | | | {} |\n", self.rates(None))?;
        writeln!(f, "Kinds and onsets are shares of what was found.")?;
        writeln!(f, "An onset is right within {BUCKET_MINUTES} minutes.")?;
        writeln!(
            f,
            "\n| false insights | in quiet fleets | in planted fleets |\n|---|---:|---:|"
        )?;
        for (kind, [quiet, planted]) in self.false_kinds() {
            writeln!(f, "| {kind} | {quiet} | {planted} |")?;
        }
        let (quiet, planted) = (self.false_rate(true), self.false_rate(false));
        writeln!(f, "| for 50 scraper-days | {quiet:.2} | {planted:.2} |")?;
        writeln!(f, "\nRepeated insights: {}.", self.repeated())?;
        let native = |fleet: &Outcome| fleet.dialect == Dialect::Native;
        if self.fleets.iter().all(native) {
            Ok(())
        } else {
            self.write_dialects(f)
        }
    }
}
