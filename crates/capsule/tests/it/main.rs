//! Capsules of real findings: judged again, without secrets, damaged.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod damage;
mod secrets;
mod verdicts;

use std::path::Path;
use std::sync::Arc;

use dragline_capsule::{Capsule, Judged, Made, Material, report_and_capsules};
use dragline_classifier::RuleSet;
use dragline_report::{Report, ReportOptions};
use dragline_rollup::Finished;
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

/// The counts of the logs in a directory, as of a time.
fn counted(logs: &Path, now: Timestamp) -> Finished {
    let logs = [logs.display().to_string()];
    let scanned = scan(&logs, &RuleSet::shipped(), &ScanOptions::default()).unwrap();
    scanned.rollup.finish(now)
}

/// The report on these counts, and the capsules of all findings.
fn capsules(finished: &Finished, now: Timestamp) -> (Report, Vec<Made>) {
    let material = Material {
        finished,
        everything: None,
        rules: &RuleSet::shipped(),
        options: &ReportOptions::at(now),
        lines: &|place| {
            let from = place.line.saturating_sub(3).max(1);
            let path = Path::new(&place.file);
            dragline_ingest::excerpt(path, from, place.line + 3, &Arc::default())
                .unwrap_or_default()
        },
    };
    report_and_capsules(&material, |_| true).unwrap()
}

/// A capsule's bytes, what is read of them, and the judgement.
fn judged_again(made: &Made) -> (&[u8], Capsule, Judged) {
    let bytes = made.capsule.as_ref();
    let bytes = bytes.unwrap_or_else(|why| panic!("{}: {why}", made.id));
    let capsule = Capsule::read(bytes).unwrap();
    let judged = capsule.judge().unwrap();
    (bytes, capsule, judged)
}

/// What is in a capsule, as it was serialised.
fn content(capsule: &[u8]) -> Vec<u8> {
    let begin = capsule.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    zstd::decode_all(&capsule[begin..]).unwrap()
}
