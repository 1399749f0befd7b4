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
use dragline_scan::{Filter, ScanOptions, scan};
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

/// What a report on some days is made of is what a scan of the logs with that period counts.
#[test]
fn days_of_the_store_are_those_of_a_filter() {
    const DAY: i64 = 86_400;
    let rules = Arc::new(RuleSet::shipped());
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let store = Store::open(&dir.path().join("state")).unwrap();
    // Runs go on over midnight.
    let mut fleet = Fleet::new(&logs, 11, 3, Timestamp::from_seconds(START + DAY - 20));
    let mut following = follow(&logs, &store, &rules);
    for day in 1..6 {
        fleet.write(500);
        let now = fleet.now();
        following.step(now, &store);
        following.commit_and_wait(&store).unwrap();
        if day == 3 {
            store.consolidate().unwrap();
        }
        fleet.skip(DAY - 60);
    }
    let today = START / DAY;
    let now = fleet.now();
    for (first, last) in [
        (today + 1, today + 2),
        (today + 3, today + 9),
        (today, today),
    ] {
        let counted = store.load_with(0, Duration::from_mins(1), |day, part| {
            if (first..=last).contains(&day) {
                part
            } else {
                part.life()
            }
        });
        let options = ScanOptions {
            filter: Filter {
                since: Some(Timestamp::from_seconds(first * DAY)),
                until: Some(Timestamp::from_seconds((last + 1) * DAY)),
                ..Filter::default()
            },
            ..ScanOptions::default()
        };
        let expected = scan(&[logs.display().to_string()], &rules, &options).unwrap();
        let (counted, expected) = (counted.unwrap().finish(now), expected.rollup.finish(now));
        assert_eq!(totals(&counted), totals(&expected), "{first} to {last}");
        assert!(!counted.runs.is_empty());
        let ends = |finished: &Finished| -> Vec<_> {
            let runs = finished.runs.iter();
            runs.map(|run| (run.is_partial, run.duration_seconds, run.status))
                .collect()
        };
        assert_eq!(ends(&counted), ends(&expected));
    }
}
