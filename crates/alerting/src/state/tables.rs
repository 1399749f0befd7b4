//! The state machine minute by minute.
//!
//! A history is a line of letters, one a minute: `T` true, `C` true and critical, `h` held between the two
//! thresholds, `F` false, `.` no data, `m` missing, `_` no evaluation. Below it stand the phases after each
//! minute: `-` inactive, `p` pending, `f` firing, `c` firing and critical, `~` flapping, `r` recovering,
//! `R` resolved.

use std::time::Duration;

use dragline_schema::{Severity, Timestamp};

use super::{
    AlertState, Finding, FlapPolicy, NoDataPolicy, Phase, PhaseName, Policy, Reason, Transition,
};

fn minute(index: usize) -> Timestamp {
    Timestamp::from_seconds(1_772_582_400 + 60 * index as i64)
}

fn minutes(count: u64) -> Duration {
    Duration::from_mins(count)
}

fn finding(letter: char) -> Option<Finding> {
    let met = |severity| Finding::Met {
        value: 95.0,
        severity,
        since: None,
    };
    Some(match letter {
        'T' => met(Severity::Medium),
        'C' => met(Severity::Critical),
        'h' => Finding::Held { value: 85.0 },
        'F' => Finding::Unmet { value: 10.0 },
        '.' => Finding::NoData,
        'm' => Finding::Missing,
        '_' => return None,
        other => panic!("no finding {other}"),
    })
}

fn letter(phase: &Phase) -> char {
    match phase {
        Phase::Inactive => '-',
        Phase::Pending { .. } => 'p',
        Phase::Firing { episode } if episode.flapping => '~',
        Phase::Firing { episode } if episode.severity == Severity::Critical => 'c',
        Phase::Firing { .. } => 'f',
        Phase::Recovering { .. } => 'r',
        Phase::Resolved { .. } => 'R',
    }
}

/// Runs a history; checks the phases; returns the state and all transitions.
fn run(policy: &Policy, history: &str, expected: &str) -> (AlertState, Vec<Transition>) {
    let mut state = AlertState::default();
    let mut changes = Vec::new();
    let mut phases = String::new();
    for (index, character) in history.chars().enumerate() {
        if let Some(finding) = finding(character) {
            changes.extend(state.step(finding, policy, minute(index)));
        }
        // Storing and reading back changes nothing: a restart after every minute.
        let stored = serde_json::to_string(&state).unwrap();
        state = serde_json::from_str(&stored).unwrap();
        phases.push(letter(&state.phase));
    }
    assert_eq!(phases, expected, "history {history}");
    (state, changes)
}

fn reasons(changes: &[Transition]) -> Vec<Reason> {
    changes.iter().map(|change| change.reason).collect()
}

fn steady() -> Policy {
    Policy {
        flapping: None,
        ..Policy::default()
    }
}

#[test]
fn without_for_an_alert_fires_in_the_same_evaluation() {
    let (_, changes) = run(&steady(), "FTTF", "-ffR");
    assert_eq!(
        reasons(&changes),
        [
            Reason::ConditionTrue,
            Reason::HeldLongEnough,
            Reason::ConditionFalse
        ]
    );
    assert_eq!(changes[1].at, changes[0].at);
}

#[test]
fn with_for_it_is_pending_first_and_goes_silently() {
    let policy = Policy {
        hold: minutes(3),
        ..steady()
    };
    run(&policy, "TTTTTF", "pppffR");
    let (_, changes) = run(&policy, "TTTFTTF", "ppp-pp-");
    assert!(
        changes.iter().all(|change| change.episode.is_none()),
        "{changes:?}"
    );
}

#[test]
fn a_new_firing_is_a_new_episode_with_the_full_for() {
    let policy = Policy {
        hold: minutes(2),
        ..steady()
    };
    let (_, changes) = run(&policy, "TTTFTTTT", "ppfRppff");
    let fired: Vec<_> = changes
        .iter()
        .filter(|change| change.to == PhaseName::Firing)
        .map(|change| change.episode.as_ref().unwrap().fired_at)
        .collect();
    assert_eq!(fired, [minute(2), minute(6)]);
}

#[test]
fn keep_firing_for_bridges_short_recoveries() {
    let policy = Policy {
        keep_firing_for: minutes(3),
        ..steady()
    };
    run(&policy, "TFFTFFFFF", "frrfrrrRR");
    let (_, changes) = run(&policy, "TFFFF", "frrrR");
    assert_eq!(changes.last().unwrap().reason, Reason::RecoveredLongEnough);
}

#[test]
fn between_the_thresholds_what_fires_goes_on_and_nothing_begins() {
    run(&steady(), "hThhFhT", "-fffRRf");
    let policy = Policy {
        keep_firing_for: minutes(2),
        ..steady()
    };
    run(&policy, "TFhFFF", "frfrrR");
    let pending = Policy {
        hold: minutes(2),
        ..steady()
    };
    run(&pending, "ThTTT", "p-ppf");
}

#[test]
fn severity_rises_within_an_episode_and_never_falls() {
    let (_, changes) = run(&steady(), "TTCTF", "ffccR");
    assert_eq!(
        reasons(&changes)[2..],
        [Reason::SeverityRaised, Reason::ConditionFalse]
    );
    assert_eq!(changes[2].from, PhaseName::Firing);
}

#[test]
fn without_data_the_last_state_is_kept() {
    run(&steady(), "T....TF", "ffffffR");
    run(&steady(), "F....F", "------");
}

