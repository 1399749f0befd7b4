//! Calendar dates in UTC, and the ticks of a time axis.
//!
//! Times are microseconds since 1970-01-01 UTC; earlier times are negative.

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// 1970-01-05, a Monday: weeks begin on Mondays.
const FIRST_MONDAY: i64 = 4 * DAY;

pub(crate) const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A date and time in the Gregorian calendar, UTC.
pub(crate) struct Civil {
    year: i64,
    /// 1 to 12.
    month: i64,
    day: i64,
    /// 0 is Monday.
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// Uses the algorithm of Howard Hinnant, "chrono-compatible low-level date algorithms".
    pub(crate) fn of(time: i64) -> Self {
        let (days, rest) = (time.div_euclid(DAY), time.rem_euclid(DAY));
        let z = days + 719_468;
        let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let shifted = (5 * doy + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        Self {
            year: yoe + era * 400 + i64::from(month <= 2),
            month,
            day: doy - (153 * shifted + 2) / 5 + 1,
            weekday: (days + 3).rem_euclid(7) as usize,
            hour: rest / HOUR,
            minute: rest / MINUTE % 60,
            second: rest / SECOND % 60,
        }
    }

    fn month_name(&self) -> &'static str {
        MONTHS[(self.month - 1) as usize]
    }

    fn weekday_name(&self) -> &'static str {
        WEEKDAYS[self.weekday]
    }

    /// `Wed 4 Mar`.
    fn date(&self) -> String {
        format!("{} {} {}", self.weekday_name(), self.day, self.month_name())
    }

    /// `14:00`, with seconds if they are not zero.
    fn clock(&self) -> String {
        let seconds = if self.second == 0 {
            String::new()
        } else {
            format!(":{:02}", self.second)
        };
        format!("{:02}:{:02}{seconds}", self.hour, self.minute)
    }

    /// `4 Mar 14:00`.
    pub(crate) fn day_and_clock(&self) -> String {
        format!("{} {} {}", self.day, self.month_name(), self.clock())
    }

    /// `Wed 4 Mar 14:00`.
    pub(crate) fn short(&self) -> String {
        format!("{} {}", self.date(), self.clock())
    }

    /// `2026-03-04 14:00`, which can be sorted as text.
    pub(crate) fn stamp(&self) -> String {
        format!(
            "{:04}-{:02}-{:02} {}",
            self.year,
            self.month,
            self.day,
            self.clock()
        )
    }
}

/// The start of a month, given as months since year 0; `None` beyond the supported range.
fn month_start(index: i64) -> Option<i64> {
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
    let doy = (153 * ((month + 9) % 12) + 2) / 5;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    (era * 146_097 + doe - 719_468).checked_mul(DAY)
}

/// One tick of a time axis.
pub(crate) struct Tick {
    pub(crate) time: i64,
    /// `14:00`, `Wed 4`, `2 Mar`, `Mar` or `2026`, depending on the step.
    pub(crate) label: String,
    /// The day, month or year that starts at this tick, for a second line.
    pub(crate) under: Option<String>,
}

#[derive(Clone, Copy)]
enum Step {
    Micros(i64),
    Months(i64),
}

const STEPS: [i64; 21] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
];

/// The smallest calendar step with at most `most` ticks in a span.
fn step(span: f64, most: f64) -> Step {
    if let Some(step) = STEPS.into_iter().find(|step| span / *step as f64 <= most) {
        return Step::Micros(step);
    }
    let months = span / (30.4 * DAY as f64);
    let years = [12, 24, 60].into_iter();
    let decades = (1..6).flat_map(|power| [1, 2, 5].map(|n| 12 * n * 10_i64.pow(power)));
    let mut steps = [1, 2, 3, 6].into_iter().chain(years).chain(decades);
    Step::Months(
        steps
            .find(|step| months / *step as f64 <= most)
            .unwrap_or(12_000_000),
    )
}

