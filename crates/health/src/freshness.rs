//! Signs of life: when the next is due, and since when it is overdue.

use std::time::Duration;

use dragline_schema::Timestamp;

use crate::condition::{Condition, show_duration};
use crate::duration::as_micros;
use crate::field::Field;
use crate::measurement::{FailureKind, Measurement, Values};
use crate::result::{CheckResult, Conditions, Level, Source, judge};

/// How often a sign of life is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Usual time from one sign of life to the next; later is degraded.
    pub period: Duration,
    /// Time after the period until the silence is critical.
    pub grace: Duration,
}

/// A sign of life further ahead than this is a wrong clock, and would hide any silence.
const AHEAD: Duration = Duration::from_hours(1);

/// Judges the last sign of life.
///
/// The level is dated to when it *became* so: overdue since the deadline, not since somebody looked. So an
/// observer that was away for a day reports the same times as one that never slept.
///
/// ```
/// use std::time::Duration;
/// use dragline_health::{Conditions, Level, Schedule, judge_freshness};
/// use dragline_schema::Timestamp;
///
/// let schedule = Schedule {
///     period: Duration::from_hours(1),
///     grace: Duration::from_mins(10),
/// };
/// let last = Timestamp::parse("2026-03-04T02:02:00Z")?;
/// let now = Timestamp::parse("2026-03-04T09:00:00Z")?;
/// let result = judge_freshness(now, Some(last), Some(schedule), &Conditions::default(), "run of shop");
/// assert_eq!(result.level, Some(Level::Critical));
/// assert_eq!(result.since, Some(Timestamp::parse("2026-03-04T03:12:00Z")?));
/// # Ok::<(), dragline_schema::ParseTimestampError>(())
/// ```
pub fn judge_freshness(
    now: Timestamp,
    last: Option<Timestamp>,
    schedule: Option<Schedule>,
    conditions: &Conditions,
    what: &str,
) -> CheckResult {
    let Some(last) = last else {
        return undecided(now, format!("no {what} is known yet"));
    };
    let age = now.since(last);
    if age < -as_micros(AHEAD) {
        return undecided(
            now,
            format!("the last {what} is dated {last}, in the future: a clock is wrong"),
        );
    }
    let seconds = age.max(0) as f64 / 1e6;
    let measurement = Measurement::default().with(Field::Age, seconds);
    let values = measurement.values.clone();
    let by_conditions = judge(now, Source::Signal, Ok(measurement), conditions);
    let (level, since, message) = match schedule {
        Some(schedule) => judge_schedule(now, last, schedule, what),
        None => (Level::Healthy, last, String::new()),
    };
    if by_conditions.level > Some(level) {
        let since = date_condition(last, conditions, by_conditions.level);
        return CheckResult {
            since: Some(since.unwrap_or(now).min(now)),
            ..by_conditions
        };
    }
    let message = match level {
        Level::Healthy => format!("last {what} {} ago", show_duration(seconds)),
        _ => message,
    };
    CheckResult {
        at: now,
        level: Some(level),
        since: Some(since.min(now)),
        message,
        failure: (level != Level::Healthy).then_some(FailureKind::Condition),
        source: Source::Signal,
        values,
    }
}

fn undecided(now: Timestamp, message: String) -> CheckResult {
    CheckResult {
        at: now,
        level: None,
        since: None,
        message,
        failure: None,
        source: Source::Signal,
        values: Values::new(),
    }
}

fn judge_schedule(
    now: Timestamp,
    last: Timestamp,
    schedule: Schedule,
    what: &str,
) -> (Level, Timestamp, String) {
    let due = last.plus_micros(as_micros(schedule.period));
    let deadline = due.plus_micros(as_micros(schedule.grace));
    let (level, since, word) = if now >= deadline {
        (Level::Critical, deadline, "overdue")
    } else if now >= due {
        (Level::Degraded, due, "late")
    } else {
        (Level::Healthy, last, "")
    };
    let message = format!(
        "{what} is {word}: the last was {} ago, one is expected every {}",
        show_duration(now.since(last) as f64 / 1e6),
        show_duration(schedule.period.as_secs_f64()),
    );
    (level, since, message)
}

/// When a condition such as `age < 2h` stopped to hold.
fn date_condition(
    last: Timestamp,
    conditions: &Conditions,
    level: Option<Level>,
) -> Option<Timestamp> {
    let broken = match level? {
        Level::Critical => &conditions.critical,
        Level::Degraded | Level::Healthy => &conditions.degraded,
    };
    let limits = broken.iter().filter_map(Condition::upper_limit);
    let first = limits.min_by(f64::total_cmp)?;
    Some(last.plus_micros((first * 1e6) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        period: Duration::from_hours(1),
        grace: Duration::from_mins(10),
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_seconds(minute * 60)
    }

    fn judged(now: i64, last: Option<i64>) -> CheckResult {
        let last = last.map(at);
        judge_freshness(
            at(now),
            last,
            Some(SCHEDULE),
            &Conditions::default(),
            "event of shop",
        )
    }

    #[test]
    fn it_flips_at_the_deadline_and_is_dated_to_it() {
        for (now, level, since) in [
            (100, Level::Healthy, 100),
            (159, Level::Healthy, 100),
            (160, Level::Degraded, 160),
            (169, Level::Degraded, 160),
            (170, Level::Critical, 170),
            (9999, Level::Critical, 170),
        ] {
            let result = judged(now, Some(100));
            assert_eq!(
                (result.level, result.since),
                (Some(level), Some(at(since))),
                "{now}"
            );
        }
        assert_eq!(
            judged(170, Some(100)).message,
            "event of shop is overdue: the last was 70 min ago, one is expected every 60 min"
        );
    }

    #[test]
    fn what_was_never_seen_is_not_known() {
        let result = judged(100, None);
        assert_eq!(result.level, None);
        assert_eq!(result.message, "no event of shop is known yet");
    }

    #[test]
    fn a_file_from_the_future_does_not_hide_silence() {
        assert_eq!(judged(100, Some(130)).level, Some(Level::Healthy));
        let result = judged(100, Some(100_000));
        assert_eq!(result.level, None);
        assert!(
            result.message.contains("a clock is wrong"),
            "{}",
            result.message
        );
    }

    #[test]
    fn conditions_on_the_age_are_dated_to_their_limit() {
        let conditions = Conditions {
            critical: vec!["age < 2h".parse().unwrap()],
            degraded: vec!["age < 1h".parse().unwrap()],
        };
        let judged = |now| judge_freshness(at(now), Some(at(0)), None, &conditions, "run of shop");
        assert_eq!(judged(59).level, Some(Level::Healthy));
        let late = judged(90);
        assert_eq!(
            (late.level, late.since),
            (Some(Level::Degraded), Some(at(60)))
        );
        let overdue = judged(500);
        assert_eq!(
            (overdue.level, overdue.since),
            (Some(Level::Critical), Some(at(120)))
        );
    }
}
