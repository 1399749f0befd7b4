//! The names that lines have in the report.

use dragline_scan::{Filter, Owners, ScanError, ScanOptions};
use dragline_schema::{Record, RunKey, host_of};

use super::super::read::{nothing_matched, read_options};
use crate::args::TailArgs;
use crate::output::tell;
use crate::progress::watched;
use crate::session::Session;

/// Maximum size of logs that are read for the names alone, in bytes. For a filter by name, all logs are read.
const SMALL: u64 = 64 << 20;

/// The runs of existing lines. Lines of larger logs have the names that they contain themselves.
#[derive(Default)]
pub(super) struct Known(Option<Owners>);

impl Known {
    /// Returns the run of a record.
    pub(super) fn run_of(&self, path: &str, record: &Record<'_>) -> RunKey {
        let run = if let Some(owners) = &self.0 {
            owners.run_of(path, record)
        } else {
            let own = |name: &Option<std::borrow::Cow<'_, str>>| name.as_deref().map(str::to_owned);
            RunKey {
                scraper_id: own(&record.scraper_id),
                site: own(&record.site),
                run_id: own(&record.run_id),
            }
        };
        let host = || record.event.page_url().and_then(host_of).map(str::to_owned);
        RunKey {
            site: run.site.or_else(host),
            ..run
        }
    }
}

/// Reads the existing logs for the names, and checks the filter by them.
///
/// # Errors
/// If the filter names what does not exist, and no new records are waited for.
pub(super) fn known(session: &Session, args: &TailArgs, memory: usize) -> anyhow::Result<Known> {
    let filter = args.filter.resolve(session.now)?;
    if !filter.names_a_source() && !are_small(&args.logs) {
        return Ok(Known::default());
    }
    // Without a cache: following logs writes nothing but the state file.
    let options = ScanOptions {
        read: read_options(&session.config, &args.filter),
        ..ScanOptions::default()
    };
    let watch = std::sync::Arc::clone(&options.read.watch);
    let read = watched(&watch, memory, || {
        dragline_scan::owners(&args.logs, &session.rules, &options)
    });
    let (owners, rollup) = match read? {
        Ok(read) => read,
        // Logs may be created later; what cannot be read is reported while following.
        Err(ScanError::Discover(_)) => return Ok(Known::default()),
        Err(error) => return Err(error.into()),
    };
    check_filter(args, &filter, &rollup.finish(session.now))?;
    Ok(Known(Some(owners)))
}

fn check_filter(
    args: &TailArgs,
    filter: &Filter,
    whole: &dragline_rollup::Finished,
) -> anyhow::Result<()> {
    let is_there = whole.runs.iter().any(|run| filter.takes_run(&run.key));
    if !filter.names_a_source() || is_there || whole.dialects.is_empty() {
        return Ok(());
    }
    let sentence = nothing_matched(whole, filter);
    if args.no_follow {
        anyhow::bail!("{sentence}");
    }
    tell(&format!("{sentence}; waiting for new records"));
    Ok(())
}

/// Whether the logs are so small that reading all of them takes no noticeable time.
fn are_small(logs: &[String]) -> bool {
    let Ok(found) = dragline_ingest::discover(logs) else {
        return false;
    };
    let files = found.families.iter().flat_map(|family| &family.files);
    files.map(|file| file.bytes).sum::<u64>() <= SMALL
}
