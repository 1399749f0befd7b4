//! Decides how a run ended.

use std::fmt;

use dragline_schema::{RunStatus, Timestamp};
use serde::{Deserialize, Serialize};

/// Ten minutes, in microseconds.
const TEN_MINUTES: i64 = 600_000_000;
/// A file modified this much after its last line was copied, not written by the scraper.
const COPIED: i64 = 2 * TEN_MINUTES;
/// The same for times without a zone: more than the largest possible time zone error.
const COPIED_ZONELESS: i64 = 15 * 6 * TEN_MINUTES;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It ended successfully.
    Finished,
    /// It ended with an error or a panic.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It has no end line and its last file is a truncated archive, which may be the reason.
    Truncated,
    /// It has no end line yet and its file is being written.
    Running,
    /// It has no end line and stopped making requests or items while its log continued.
    Stalled,
    /// It has no end line: the process died.
    Killed,
}

impl Verdict {
    /// The name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Truncated => "truncated",
            Self::Running => "running",
            Self::Stalled => "stalled",
            Self::Killed => "killed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The facts from which the verdict is derived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// The logged end status.
    pub(crate) status: Option<RunStatus>,
    /// The time of the last line.
    pub(crate) last: Option<Timestamp>,
    /// Requests and items: the time of the first, of the last, and their number.
    pub(crate) active: Option<(Timestamp, Timestamp, u64)>,
    /// Until when it waits, as it said itself.
    pub(crate) waits_until: Option<Timestamp>,
    /// Whether its last file is a truncated archive.
    pub(crate) truncated: bool,
    /// When its last file was modified.
    pub(crate) modified: Option<Timestamp>,
    /// Whether that file has times without a zone.
    pub(crate) zoneless: bool,
}

/// Decides how a run ended. A logged end decides. A truncated archive explains a missing end. A run whose
/// file was modified within ten minutes before `now`, or three times its usual gap, is alive, unless the file is a copy
/// of an older one; and so is one that said how long it would wait. A run is stalled if it made no requests or items for
/// three times the usual gap and at least ten minutes, and did not say that it waits.
pub(crate) fn judge(life: &Life, now: Timestamp) -> Verdict {
    match life.status {
        Some(RunStatus::Success) => return Verdict::Finished,
        Some(RunStatus::Failed | RunStatus::Panicked) => return Verdict::Failed,
        Some(RunStatus::Cancelled) => return Verdict::Cancelled,
        None if life.truncated => return Verdict::Truncated,
        None => {}
    }
    let patience = life.patience();
    let silent_until = |end: Timestamp| {
        life.active.is_some_and(|(_, last, _)| {
            let last = life.waits_until.map_or(last, |until| until.max(last));
            end.since(last) >= patience
        })
    };
    let waits = |until: Timestamp| now.since(until) < TEN_MINUTES;
    let is_alive = life.is_written(now, patience) || life.waits_until.is_some_and(waits);
    if is_alive {
        return if silent_until(now) {
            Verdict::Stalled
        } else {
            Verdict::Running
        };
    }
    if life.last.is_some_and(silent_until) {
        Verdict::Stalled
    } else {
        Verdict::Killed
    }
}

impl Life {
    /// How long it may do nothing, in microseconds.
    fn patience(&self) -> i64 {
        let usual = self.active.map_or(0, |(first, last, count)| {
            let gaps = i64::try_from(count.saturating_sub(1))
                .unwrap_or(i64::MAX)
                .max(1);
            last.since(first) / gaps
        });
        TEN_MINUTES.max(usual.saturating_mul(3))
    }

    /// Whether its file was modified within this time before `now`, and by the scraper.
    fn is_written(&self, now: Timestamp, patience: i64) -> bool {
        let Some((modified, last)) = self.modified.zip(self.last) else {
            return false;
        };
        // Of a later time than `now` the file says nothing: its lines do, unless they are later, too.
        let is_later = modified.since(now) > TEN_MINUTES && last.since(now) <= TEN_MINUTES;
        let modified = if is_later { last } else { modified };
        let copied = if self.zoneless {
            COPIED_ZONELESS
        } else {
            COPIED
        };
        now.since(modified) < patience && modified.since(last) < copied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_seconds(minute * 60)
    }

