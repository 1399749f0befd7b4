//! `dragline archive`: moves old logs elsewhere and records them in the history.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

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
    if args.read.history.history.is_some() && !args.dry_run {
        // The logs are recorded in the history before they are moved.
        super::read::finished(&session, &args.read)?;
    } else if !args.dry_run {
        tell(
            "the moved logs are not recorded in a history: use --history DIR to keep them in baselines",
        );
    }
    let found = dragline_ingest::discover(&args.read.logs)?;
    let all = archive::plan(&args.read.logs, &found, before, &args.to);
    let mut failed: Vec<String> = Vec::new();
    let mut gone: Vec<&Planned> = Vec::new();
    for one in all.iter().filter(|one| one.stays.is_none()) {
        let taken = if args.dry_run {
            Ok(())
        } else {
            archive::take(one)
        };
        match taken {
            Ok(()) => gone.push(one),
            Err(error) => failed.push(format!("{}: {error}", one.path.display())),
        }
    }
    show(args, &all, &gone)?;
    if failed.is_empty() {
        return Ok(());
    }
    Err(Faulty(failed.join("\n")).into())
}

fn show(args: &ArchiveArgs, all: &[Planned], gone: &[&Planned]) -> anyhow::Result<()> {
    let bytes: u64 = gone.iter().map(|one| one.bytes).sum();
    let mut stayed: BTreeMap<Stays, u64> = BTreeMap::new();
    for stays in all.iter().filter_map(|one| one.stays) {
        *stayed.entry(stays).or_default() += 1;
    }
    let document = || {
        let verb = if args.dry_run {
            "would be moved"
        } else {
            "moved"
        };
        let s = if gone.len() == 1 { "" } else { "s" };
        let size = bytesize::ByteSize::b(bytes).display().iec();
        let title = format!(
            "{} file{s} {verb} to {} ({size})",
            gone.len(),
            args.to.display()
        );
        let mut blocks = vec![Block::Title(title)];
        if !stayed.is_empty() {
            let rows = stayed.iter().map(|(why, files)| {
                (
                    Tone::Plain,
                    vec![files.to_string(), why.as_str().to_owned()],
                )
            });
            let headers = [(Align::Right, "files not moved"), (Align::Left, "reason")];
            blocks.push(Block::table(&headers, rows.collect()));
        }
        Document { blocks }
    };
    let value = json!({
        "dry_run": args.dry_run,
        "bytes": bytes,
        "archived": gone.iter().map(|one| json!({
            "file": one.path.display().to_string(),
            "to": one.target.display().to_string(),
            "bytes": one.bytes,
        })).collect::<Vec<_>>(),
        "stayed": all.iter().filter_map(|one| Some(json!({
            "file": one.path.display().to_string(),
            "why": one.stays?.as_str(),
        }))).collect::<Vec<_>>(),
    });
    output::write(&args.read.output, document, &value)
}
