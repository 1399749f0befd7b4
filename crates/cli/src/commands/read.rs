//! Reads logs according to the arguments and creates the report.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use dragline_capsule::{Made, Material};
use dragline_report::{Report, ReportOptions, render};
use dragline_rollup::Finished;
use dragline_scan::{Filter, History, Memory, ReadOptions, ScanOptions, Scanned};
use dragline_schema::{Level, ProblemKind};

use crate::args::{FilterArgs, InputArgs, ReadArgs, ReadingArgs, WrongUsage};
use crate::config::Config;
use crate::names::nearest;
use crate::output::tell;
use crate::progress::watched;
use crate::session::Session;

/// What was read for a report.
pub(super) struct Read {
    pub(super) finished: Finished,
    everything: Option<Finished>,
    options: ReportOptions,
}

/// Reads the inputs and creates the report; also returns the rollup that it is based on.
///
/// If nothing could be read, the error contains the first reasons.
pub(crate) fn report(session: &Session, args: &ReadArgs) -> anyhow::Result<(Report, Finished)> {
    let read = read(session, args)?;
    let whole = read.everything.as_ref().unwrap_or(&read.finished);
    let report =
        dragline_report::report(&read.finished, Some(whole), &session.rules, &read.options)?;
    Ok((report, read.finished))
}

/// The same, with a capsule of each finding.
pub(super) fn report_and_capsules(
    session: &Session,
    args: &ReadArgs,
) -> anyhow::Result<(Report, Vec<Made>, Finished)> {
    let read = read(session, args)?;
    let material = Material {
        finished: &read.finished,
        everything: read.everything.as_ref(),
        rules: &session.rules,
        options: &read.options,
        lines: &super::show::lines,
    };
    let (report, made) = dragline_capsule::report_and_capsules(&material, |_| true)?;
    Ok((report, made, read.finished))
}

fn read(session: &Session, args: &ReadArgs) -> anyhow::Result<Read> {
    let Session { config, now, .. } = session;
    let now = *now;
    let (filter, scanned) = scan(session, args)?;
    let options = ReportOptions {
        prices: config.prices(),
        mutes: config.mutes(now),
        limits: config.limits(),
        since: filter.since,
        until: filter.until,
        level: filter.level,
        ..ReportOptions::at(now)
    };
    tell_hidden(&filter);
    let finished = scanned.rollup.finish(now);
    let everything = scanned.everything.map(|everything| everything.finish(now));
    let whole = everything.as_ref().unwrap_or(&finished);
    nothing_read(whole)?;
    if finished.dialects.is_empty() {
        bail!("{}", nothing_matched(whole, &filter));
    }
    Ok(Read {
        finished,
        everything,
        options,
    })
}

/// Reads the inputs with the filter; without a filter, the history is included.
pub(crate) fn finished(session: &Session, args: &ReadArgs) -> anyhow::Result<Finished> {
    let now = session.now;
    let (filter, scanned) = scan(session, args)?;
    let finished = scanned.rollup.finish(now);
    let Some(everything) = scanned.everything.map(|all| all.finish(now)) else {
        check_read(&finished)?;
        return Ok(finished);
    };
    check_read(&everything)?;
    tell_hidden(&filter);
    if !filter.is_empty() && finished.dialects.is_empty() {
        bail!("{}", nothing_matched(&everything, &filter));
    }
    Ok(if filter.is_empty() {
        everything
    } else {
        finished
    })
}

fn scan(session: &Session, args: &ReadArgs) -> anyhow::Result<(Filter, Scanned)> {
    let mut options = scan_options(session, &args.input, READING)?;
    options.history = named_history(args.history.history.as_ref())?;
    if let (true, Some(history)) = (args.history.from_rollups, &options.history) {
        if !options.filter.is_empty() {
            let sentence = "a history contains only aggregates and cannot be filtered: omit --since and the \
                            other filters, or name logs instead of --from-rollups";
            return Err(WrongUsage::new(sentence).into());
        }
        let scanned = Scanned {
            rollup: history.all()?,
            everything: None,
        };
        return Ok((options.filter, scanned));
    }
    let watch = Arc::clone(&options.read.watch);
    let logs = &args.logs;
    let memory = options.read.memory.total();
    let scanned = watched(&watch, memory, || {
        dragline_scan::scan(logs, &session.rules, &options)
    });
    Ok((options.filter, scanned??))
}

/// Reads all inputs without a filter.
pub(super) fn scanned(session: &Session, logs: &[String]) -> anyhow::Result<Finished> {
    let options = ScanOptions {
        read: ReadOptions {
            dialects: session.config.dialects(),
            map: session.config.map(),
            ..ReadOptions::default()
        },
        cache: session.config.cache()?,
        ..ScanOptions::default()
    };
    let watch = Arc::clone(&options.read.watch);
    let memory = options.read.memory.total();
    let scanned = watched(&watch, memory, || {
        dragline_scan::scan(logs, &session.rules, &options)
    });
    Ok(scanned??.rollup.finish(session.now))
}

/// Default memory limits of reading and of SQL, in bytes.
pub(super) const READING: usize = 512 << 20;
pub(super) const QUERYING: usize = 1 << 30;

