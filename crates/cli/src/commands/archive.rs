//! `dragline archive`: moves old logs elsewhere and records them in the history.

use std::time::{Duration, SystemTime};

use dragline_ingest::Skipped;
use dragline_report::render::{Align, Block, Document, Tone};
use dragline_scan::archive::{self, Planned, Stays};
use serde_json::json;

use crate::args::{ArchiveArgs, Faulty, WrongUsage};
use crate::output::{self, tell};
use crate::session::Session;

/// `dragline archive`
pub(crate) fn archive(args: &ArchiveArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.read.input.rules)?;
    let zone = jiff::tz::TimeZone::UTC;
    let before = crate::times::parse(&args.older_than, session.now, &zone)
        .map_err(|error| WrongUsage::new(&format!("--older-than: {error:#}")))?;
    let micros = u64::try_from(before.as_micros()).unwrap_or(0);
    let before = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
    let filter = args.read.input.filter.resolve(session.now)?;
    if !filter.is_empty() || args.read.history.from_rollups {
        let sentence =
            "archive moves whole files: omit --since and the other filters, and name the logs";
        return Err(WrongUsage::new(sentence).into());
    }
    let found = dragline_ingest::discover(&args.read.logs)?;
    let plan = || {
        let all = archive::plan(&args.read.logs, &found, before, &args.to);
        all.map_err(|error| WrongUsage::new(&error.to_string()))
    };
    // Refuse before anything is written.
    let mut all = plan()?;
    if args.read.history.history.is_some() && !args.dry_run {
        // The logs are recorded in the history before they are moved.
        super::read::finished(&session, &args.read)?;
    } else if !args.dry_run {
        tell(
            "the moved logs are not recorded in a history: use --history DIR to keep them in baselines",
        );
    }
    if !args.dry_run {
        // Reading them for the history may have taken a while.
        all = plan()?;
    }
    let mut outcome = Outcome::default();
    for one in &all {
        let path = one.path.display().to_string();
        let failed = match one.stays {
            Some(Stays::Taken) => Some(format!(
                "{}: {}",
                Stays::Taken.as_str(),
                one.target.display()
            )),
            None if !args.dry_run => archive::take(one).err().map(|error| error.to_string()),
            _ => None,
        };
        match (one.stays, failed) {
            (_, Some(why)) => {
                outcome.failed.push(format!("{path}: {why}"));
                outcome.stayed.push((path, why));
            }
            (Some(stays), None) => outcome.stayed.push((path, stays.as_str().to_owned())),
            (None, None) => outcome.moved.push(one),
        }
    }
    outcome.stayed.extend(found.skipped.iter().map(skipped));
    show(args, &outcome)?;
    if outcome.failed.is_empty() {
        return Ok(());
    }
    Err(Faulty(outcome.failed.join("\n")).into())
}

/// What was done with each file.
#[derive(Default)]
struct Outcome<'p> {
    moved: Vec<&'p Planned>,
    /// Files that stayed, and why.
    stayed: Vec<(String, String)>,
    /// Errors while moving.
    failed: Vec<String>,
}

/// A file that was not read as a log.
fn skipped(file: &Skipped) -> (String, String) {
    (
        file.source.path.clone(),
        format!("not read as a log: {}", file.detail),
    )
}

/// Maximum number of files that are listed as text.
const LISTED: usize = 100;

fn show(args: &ArchiveArgs, outcome: &Outcome<'_>) -> anyhow::Result<()> {
    let bytes: u64 = outcome.moved.iter().map(|one| one.bytes).sum();
    let value = json!({
        "dry_run": args.dry_run,
        "bytes": bytes,
        "archived": outcome.moved.iter().map(|one| json!({
            "file": one.path.display().to_string(),
            "to": one.target.display().to_string(),
            "bytes": one.bytes,
        })).collect::<Vec<_>>(),
        "stayed": outcome.stayed.iter().map(|(file, why)| json!({
            "file": file,
            "why": why,
        })).collect::<Vec<_>>(),
    });
    output::write(&args.read.output, || document(args, outcome, bytes), &value)
}

fn document(args: &ArchiveArgs, outcome: &Outcome<'_>, bytes: u64) -> Document {
    let verb = if args.dry_run {
        "would be moved"
    } else {
        "moved"
    };
    let (moved, stayed) = (outcome.moved.len(), outcome.stayed.len());
    let s = |count: usize| if count == 1 { "" } else { "s" };
    let size = bytesize::ByteSize::b(bytes).display().iec();
    let to = args.to.display();
    let title = format!(
        "{moved} file{} {verb} to {to} ({size}), {stayed} file{} not",
        s(moved),
        s(stayed)
    );
    let mut blocks = vec![Block::Title(title)];
    let gone = outcome.moved.iter().map(|one| {
        let size = bytesize::ByteSize::b(one.bytes).display().iec().to_string();
        vec![one.path.display().to_string(), size]
    });
    list(
        &mut blocks,
        [(Align::Cut, "moved"), (Align::Fixed, "size")],
        gone,
    );
    let kept = outcome.stayed.iter();
    let kept = kept.map(|(file, why)| vec![file.clone(), why.clone()]);
    list(
        &mut blocks,
        [(Align::Cut, "not moved"), (Align::Fixed, "reason")],
        kept,
    );
    Document { blocks }
}

/// Adds a table of files; of very many, the first.
fn list(
    blocks: &mut Vec<Block>,
    headers: [(Align, &str); 2],
    files: impl ExactSizeIterator<Item = Vec<String>>,
) {
    let count = files.len();
    let rows: Vec<_> = files
        .take(LISTED)
        .map(|cells| (Tone::Plain, cells))
        .collect();
    if !rows.is_empty() {
        blocks.push(Block::table(&headers, rows));
    }
    if count > LISTED {
        let more = format!("… and {} more: --format json lists all.", count - LISTED);
        blocks.push(Block::Text(Tone::Muted, more));
    }
}
