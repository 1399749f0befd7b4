//! The state machine against a slow model that looks at the whole history each time.

use std::time::Duration;

use dragline_alerting::state::{
    AlertState, Finding, FlapPolicy, NoDataPolicy, PhaseName, Policy, Reason,
};
use dragline_schema::{Severity, Timestamp};
use proptest::prelude::*;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_582_400 + 60 * minute)
}

fn met() -> Finding {
    Finding::Met {
        value: 9.0,
        severity: Severity::Medium,
        since: None,
    }
}

/// One evaluation: at a minute, with a finding.
type Evaluation = (i64, Finding);

/// What an evaluation says, once the policy is applied.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Said {
    True,
    Held,
    False,
    Missing,
}

/// The phase after a whole history, found by searching it from the start: first a run that is long enough to fire,
/// then the run that ends it, and so on.
fn search(history: &[Evaluation], policy: &Policy) -> PhaseName {
    let said: Vec<(i64, Said)> = history
        .iter()
        .filter_map(|(at, finding)| Some((*at, say(*finding, policy)?)))
        .collect();
    let minutes = |duration: Duration| (duration.as_secs() / 60) as i64;
    let (hold, keep) = (minutes(policy.hold), minutes(policy.keep_firing_for));
    let mut from = 0;
    let mut ended: Option<(i64, usize)> = None;
    loop {
        let Some(start) = (from..said.len()).find(|index| said[*index].1 == Said::True) else {
            return at_rest(&said, ended);
        };
        match find_firing(&said, start, hold) {
            Run::Open => return PhaseName::Pending,
            Run::Broken(at) => {
                from = at + 1;
                ended = None;
            }
            Run::Reached(fired) => match find_end(&said, fired, keep) {
                Ok(at) => {
                    ended = Some((said[at].0, at));
                    from = at + 1;
                }
                Err(phase) => return phase,
            },
        }
    }
}

fn say(finding: Finding, policy: &Policy) -> Option<Said> {
    match (finding, policy.no_data) {
        (Finding::Met { .. }, _) | (Finding::NoData, NoDataPolicy::Alerting) => Some(Said::True),
        (Finding::Held { .. }, _) => Some(Said::Held),
        (Finding::Unmet { .. }, _) | (Finding::NoData, NoDataPolicy::Ok) => Some(Said::False),
        (Finding::Missing, _) => Some(Said::Missing),
        (Finding::NoData, _) => None,
    }
}

/// Without an open episode: resolved for a quarter of an hour, then nothing.
fn at_rest(said: &[(i64, Said)], ended: Option<(i64, usize)>) -> PhaseName {
    let Some((end, index)) = ended else {
        return PhaseName::Inactive;
    };
    let is_forgotten = said[index..]
        .iter()
        .any(|(at, what)| *what != Said::Missing && at - end >= 15);
    if is_forgotten {
        PhaseName::Inactive
    } else {
        PhaseName::Resolved
    }
}

enum Run {
    /// The history ends in it.
    Open,
    /// It ends here.
    Broken(usize),
    /// It was long enough here.
    Reached(usize),
}

/// From the first true evaluation on, adds up the covered minutes.
fn find_firing(said: &[(i64, Said)], start: usize, hold: i64) -> Run {
    if hold == 0 {
        return Run::Reached(start);
    }
    let (mut covered, mut last, mut missed) = (0, said[start].0, 0);
    for (index, (at, what)) in said.iter().enumerate().skip(start + 1) {
        match what {
            Said::Missing => {
                missed += 1;
                if missed == 2 {
                    return Run::Broken(index);
                }
            }
            Said::False | Said::Held => return Run::Broken(index),
            Said::True => {
                missed = 0;
                let gap = at - last;
                // More than an hour in which nothing was known: it starts anew.
                covered = if gap - 1 > 60 {
                    0
                } else {
                    covered + gap.min(1)
                };
                last = *at;
                if covered >= hold {
                    return Run::Reached(index);
                }
            }
        }
    }
    Run::Open
}

