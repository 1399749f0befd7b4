//! A budget of notices: what is not critical is ranked and summed up once the budget is used.

use std::time::Duration;

use dragline_schema::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::duration::elapsed;

/// A number of notices in a period, for each channel: `3 a week`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Maximum number of notices in any period of this length.
    pub notices: u32,
    /// The period.
    pub period: Duration,
}

const PERIODS: [(&str, Duration); 4] = [
    ("hour", Duration::from_hours(1)),
    ("day", Duration::from_hours(24)),
    ("week", Duration::from_hours(7 * 24)),
    ("month", Duration::from_hours(30 * 24)),
];

/// The longest of the periods.
pub(super) const LONGEST_PERIOD: Duration = Duration::from_hours(30 * 24);

impl Budget {
    /// Parses `3 a week`, `10 per day` or `1/hour`.
    ///
    /// # Errors
    /// When the text is no budget.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fail = || {
            format!(
                "invalid budget {text:?}: write \"3 a week\"; the periods are hour, day, week and month"
            )
        };
        let spaced = text.replace('/', " per ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let [number, "a" | "an" | "per", period] = words[..] else {
            return Err(fail());
        };
        let notices = number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(fail)?;
        let (_, period) = PERIODS
            .iter()
            .find(|(name, _)| *name == period)
            .ok_or_else(fail)?;
        Ok(Self {
            notices,
            period: *period,
        })
    }

    /// How much of the budget is used at `now`.
    pub(super) fn used(&self, sent: &[Timestamp], now: Timestamp) -> u32 {
        let recent = sent
            .iter()
            .filter(|sent| elapsed(now, **sent) < self.period);
        u32::try_from(recent.count()).unwrap_or(u32::MAX)
    }

    /// Whether a single notice may go out at once: the last of the budget is kept for the digest.
    pub(super) fn allows_notice(&self, sent: &[Timestamp], now: Timestamp) -> bool {
        self.used(sent, now) + 1 < self.notices
    }

    /// Whether a digest may go out, given when its first entry was put off.
    pub(super) fn allows_digest(
        &self,
        sent: &[Timestamp],
        waiting_since: Timestamp,
        now: Timestamp,
    ) -> bool {
        self.used(sent, now) < self.notices
            && elapsed(now, waiting_since) >= self.period / self.notices
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let period = PERIODS.iter().find(|(_, length)| *length == self.period);
        to.collect_str(&format_args!(
            "{} per {}",
            self.notices,
            period.map_or("week", |(name, _)| name)
        ))
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_sentence() {
        for (text, notices, hours) in [
            ("3 a week", 3, 168),
            ("10 per day", 10, 24),
            ("1/hour", 1, 1),
            ("2 an hour", 2, 1),
        ] {
            let budget = Budget::parse(text).unwrap();
            assert_eq!(
                (budget.notices, budget.period.as_secs() / 3600),
                (notices, hours),
                "{text}"
            );
        }
        for text in ["", "3", "week", "0 a week", "3 a fortnight", "three a week"] {
            assert!(
                Budget::parse(text).unwrap_err().contains("3 a week"),
                "{text}"
            );
        }
    }
}