/// Returns the options for scanning.
pub(crate) fn scan_options(
    session: &Session,
    args: &InputArgs,
    memory: usize,
) -> anyhow::Result<ScanOptions> {
    let plain = resources(session, &args.reading, memory)?;
    Ok(ScanOptions {
        read: ReadOptions {
            memory: Arc::clone(&plain.read.memory),
            ..read_options(&session.config, &args.filter)
        },
        filter: args.filter.resolve(session.now)?,
        reclassify: args.reclassify,
        ..plain
    })
}

/// Returns options that read everything with the given threads, cache and memory.
pub(super) fn resources(
    session: &Session,
    args: &ReadingArgs,
    memory: usize,
) -> anyhow::Result<ScanOptions> {
    let config = &session.config;
    let default = ScanOptions::default();
    Ok(ScanOptions {
        read: ReadOptions {
            memory: Arc::new(Memory::of(args.memory.unwrap_or(memory))),
            dialects: config.dialects(),
            map: config.map(),
            ..ReadOptions::default()
        },
        jobs: args.jobs.map_or(default.jobs, usize::from),
        cache: if args.no_cache { None } else { config.cache()? },
        ..default
    })
}

/// Opens the history of `--history`.
pub(super) fn named_history(dir: Option<&PathBuf>) -> anyhow::Result<Option<History>> {
    let history = dir.map(History::new).transpose();
    history.map_err(|error| WrongUsage::new(&format!("--history: {error}")).into())
}

/// Returns the options for reading lines.
pub(crate) fn read_options(config: &Config, filter: &FilterArgs) -> ReadOptions {
    ReadOptions {
        zone: filter.tz.clone(),
        dates: filter.date_order.map(Into::into),
        dialects: config.dialects(),
        map: config.map(),
        ..ReadOptions::default()
    }
}

/// Says that numbers may be missing only because of --level.
fn tell_hidden(filter: &Filter) {
    if let Some(level) = filter.level.filter(|level| *level > Level::Info) {
        tell(&format!(
            "--level {level} leaves out all records below {level}: requests, items and rate limits among \
             them are not counted, also where the report shows 0"
        ));
    }
}

/// Returns an error with the first reasons if there are no events at all.
fn nothing_read(finished: &Finished) -> anyhow::Result<()> {
    if !finished.dialects.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = finished
        .problems
        .iter()
        .filter(|((_, kind), _)| *kind != ProblemKind::EmptyFile)
        .take(3)
        .map(|((path, kind), problem)| match problem.first {
            Some(at) if kind.is_lost_line() && *kind != ProblemKind::OversizedLine => {
                let (count, line) = (problem.count, at.line);
                let lines = if count == 1 { "line" } else { "lines" };
                format!("{path}: {count} {lines} in an unknown format, the first is line {line}")
            }
            _ => format!("{path}: {}", problem.detail),
        })
        .collect();
    match reasons.as_slice() {
        [] => bail!("nothing could be read: the inputs contain no lines"),
        reasons => bail!(
            "nothing could be read: {}; describe a format of your own with [[dialects]] in dragline.toml",
            reasons.join("; ")
        ),
    }
}

/// Describes what is available if the filter matched nothing.
pub(super) fn nothing_matched(whole: &Finished, filter: &Filter) -> String {
    let keys = || whole.runs.iter().map(|run| &run.key);
    let typed = [
        (
            "--scraper",
            &filter.scraper,
            keys()
                .map(|key| key.scraper_id.as_deref())
                .collect::<Vec<_>>(),
        ),
        (
            "--site",
            &filter.site,
            keys().map(|key| key.site.as_deref()).collect(),
        ),
        (
            "--run",
            &filter.run,
            keys().map(|key| key.run_id.as_deref()).collect(),
        ),
    ];
    let wrong = typed.iter().find_map(|(option, typed, names)| {
        let typed = typed.as_deref()?;
        let is_there = names.iter().flatten().any(|name| *name == typed);
        let meant = nearest(typed, names.iter().copied().flatten()).filter(|_| !is_there)?;
        Some(format!(" (did you mean {option} {meant}?)"))
    });
    let wrong = wrong.unwrap_or_default();
    let mut names: Vec<String> = whole
        .runs
        .iter()
        .map(|run| {
            let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
            format!("{} on {}", part(&run.key.scraper_id), part(&run.key.site))
        })
        .collect();
    names.sort();
    names.dedup();
    let more = if names.len() > 10 { ", …" } else { "" };
    names.truncate(10);
    let events: u64 = whole.dialects.values().sum();
    let period = whole.period.map_or_else(String::new, |(first, last)| {
        format!(", from {first} to {last}")
    });
    format!(
        "the filter matched none of {events} events{period}{wrong}; available: {}{more}",
        names.join(", ")
    )
}

/// Returns an error if the filter names a scraper, site or run that does not exist.
pub(super) fn check_filter(
    session: &Session,
    whole: &Finished,
    filter: &FilterArgs,
) -> anyhow::Result<()> {
    let filter = filter.resolve(session.now)?;
    let is_there = whole.runs.iter().any(|run| filter.takes_run(&run.key));
    if filter.names_a_source() && !is_there {
        bail!("{}", nothing_matched(whole, &filter));
    }
    Ok(())
}

/// Prints what could not be read; returns an error if nothing could be read.
pub(super) fn check_read(finished: &Finished) -> anyhow::Result<()> {
    nothing_read(finished)?;
    if let Some(sentence) = render::unread(&dragline_report::trust(finished)) {
        tell(&format!("{sentence}; `dragline report` lists them"));
    }
    if let Some(sentence) = dragline_report::folded(finished) {
        tell(&sentence);
    }
    Ok(())
}