/// From the evaluation that fired on, finds the one that ends the episode, or the phase at the end of the history.
fn find_end(said: &[(i64, Said)], fired: usize, keep: i64) -> Result<usize, PhaseName> {
    let (mut false_since, mut missed) = (None, 0);
    for (index, (at, what)) in said.iter().enumerate().skip(fired + 1) {
        if *what != Said::Missing {
            missed = 0;
        }
        match what {
            Said::Missing => {
                missed += 1;
                if missed == 2 {
                    return Ok(index);
                }
            }
            Said::True | Said::Held => false_since = None,
            Said::False => {
                let since = *false_since.get_or_insert(*at);
                if at - since >= keep {
                    return Ok(index);
                }
            }
        }
    }
    Err(if false_since.is_some() {
        PhaseName::Recovering
    } else {
        PhaseName::Firing
    })
}

/// Evaluations with gaps between them: mostly a minute, sometimes many, rarely hours.
fn histories() -> impl Strategy<Value = Vec<Evaluation>> {
    let gap = prop_oneof![12 => Just(1_i64), 2 => 2..20_i64, 1 => 55..70_i64, 1 => 100..300_i64];
    let finding = prop_oneof![
        6 => Just(met()),
        2 => Just(Finding::Held { value: 5.0 }),
        4 => Just(Finding::Unmet { value: 1.0 }),
        2 => Just(Finding::NoData),
        2 => Just(Finding::Missing),
    ];
    // The same finding for a while, so that something happens.
    let stretch = (finding, prop::collection::vec(gap, 1..6));
    prop::collection::vec(stretch, 1..14).prop_map(|stretches| {
        let mut at = 0;
        let mut history = Vec::new();
        for (finding, gaps) in stretches {
            for gap in gaps {
                at += gap;
                history.push((at, finding));
            }
        }
        history
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    let no_data = prop_oneof![
        Just(NoDataPolicy::KeepLast),
        Just(NoDataPolicy::Ok),
        Just(NoDataPolicy::Alerting)
    ];
    (0..5_u64, 0..5_u64, no_data).prop_map(|(hold, keep, no_data)| Policy {
        hold: Duration::from_mins(hold),
        keep_firing_for: Duration::from_mins(keep),
        no_data,
        flapping: None,
        ..Policy::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_state_machine_agrees_with_the_model(history in histories(), policy in policies(), restarts: u64, steps_back: u64) {
        let mut state = AlertState::default();
        for (index, (at, finding)) in history.iter().enumerate() {
            state.step(*finding, &policy, minute(*at));
            if restarts >> (index % 64) & 1 == 1 {
                state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            }
            // The clock is set back, and an earlier evaluation comes again: nothing changes.
            let earlier = minute(at - 3);
            if steps_back >> (index % 64) & 1 == 1 && state.evaluated_at.is_some_and(|last| last >= earlier) {
                let changes = state.step(Finding::Unmet { value: 0.0 }, &policy, earlier);
                prop_assert!(changes.is_empty());
            }
            let expected = search(&history[..=index], &policy);
            prop_assert_eq!(state.phase.name(), expected, "after {:?}", &history[..=index]);
        }
    }

    /// Notices are what is worth one: fired, resolved, flapping.
    #[test]
    fn a_flapping_alert_makes_at_most_two_notices_an_hour(toggles in prop::collection::vec(1..50_i64, 1..200), hold in 0..3_u64) {
        let policy = Policy { hold: Duration::from_mins(hold), flapping: Some(FlapPolicy::default()), ..Policy::default() };
        let mut state = AlertState::default();
        let (mut at, mut is_true) = (0, true);
        let mut recognised: Option<i64> = None;
        let mut notices = Vec::new();
        for length in toggles {
            for _ in 0..length {
                at += 1;
                let finding = if is_true { met() } else { Finding::Unmet { value: 1.0 } };
                for change in state.step(finding, &policy, minute(at)) {
                    if change.reason == Reason::Flapping {
                        recognised = recognised.or(Some(at));
                    }
                    let is_notice = matches!(
                        (change.to, change.reason),
                        (PhaseName::Firing, Reason::HeldLongEnough | Reason::Flapping) | (PhaseName::Resolved, _)
                    );
                    // While it toggles within the hour it stays recognised.
                    if is_notice && recognised.is_some() {
                        notices.push((at, change.reason));
                    }
                }
                if state.flips.is_empty() && state.phase.open_episode().is_none_or(|episode| !episode.flapping) {
                    recognised = None;
                    notices.clear();
                }
                let recent = notices.iter().filter(|(time, _)| at - time < 60).count();
                prop_assert!(recent <= 2, "{recent} notices within the hour before minute {at}: {notices:?}");
            }
            is_true = !is_true;
        }
    }
}