#[test]
fn time_without_data_counts_towards_nothing() {
    let policy = Policy {
        hold: minutes(3),
        ..steady()
    };
    // Three minutes of true are needed, whatever lies between.
    run(&policy, "TT....TT", "pppppppf");
    run(&policy, "T_____TTT", "ppppppppf");
}

#[test]
fn no_data_can_be_good_or_bad_and_is_subject_to_for() {
    let good = Policy {
        no_data: NoDataPolicy::Ok,
        ..steady()
    };
    let (_, changes) = run(&good, "TT.T", "ffRf");
    assert_eq!(changes[2].reason, Reason::NoDataOk);
    let bad = Policy {
        no_data: NoDataPolicy::Alerting,
        hold: minutes(2),
        ..steady()
    };
    let (_, changes) = run(&bad, "F....F", "-ppffR");
    assert_eq!(changes[0].reason, Reason::NoData);
    assert_eq!(changes[1].episode.as_ref().unwrap().value, None);
}

#[test]
fn a_vanished_series_resolves_after_two_missed_evaluations() {
    let (_, changes) = run(&steady(), "TTmm", "fffR");
    assert_eq!(changes.last().unwrap().reason, Reason::MissingSeries);
    run(&steady(), "TmTmT", "fffff");
    // No data at all says nothing about the series, neither for nor against it.
    run(&steady(), "Tm..m", "ffffR");
    let policy = Policy {
        hold: minutes(5),
        ..steady()
    };
    run(&policy, "Tmm", "pp-");
    let policy = Policy {
        keep_firing_for: minutes(9),
        ..steady()
    };
    run(&policy, "TFmm", "frrR");
}

#[test]
fn an_evaluation_that_failed_leaves_the_state_alone() {
    // A failed evaluation makes no step at all.
    run(&steady(), "T____T", "ffffff");
    run(&steady(), "F____F", "------");
}

#[test]
fn a_restart_with_for_already_met_fires_no_second_time() {
    let policy = Policy {
        hold: minutes(2),
        ..steady()
    };
    let (_, changes) = run(&policy, "TTT__________TTF", "ppfffffffffffffR");
    assert_eq!(
        changes
            .iter()
            .filter(|change| change.to == PhaseName::Firing)
            .count(),
        1
    );
}

#[test]
fn after_an_hour_of_downtime_only_what_was_pending_is_dropped() {
    let policy = Policy {
        hold: minutes(2),
        ..steady()
    };
    let hour = "_".repeat(61);
    let (_, changes) = run(
        &policy,
        &format!("TT{hour}TTTT"),
        &format!("pp{}ppff", "p".repeat(61)),
    );
    assert!(reasons(&changes).contains(&Reason::GapTooLong));
    let (state, _) = run(
        &policy,
        &format!("TTT{hour}T"),
        &format!("ppf{}f", "f".repeat(61)),
    );
    assert_eq!(state.phase.open_episode().unwrap().fired_at, minute(2));
    run(
        &policy,
        &format!("TTT{hour}F"),
        &format!("ppf{}R", "f".repeat(61)),
    );
}

#[test]
fn a_resolved_alert_is_forgotten_after_a_quarter_of_an_hour() {
    run(
        &steady(),
        &format!("TF{}", "F".repeat(16)),
        &format!("fR{}--", "R".repeat(14)),
    );
}

#[test]
fn a_flapping_alert_is_held_until_it_is_stable() {
    let policy = Policy {
        flapping: Some(FlapPolicy {
            transitions: 3,
            within: minutes(5),
        }),
        ..Policy::default()
    };
    // Fired, resolved, fired: the third transition. Then held until five quiet minutes have passed.
    let (_, changes) = run(&policy, "TFTFTFFFFFFF", "fR~~~~~~~~RR");
    let flapping = changes
        .iter()
        .filter(|change| change.reason == Reason::Flapping);
    assert_eq!(flapping.count(), 1);
    assert_eq!(changes.last().unwrap().reason, Reason::Stable);
    // Stable and still true: the episode goes on, without the mark.
    let (_, changes) = run(&policy, "TFTTTTTTT", "fR~~~~~ff");
    assert_eq!(changes.last().unwrap().reason, Reason::Stable);
    // Once it flapped, one transition within the window is enough.
    run(&policy, "TFTFFFFFFT", "fR~~~~~~R~");
    run(&policy, "TFTFFFFFFFFFFFT", "fR~~~~~~RRRRRRf");
    // Slow changes are no flapping.
    run(&policy, "TTTFFFTTT", "fffRRRfff");
}

#[test]
fn the_clock_may_go_backwards() {
    let mut state = AlertState::default();
    state.step(finding('T').unwrap(), &steady(), minute(10));
    let before = state.clone();
    assert!(
        state
            .step(finding('F').unwrap(), &steady(), minute(3))
            .is_empty()
    );
    assert_eq!(state, before);
}

#[test]
fn a_deadline_that_passed_earlier_dates_the_episode() {
    let mut state = AlertState::default();
    let finding = Finding::Met {
        value: 7200.0,
        severity: Severity::High,
        since: Some(minute(2)),
    };
    let changes = state.step(finding, &steady(), minute(5));
    assert_eq!(
        changes.last().unwrap().episode.as_ref().unwrap().began,
        minute(2)
    );
}

#[test]
fn a_removed_rule_ends_its_episode() {
    let (mut state, _) = run(&steady(), "T", "f");
    let changes = state.remove(minute(1));
    assert_eq!(reasons(&changes), [Reason::RuleRemoved]);
}
