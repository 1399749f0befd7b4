//! Folds incidents that recur at the same time of day into one: a site that is busy every morning refuses
//! requests every morning.

use crate::incidents::Incident;
use crate::series::DAY;
use crate::series::MINUTE;

/// Minimum number of occurrences to count as recurring.
const LEAST: usize = 4;
/// Maximum distance of the onsets' times of day, in either direction.
const APART: i64 = 90 * MINUTE;

/// Returns the incidents, keeping only the last of those that recur, with the number of earlier ones.
pub(super) fn fold(incidents: Vec<Incident>) -> Vec<Incident> {
    let mut kept: Vec<Incident> = Vec::new();
    let mut rest = incidents;
    while let Some(last) = rest.pop() {
        let is_same = |other: &Incident| {
            other.kind == last.kind && last.since > 0 && is_same_time(other.since, last.since)
        };
        let before: Vec<&Incident> = rest.iter().filter(|other| is_same(other)).collect();
        let first = before.iter().map(|other| other.since).min();
        let count = before.len();
        if count + 1 < LEAST {
            kept.push(last);
            continue;
        }
        rest.retain(|other| !(other.kind == last.kind && is_same_time(other.since, last.since)));
        kept.push(Incident {
            before: first.map(|first| (count, first)),
            ..last
        });
    }
    kept.reverse();
    kept
}

/// Whether two times are on different days at about the same time of day.
fn is_same_time(a: i64, b: i64) -> bool {
    let apart = (a - b).rem_euclid(DAY);
    apart.min(DAY - apart) <= APART && (a - b).abs() > DAY / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::episodes::Episode;
    use crate::incidents::Kind;
    use crate::metric::Metric;
    use crate::series::HOUR;

    fn at(kind: Kind, since: i64) -> Incident {
        let root = Episode {
            metric: Metric::Blocked,
            is_up: true,
            from: 0,
            to: 0,
            seen: 0,
            since,
            expected: (0.0, 0.1),
            usual: 0.01,
            observed: 0.4,
        };
        Incident {
            kind,
            episodes: vec![root.clone()],
            root,
            from: 0,
            to: 0,
            since,
            until: since + HOUR,
            is_open: false,
            before: None,
        }
    }

    #[test]
    fn a_habit_is_told_once_and_chance_for_each() {
        let morning = |day: i64| at(Kind::BlockWave, day * DAY + 8 * HOUR + day * 10 * MINUTE);
        let mut all: Vec<Incident> = (1..6).map(morning).collect();
        all.push(at(Kind::BlockWave, 6 * DAY + 20 * HOUR));
        all.push(at(Kind::SlowDown, 7 * DAY + 8 * HOUR));
        let told = fold(all);
        let said: Vec<_> = told
            .iter()
            .map(|one| (one.kind, one.since, one.before))
            .collect();
        assert_eq!(
            said,
            [
                (
                    Kind::BlockWave,
                    morning(5).since,
                    Some((4, morning(1).since))
                ),
                (Kind::BlockWave, 6 * DAY + 20 * HOUR, None),
                (Kind::SlowDown, 7 * DAY + 8 * HOUR, None),
            ]
        );
        let few: Vec<Incident> = (1..4).map(morning).collect();
        assert_eq!(fold(few).len(), 3);
    }
}
