use proptest::prelude::*;

use super::*;
use crate::measurement::Values;
use crate::result::Source;

const DEFAULT: Thresholds = Thresholds {
    failures: 3,
    successes: 2,
};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(minute * 60)
}

fn result(minute: i64, level: Option<Level>) -> CheckResult {
    CheckResult {
        at: at(minute),
        level,
        since: None,
        message: format!("result of minute {minute}"),
        failure: None,
        source: Source::Probe,
        values: Values::new(),
    }
}

/// `.` healthy, `d` degraded, `x` critical, `?` inconclusive.
fn level_of(letter: char) -> Option<Level> {
    match letter {
        '.' => Some(Level::Healthy),
        'd' => Some(Level::Degraded),
        'x' => Some(Level::Critical),
        _ => None,
    }
}

fn letter_of(status: Status) -> char {
    match status {
        Status::Healthy => '.',
        Status::Degraded => 'd',
        Status::Critical => 'x',
        Status::Inconclusive => '?',
    }
}

/// Statuses after each result, one result a minute.
fn statuses(results: &str, thresholds: Thresholds) -> String {
    let mut state = State::default();
    let observed = results.chars().enumerate().map(|(minute, letter)| {
        state.observe(&result(minute as i64, level_of(letter)), thresholds);
        letter_of(state.status())
    });
    observed.collect()
}

#[test]
fn minute_by_minute() {
    for (results, expected) in [
        // The first result is the status; three failures in a row change it, two successes end it.
        ("....xxx..", "......xx."),
        ("xx.....", "xxx...."),
        // Fewer in a row change nothing.
        ("..xx...xx..", "..........."),
        ("..xxx.x.xx", "....xxxxxx"),
        // Degraded counts as worse than healthy, and critical as worse than degraded.
        ("..ddd..", "....dd."),
        ("..dxd..", "....dd."),
        ("..dxxx", "....dx"),
        ("..xxxdd..", "....xxdd."),
        ("..xxxd...", "....xxd.."),
        // What is inconclusive neither ends nor lengthens a row.
        ("..xx??x", "....??x"),
        ("..xxx?..", "....x?x."),
        ("??..", "??.."),
        // The first conclusive result after silence is not yet a recovery.
        ("..xxx???.x.", "....x???xxx"),
    ] {
        assert_eq!(statuses(results, DEFAULT), expected, "{results}");
    }
}

#[test]
fn a_threshold_of_one_follows_each_result() {
    let one = Thresholds {
        failures: 1,
        successes: 1,
    };
    assert_eq!(statuses(".x.dx?.", one), ".x.dx?.");
}

#[test]
fn every_other_failure_is_unsteady_though_never_three_in_a_row() {
    assert_eq!(
        statuses(".x.x.x.x.x........", DEFAULT),
        ".....dddddddddd..."
    );
}

#[test]
fn a_recovery_is_not_called_unsteady() {
    assert_eq!(
        statuses("....xxxxxxxxxx....", DEFAULT),
        "......xxxxxxxxx..."
    );
}

#[test]
fn a_change_is_dated_to_the_first_result_of_the_row() {
    let mut state = State::default();
    let mut changes = Vec::new();
    for (minute, letter) in "..xxx..".chars().enumerate() {
        changes.extend(state.observe(&result(minute as i64, level_of(letter)), DEFAULT));
    }
    let dates: Vec<_> = changes
        .iter()
        .map(|c| (c.at, c.noticed_at, c.from, c.to))
        .collect();
    assert_eq!(
        dates,
        [
            (at(0), at(0), None, Level::Healthy),
            (at(2), at(4), Some(Level::Healthy), Level::Critical),
            (at(5), at(6), Some(Level::Critical), Level::Healthy),
        ]
    );
    assert_eq!(changes[1].reason, "result of minute 4");
    assert_eq!(state.since(), Some(at(5)));
}

#[test]
fn a_restart_in_the_middle_of_a_row_changes_nothing() {
    let mut state = State::default();
    for (minute, letter) in "..xx".chars().enumerate() {
        state.observe(&result(minute as i64, level_of(letter)), DEFAULT);
    }
    let json = serde_json::to_string(&state).unwrap();
    let mut restored: State = serde_json::from_str(&json).unwrap();
    assert_eq!(restored, state);
    assert_eq!(restored.worse_in_a_row(), 2);
    let change = restored
        .observe(&result(4, level_of('x')), DEFAULT)
        .unwrap();
    assert_eq!((change.at, change.to), (at(2), Level::Critical));
}