    /// Active every minute from 0 to 10; the test chooses the ends of the log and the file.
    fn life(last: i64, modified: i64) -> Life {
        Life {
            status: None,
            last: Some(at(last)),
            active: Some((at(0), at(10), 11)),
            waits_until: None,
            truncated: false,
            modified: Some(at(modified)),
            zoneless: false,
        }
    }

    #[test]
    fn a_run_without_an_end() {
        assert_eq!(judge(&life(10, 10), at(1000)), Verdict::Killed);
        assert_eq!(judge(&life(19, 19), at(1000)), Verdict::Killed);
        assert_eq!(judge(&life(20, 20), at(1000)), Verdict::Stalled);
        assert_eq!(judge(&life(10, 10), at(15)), Verdict::Running);
        assert_eq!(judge(&life(30, 30), at(31)), Verdict::Stalled);
        assert_eq!(
            judge(
                &Life {
                    truncated: true,
                    ..life(10, 10)
                },
                at(11)
            ),
            Verdict::Truncated
        );
        // An older archive that was copied just now.
        assert_eq!(judge(&life(10, 100), at(101)), Verdict::Killed);
        let zoneless = Life {
            zoneless: true,
            ..life(10, 100)
        };
        assert_eq!(judge(&zoneless, at(101)), Verdict::Stalled);
        assert_eq!(
            judge(
                &Life {
                    modified: Some(at(3000)),
                    ..zoneless
                },
                at(3001)
            ),
            Verdict::Killed
        );
    }

    #[test]
    fn who_said_how_long_it_waits_is_not_dead_meanwhile() {
        // A rate limit at minute 10, for an hour.
        let waits = Life {
            waits_until: Some(at(70)),
            ..life(10, 10)
        };
        assert_eq!(judge(&waits, at(69)), Verdict::Running);
        assert_eq!(judge(&waits, at(79)), Verdict::Running);
        assert_eq!(judge(&waits, at(80)), Verdict::Killed);
        // Its log goes on, and it does nothing.
        let goes_on = |last| Life {
            last: Some(at(last)),
            modified: Some(at(last)),
            ..waits
        };
        assert_eq!(judge(&goes_on(60), at(61)), Verdict::Running);
        assert_eq!(judge(&goes_on(90), at(91)), Verdict::Stalled);
    }

    #[test]
    fn a_file_of_a_later_time_says_nothing_of_now() {
        // The log as it was at minute 15, in a file that was written a day later.
        let later = life(10, 1500);
        assert_eq!(judge(&later, at(15)), Verdict::Running);
        assert_eq!(judge(&later, at(25)), Verdict::Killed);
        // And of a log that is all of a later time nothing is known but that it ended.
        assert_eq!(judge(&later, at(-100)), Verdict::Killed);
    }

    #[test]
    fn who_is_slow_has_more_time() {
        let slow = Life {
            active: Some((at(0), at(60), 3)),
            ..life(60, 60)
        };
        assert_eq!(judge(&slow, at(149)), Verdict::Running);
        assert_eq!(judge(&slow, at(151)), Verdict::Killed);
    }

    #[test]
    fn the_usual_gap_of_a_slow_scraper_is_no_stall() {
        let slow = Life {
            active: Some((at(0), at(60), 7)),
            ..life(80, 80)
        };
        assert_eq!(judge(&slow, at(1000)), Verdict::Killed);
        assert_eq!(
            judge(
                &Life {
                    last: Some(at(90)),
                    ..slow
                },
                at(1000)
            ),
            Verdict::Stalled
        );
    }

    #[test]
    fn an_end_counts_whatever_else_is_true() {
        let status = |status| Life {
            status: Some(status),
            truncated: true,
            ..life(30, 30)
        };
        assert_eq!(
            judge(&status(RunStatus::Success), at(31)),
            Verdict::Finished
        );
        assert_eq!(judge(&status(RunStatus::Panicked), at(31)), Verdict::Failed);
        assert_eq!(
            judge(&status(RunStatus::Cancelled), at(31)),
            Verdict::Cancelled
        );
    }
}
