//! `dragline report --capsules`

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use dragline_report::Report;
use dragline_rollup::Finished;

use super::read;
use crate::args::ReportArgs;
use crate::output::{self, tell};
use crate::session::Session;

/// What the names of capsules end with.
const ENDING: &str = "capsule";

/// Makes the report, and writes a capsule of each finding to a directory, which is created. Findings that have no
/// capsule are named.
pub(super) fn report(
    session: &Session,
    args: &ReportArgs,
    dir: &Path,
) -> anyhow::Result<(Report, Finished)> {
    let (report, made, finished) = read::report_and_capsules(session, &args.read)?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut written = 0;
    for one in &made {
        let bytes = match &one.capsule {
            Ok(bytes) => bytes,
            Err(why) => {
                tell(&format!("no capsule of {}: {why}", one.id));
                continue;
            }
        };
        let path = dir.join(format!("{}.{ENDING}", one.id));
        output::check_target(Some(&path), &args.read.input.rules, &finished)?;
        let write = |out: &mut dyn io::Write| -> io::Result<()> { out.write_all(bytes) };
        dragline_files::replace(&path, write)
            .with_context(|| format!("cannot write {}", path.display()))?;
        written += 1;
    }
    let noun = if written == 1 { "capsule" } else { "capsules" };
    tell(&format!(
        "{written} {noun} in {}: read one with `dragline explain FILE`",
        dir.display()
    ));
    Ok((report, finished))
}
