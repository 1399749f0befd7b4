//! What was counted survives the end of the process at any moment: nothing is lost, nothing is counted twice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dragline_classifier::RuleSet;
use dragline_ingest::ReadOptions;
use dragline_metrics::Store as Windows;
use dragline_monitor::follow::{Follow, Shared};
use dragline_monitor::store::Store;
use dragline_rollup::{Finished, Rollup};
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

use crate::fleet::Fleet;

const START: i64 = 1_772_582_400;

fn follow(logs: &Path, store: &Store, rules: &Arc<RuleSet>) -> Follow {
    let inputs = [logs.display().to_string()];
    let shared = Arc::new(Shared::new(Windows::default()));
    Follow::open(
        &inputs,
        ReadOptions::default(),
        Arc::clone(rules),
        store,
        shared,
    )
    .unwrap()
}

/// What a report shows of each run, as text.
fn totals(finished: &Finished) -> Vec<String> {
    let row = |row: &dragline_rollup::RunRow| {
        let c = &row.counters;
        format!(
            "{} {:?} {:?} events {} requests {} failed {} items {} errors {} bytes {} time {:?} missing {} {:?}",
            row.key,
            row.start,
            row.end,
            c.events,
            c.requests,
            c.requests_failed,
            c.items(),
            c.errors,
            c.bytes,
            c.response_time,
            row.missing_seq,
            row.verdict
        )
    };
    let runs = finished.runs.iter().map(row);
    let groups = finished
        .groups
        .iter()
        .map(|row| format!("{:x} {}", row.id, row.group.count));
    runs.chain(groups)
        .chain([format!("{:?}", finished.period)])
        .collect()
}

fn reported(logs: &Path, rules: &RuleSet, now: Timestamp) -> Vec<String> {
    let inputs = [logs.display().to_string()];
    totals(
        &scan(&inputs, rules, &ScanOptions::default())
            .unwrap()
            .rollup
            .finish(now),
    )
}

fn stored(store: &Store, now: Timestamp) -> Vec<String> {
    let rollup: Rollup = store.load(0, Duration::from_mins(1)).unwrap();
    totals(&rollup.finish(now))
}

#[test]
fn totals_are_those_of_a_report_after_any_number_of_crashes() {
    let rules = Arc::new(RuleSet::shipped());
    for seed in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let state = dir.path().join("state");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut fleet = Fleet::new(&logs, seed, 4, Timestamp::from_seconds(START));
        for _ in 0..8 {
            // A process: it reads and commits for a while, and then is gone without a word.
            let store = Store::open(&state).unwrap();
            let mut following = follow(&logs, &store, &rules);
            for _ in 0..random.usize(1..6) {
                fleet.write(random.usize(1..400));
                following.step(fleet.now(), &store);
                if random.bool() {
                    following.commit(&store);
                }
                if random.u8(..4) == 0 {
                    store.consolidate().unwrap();
                }
            }
        }
        let store = Store::open(&state).unwrap();
        let mut following = follow(&logs, &store, &rules);
        following.step(fleet.now(), &store);
        following.commit_and_wait(&store).unwrap();
        let now = fleet.now();
        let expected = reported(&logs, &rules, now);
        assert_eq!(stored(&store, now), expected, "seed {seed}");
        store.consolidate().unwrap();
        assert_eq!(stored(&store, now), expected, "seed {seed}, consolidated");
    }
}

#[test]
fn what_cannot_be_stored_is_kept_and_stored_later() {
    let rules = Arc::new(RuleSet::shipped());
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let store = Store::open(&dir.path().join("state")).unwrap();
    let mut fleet = Fleet::new(&logs, 7, 3, Timestamp::from_seconds(START));
    let mut following = follow(&logs, &store, &rules);
    fleet.write(500);
    following.step(fleet.now(), &store);
    // As a full disk does, the table refuses what is written.
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    store
        .write(move |transaction| Ok(transaction.execute_batch(refuse)?))
        .unwrap();
    let error = following.commit_and_wait(&store).unwrap_err();
    assert!(error.contains("disk is full"), "{error}");
    fleet.write(500);
    following.step(fleet.now(), &store);
    assert!(following.commit_and_wait(&store).is_err());
    assert_eq!(store.checkpoint().unwrap(), None);
    store
        .write(|transaction| Ok(transaction.execute_batch("DROP TRIGGER full")?))
        .unwrap();
    fleet.write(500);
    following.step(fleet.now(), &store);
    following.commit_and_wait(&store).unwrap();
    assert_eq!(following.error(), None);
    assert_eq!(
        stored(&store, fleet.now()),
        reported(&logs, &rules, fleet.now())
    );
}
