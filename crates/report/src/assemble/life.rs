//! State of an error group across runs: new, ongoing, regressed, resolved.

use std::collections::BTreeSet;

use dragline_rollup::{Finished, Group, GroupRow};
use dragline_schema::Timestamp;

use crate::lookup::by_scraper;
use dragline_insights::DAY;

/// Minimum number of runs or days to determine a state.
const LEAST: usize = 4;
/// Runs from which the states of groups are determined.
pub(super) struct Lives {
    /// Runs of each scraper, oldest first, as indexes into [`Finished::runs`].
    scrapers: Vec<Vec<usize>>,
    period: Option<(Timestamp, Timestamp)>,
}

impl Lives {
    /// Collects the runs that started before the end of the period; later runs are ignored.
    pub(super) fn new(everything: &Finished, period: Option<(Timestamp, Timestamp)>) -> Self {
        let end = period.map(|(_, end)| end);
        let counts = |run: &usize| {
            let row = &everything.runs[*run];
            row.key.is_run() && (end.is_none() || row.start < end)
        };
        let of = |runs: Vec<usize>| runs.into_iter().filter(counts).collect();
        let scrapers = by_scraper(everything).into_values().map(of).collect();
        Self { scrapers, period }
    }

    /// Returns the state of a group: from the runs of the scrapers that have it, or from days if there are
    /// too few runs. `None` if there are also too few days.
    pub(super) fn state(&self, row: &GroupRow) -> Option<&'static str> {
        let by_runs = row.runs.as_ref().and_then(|runs| self.by_runs(runs));
        by_runs
            .or_else(|| self.by_days(&row.group))
            .map(State::name)
    }

    fn by_runs(&self, has: &BTreeSet<usize>) -> Option<State> {
        let scrapers = self
            .scrapers
            .iter()
            .filter(|runs| runs.iter().any(|run| has.contains(run)));
        let states = scrapers
            .map(|runs| State::of(&runs.iter().map(|run| has.contains(run)).collect::<Vec<_>>()));
        // A group that is ongoing for one scraper is ongoing.
        states.collect::<Option<Vec<State>>>()?.into_iter().max()
    }

    fn by_days(&self, group: &Group) -> Option<State> {
        let (start, end) = self.period?;
        let day = |at: Timestamp| at.as_micros().div_euclid(DAY);
        let last = day(end.plus_micros(-1));
        let first = group.days.keys().next().copied()?.min(day(start));
        let first = first.max(last - MOST_DAYS);
        let days: Vec<bool> = (first..=last)
            .map(|day| group.days.contains_key(&day))
            .collect();
        State::of(&days)
    }
}

/// Maximum number of days that are considered.
const MOST_DAYS: i64 = 3660;

/// State of a group; if scrapers differ, the greatest value wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It has been absent for longer than its usual pauses.
    Resolved,
    /// It first occurred in the last two runs.
    New,
    /// It has returned after a pause of at least three runs that is longer than its usual pauses.
    Regressed,
    /// It occurs as before.
    Ongoing,
}

impl State {
    /// Determines the state from the runs (or days), oldest first, that have the group.
    fn of(has: &[bool]) -> Option<Self> {
        let present: Vec<usize> = (0..has.len()).filter(|run| has[*run]).collect();
        let (first, last) = (*present.first()?, *present.last()?);
        if has.len() < LEAST {
            return None;
        }
        let pauses: Vec<usize> = present
            .windows(2)
            .map(|pair| pair[1] - pair[0] - 1)
            .collect();
        let longest = |pauses: &[usize]| pauses.iter().copied().max().unwrap_or(0);
        let since = has.len() - 1 - last;
        if since >= 2 && since > 2 * longest(&pauses) {
            return Some(Self::Resolved);
        }
        if first + 2 >= has.len() {
            return Some(Self::New);
        }
        // The pause before the current occurrences.
        let back = present
            .iter()
            .zip(&pauses)
            .rposition(|(_, pause)| *pause >= 3);
        Some(match back {
            Some(at)
                if present[at + 1] + 2 >= has.len() && pauses[at] > 2 * longest(&pauses[..at]) =>
            {
                Self::Regressed
            }
            _ => Self::Ongoing,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::New => "new",
            Self::Regressed => "regressed",
            Self::Ongoing => "ongoing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_told_by_the_runs_that_have_them() {
        for (has, state) in [
            ("....", None),
            ("xxx", None),
            ("xxxx", Some(State::Ongoing)),
            ("...x", Some(State::New)),
            ("......xx", Some(State::New)),
            (".....xxx", Some(State::Ongoing)),
            ("xxxxx..", Some(State::Resolved)),
            ("xxxxxx.", Some(State::Ongoing)),
            ("xx....x", Some(State::Regressed)),
            ("xx....xx", Some(State::Regressed)),
            ("xx....xxx", Some(State::Ongoing)),
            // An intermittent group: neither a pause nor a return is unusual.
            ("x...x....x...x", Some(State::Ongoing)),
            ("x...x...x....", Some(State::Ongoing)),
            ("x...x...x.......", Some(State::Resolved)),
            ("x..........", Some(State::Resolved)),
        ] {
            let runs: Vec<bool> = has.chars().map(|c| c == 'x').collect();
            assert_eq!(State::of(&runs), state, "{has}");
        }
    }
}
