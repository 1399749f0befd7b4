//! `dragline health`: checks what scrapers depend on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use dragline_health::{Config, Health, Memory, Report, Signals, SiteTraffic, Status, Target};
use dragline_report::render;
use dragline_rollup::{Counters, Finished, Verdict};
use dragline_schema::{Timestamp, nearest};

use super::read;
use crate::args::{Faulty, HealthArgs, HealthFormat, WrongUsage};
use crate::output;
use crate::session::Session;

/// Time of the scrapers' requests that stand in for a probe, in microseconds: the default interval.
const RECENT: i64 = 5 * 60 * 1_000_000;

/// `dragline health`
pub(crate) fn health(args: &HealthArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.rules())?;
    let config = session.config.health()?;
    let signals = if args.logs.is_empty() {
        Signals::default()
    } else {
        find_signals(&read::scanned(&session, &args.logs)?, session.now)
    };
    tell_unknown(&config, &signals, args.logs.is_empty());
    let (report, kept) = check(config, args.state.as_deref(), &signals, session.now)?;
    let written = match args.format {
        HealthFormat::Text => output::show(&report.to_text()),
        HealthFormat::Json => {
            let json = serde_json::to_string_pretty(&report)?;
            output::show(&format!("{}\n", render::clean_json(&json)))
        }
    };
    judge(written.and(kept), &report)
}

/// Says which checks are about scrapers that no log names: they stay inconclusive.
pub(super) fn tell_unknown(config: &Config, signals: &Signals, has_no_logs: bool) {
    let of_scraper = |check: &dragline_health::Check| match &check.target {
        Target::Run { scraper, .. } => Some(scraper.clone()),
        Target::Logs { scraper, .. } => scraper.clone(),
        _ => None,
    };
    let wanted: Vec<(&str, String)> = config
        .checks
        .iter()
        .filter_map(|check| Some((check.name.as_str(), of_scraper(check)?)))
        .filter(|(_, scraper)| !signals.last_event.contains_key(scraper))
        .collect();
    if wanted.is_empty() {
        return;
    }
    if has_no_logs {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        output::tell(&format!(
            "no logs were given, so these checks cannot be judged: {}; write `dragline health LOGS`",
            names.join(", ")
        ));
        return;
    }
    for (name, scraper) in wanted {
        let known = signals.last_event.keys().map(String::as_str);
        let hint = nearest(&scraper, known);
        let hint = hint.map_or_else(String::new, |known| format!(": did you mean {known:?}?"));
        output::tell(&format!(
            "check {name}: the logs name no scraper {scraper:?}{hint}"
        ));
    }
}

/// Runs all checks once; results in a row are counted in the file `state`. The second result says whether it could be written.
pub(super) fn check(
    config: Config,
    state: Option<&Path>,
    signals: &Signals,
    now: Timestamp,
) -> anyhow::Result<(Report, anyhow::Result<()>)> {
    let memory = state.map(load).transpose()?;
    let mut health = Health::new(config).with_memory(memory.unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the checks")?;
    let report = runtime.block_on(health.run(now, signals));
    // A file system that hangs must not keep the command.
    runtime.shutdown_background();
    let keep = |path| output::write_file(path, &serde_json::to_string(health.memory())?);
    let kept = state.map_or(Ok(()), keep);
    Ok((report, kept))
}

fn judge(written: anyhow::Result<()>, report: &Report) -> anyhow::Result<()> {
    if report.exit_code() == 0 {
        return written;
    }
    let critical = report
        .checks
        .iter()
        .filter(|check| check.status == Status::Critical);
    let names: Vec<_> = critical.map(|check| check.name.as_str()).collect();
    written?;
    Err(Faulty(format!("critical: {}", names.join(", "))).into())
}

/// Reads the states that an earlier run saved; a missing file is the first run.
fn load(path: &Path) -> anyhow::Result<Memory> {
    let text = match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => return Ok(Memory::default()),
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Memory::default()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the state {}", path.display()));
        }
    };
    serde_json::from_str(&text).map_err(|error| {
        let name = path.display();
        let sentence = format!(
            "--state {name} is not a state of dragline health ({error}): choose another file"
        );
        WrongUsage::new(&sentence).into()
    })
}

/// Requests and signs of life of scrapers, from their logs.
pub(super) fn find_signals(finished: &Finished, now: Timestamp) -> Signals {
    let mut signals = Signals::default();
    for run in &finished.runs {
        let Some(scraper) = &run.key.scraper_id else {
            continue;
        };
        if let Some(seen) = run.last_seen {
            let last = signals.last_event.entry(scraper.clone()).or_insert(seen);
            *last = seen.max(*last);
        }
        let is_finished = run.verdict == Some(Verdict::Finished);
        if let Some(end) = run.end.filter(|_| is_finished) {
            let last = signals.last_run.entry(scraper.clone()).or_insert(end);
            *last = end.max(*last);
        }
    }
    add_traffic(&mut signals, finished, now);
    signals
}

/// Counts the requests of the time buckets that reach into the last interval.
fn add_traffic(signals: &mut Signals, finished: &Finished, now: Timestamp) {
    let since = now.plus_micros(-RECENT);
    let mut sites = BTreeMap::<&str, (Counters, Timestamp)>::new();
    for row in &finished.activity {
        let run = &finished.runs[row.run];
        let end = Timestamp::from_micros(row.start.saturating_add(finished.bucket_micros));
        let is_recent = end > since && row.counters.requests > 0;
        let Some(site) = run.key.site.as_deref().filter(|_| is_recent) else {
            continue;
        };
        // The last request was in the bucket, and not after the run's last line.
        let last = run.last_seen.map_or(end, |seen| seen.min(end));
        let (counters, latest) = sites.entry(site).or_insert((Counters::default(), last));
        counters.merge(&row.counters);
        *latest = last.max(*latest);
    }
    for (site, (counters, last_request)) in sites {
        let mean = counters.response_time.mean();
        let traffic = SiteTraffic {
            requests: counters.requests.saturating_sub(counters.requests_unjudged),
            failed: counters.requests_failed,
            mean_response_time: mean.map(|micros| Duration::from_secs_f64(micros / 1e6)),
            last_request,
        };
        signals.traffic.insert(site.to_owned(), traffic);
    }
}