/// At most `most` + 1 ticks from `from` to `to`, at round times.
pub(crate) fn ticks(from: i64, to: i64, most: f64) -> Vec<Tick> {
    let step = step(to as f64 - from as f64, most.max(1.0));
    let mut ticks: Vec<Tick> = Vec::new();
    let mut before = String::new();
    for time in times(step, from, to) {
        let civil = Civil::of(time);
        let (label, under) = labels(step, &civil);
        let new = under != before;
        ticks.push(Tick {
            time,
            label,
            under: (new && !under.is_empty()).then(|| under.clone()),
        });
        before = under;
    }
    ticks
}

fn times(step: Step, from: i64, to: i64) -> Vec<i64> {
    let within = |time: &i64| (from..=to).contains(time);
    match step {
        Step::Micros(step) => {
            let origin = if step % (7 * DAY) == 0 {
                FIRST_MONDAY
            } else {
                0
            };
            let first = from
                .saturating_sub(origin)
                .div_euclid(step)
                .saturating_mul(step);
            let next = |time: &i64| time.checked_add(step).filter(|time| *time <= to);
            let all = std::iter::successors(first.checked_add(origin), next);
            all.filter(within).collect()
        }
        Step::Months(step) => {
            let civil = Civil::of(from);
            let first = (civil.year * 12 + civil.month - 1).div_euclid(step) * step;
            let starts = (0..).map_while(|i| month_start(first + i * step).filter(|t| *t <= to));
            // There is no start before the first representable month.
            starts.filter(within).collect()
        }
    }
}

/// A tick's label, and the larger unit that contains it.
fn labels(step: Step, civil: &Civil) -> (String, String) {
    match step {
        Step::Micros(step) if step < DAY => (civil.clock(), civil.date()),
        Step::Micros(step) if step < 7 * DAY => (
            format!("{} {}", civil.weekday_name(), civil.day),
            format!("{} {}", civil.month_name(), civil.year),
        ),
        Step::Micros(_) => (
            format!("{} {}", civil.day, civil.month_name()),
            civil.year.to_string(),
        ),
        Step::Months(step) if step < 12 => (civil.month_name().to_owned(), civil.year.to_string()),
        Step::Months(_) => (civil.year.to_string(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(Civil::of(0).short(), "Thu 1 Jan 00:00");
        assert_eq!(
            Civil::of(1_772_623_353 * SECOND).stamp(),
            "2026-03-04 11:22:33"
        );
        assert_eq!(Civil::of(951_782_400 * SECOND).stamp(), "2000-02-29 00:00");
        assert_eq!(Civil::of(-1).stamp(), "1969-12-31 23:59:59");
        assert_eq!(month_start(2026 * 12 + 2), Some(1_772_323_200 * SECOND));
    }

    #[test]
    fn ticks_are_round_and_the_first_of_a_day_has_its_date() {
        let from = 1_772_623_353 * SECOND;
        let ticks = ticks(from, from + 2 * DAY, 9.0);
        let labels: Vec<_> = ticks.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "12:00", "18:00", "00:00", "06:00", "12:00", "18:00", "00:00", "06:00"
            ]
        );
        let under: Vec<_> = ticks.iter().filter_map(|t| t.under.as_deref()).collect();
        assert_eq!(under, ["Wed 4 Mar", "Thu 5 Mar", "Fri 6 Mar"]);
    }

    #[test]
    fn every_span_has_few_ticks() {
        let now = 1_772_623_353 * SECOND;
        for power in 0..19 {
            let span = 10_i64.pow(power);
            assert!(
                ticks(now, now.saturating_add(span), 6.0).len() <= 7,
                "{span}"
            );
            assert!(
                ticks(now.saturating_sub(span), now, 3.0).len() <= 4,
                "{span}"
            );
        }
        assert!(ticks(i64::MIN, i64::MAX, 6.0).len() <= 7);
    }
}