#[test]
fn a_state_written_by_an_older_version_is_read() {
    let state: State = serde_json::from_str(r#"{"confirmed":"critical","later":1}"#).unwrap();
    assert_eq!(state.status(), Status::Critical);
}

#[test]
fn a_dated_result_decides_at_once_and_keeps_its_date() {
    let mut state = State::default();
    state.observe(&result(0, level_of('.')), DEFAULT);
    let overdue = CheckResult {
        since: Some(at(7)),
        ..result(60, level_of('x'))
    };
    let change = state.observe(&overdue, DEFAULT).unwrap();
    assert_eq!((change.at, change.noticed_at), (at(7), at(60)));
    assert!(state.observe(&overdue, DEFAULT).is_none(), "told once");
    assert_eq!(state.since(), Some(at(7)));
}

#[test]
fn a_clock_that_is_set_back_dates_nothing_into_the_future() {
    let mut state = State::default();
    for (minute, letter) in [(0, '.'), (100, 'x'), (105, 'x'), (10, 'x')] {
        state.observe(&result(minute, level_of(letter)), DEFAULT);
    }
    assert_eq!(state.status(), Status::Critical);
    assert_eq!(state.since(), Some(at(10)));
}

#[test]
fn availability_leaves_out_what_is_not_known() {
    let mut state = State::default();
    assert_eq!(state.availability_percent(), None);
    for (minute, letter) in ".d?x??".chars().enumerate() {
        state.observe(&result(minute as i64, level_of(letter)), DEFAULT);
    }
    let percent = state.availability_percent().unwrap();
    assert!((percent - 66.666).abs() < 0.01, "{percent}");
}

/// The same rules, written as slowly as they are said.
fn model(letters: &[char], failures: usize, successes: usize) -> Vec<Option<Level>> {
    let mut confirmed = None;
    let mut conclusive: Vec<Level> = Vec::new();
    let mut all = Vec::new();
    for letter in letters {
        if let Some(level) = level_of(*letter) {
            conclusive.push(level);
            confirmed = match confirmed {
                None => Some(level),
                Some(held) => {
                    let last = |n: usize| {
                        (conclusive.len() >= n).then(|| &conclusive[conclusive.len() - n..])
                    };
                    let worst_common = last(failures).map(|l| *l.iter().min().unwrap());
                    let best_common = last(successes).map(|l| *l.iter().max().unwrap());
                    if worst_common.is_some_and(|level| level > held) {
                        worst_common
                    } else if best_common.is_some_and(|level| level < held) {
                        best_common
                    } else {
                        Some(held)
                    }
                }
            };
        }
        all.push(confirmed);
    }
    all
}

proptest! {
    #[test]
    fn it_equals_a_slow_model(
        letters in proptest::collection::vec(prop::sample::select(vec!['.', 'd', 'x', '?']), 0..200),
        failures in 1u32..6,
        successes in 1u32..6,
        restarts in proptest::collection::vec(any::<bool>(), 200),
    ) {
        let letters: Vec<char> = letters.into_iter().collect();
        let expected = model(&letters, failures as usize, successes as usize);
        let thresholds = Thresholds { failures, successes };
        let mut state = State::default();
        for (minute, letter) in letters.iter().enumerate() {
            state.observe(&result(minute as i64, level_of(*letter)), thresholds);
            if restarts[minute] {
                state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            }
            // Being unsteady only ever adds to what is confirmed.
            prop_assert_eq!(state.confirmed, expected[minute], "at {}", minute);
            prop_assert!(state.level() >= expected[minute]);
            prop_assert_eq!(state.status() == Status::Inconclusive, level_of(*letter).is_none());
            prop_assert!(state.since().is_none_or(|since| since <= at(minute as i64)));
        }
        prop_assert!(state.recent.len() <= 10);
    }

    #[test]
    fn it_never_grows(letters in proptest::collection::vec(prop::sample::select(vec!['.', 'x']), 1000)) {
        let mut state = State::default();
        let one = Thresholds { failures: 1, successes: 1 };
        for (minute, letter) in letters.iter().enumerate() {
            state.observe(&result(minute as i64, level_of(*letter)), one);
        }
        prop_assert_eq!(state.history().len(), HISTORY);
        prop_assert!(state.changes().len() <= CHANGES);
    }
}
