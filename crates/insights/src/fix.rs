//! Whether a finding that somebody marked as mended is mended.
//!
//! Two rates are known: the usual one from before the finding, and the broken one since it. Pages after the mark are
//! counted one by one, and a sequential test (Wald, "Sequential tests of statistical hypotheses", 1945; for more than two
//! hypotheses Armitage 1950) decides as soon as they are enough. There are four hypotheses: the rate is the usual one;
//! half of the trouble is left; all of it is left; it is worse by half. A verdict is given when its best hypothesis is
//! [`ODDS`] times as likely as each of the others. If one of the four is true, a wrong verdict has at most three
//! chances in [`ODDS`], that is 3 %. A rate between two of them is decided for the nearer one.
//!
//! Pages of one run are more alike than chance makes them. By how much is estimated from the runs before, usual and
//! broken (the variance of their rates beside that of independent pages), and a page counts for as much less.
//!
//! ```
//! use dragline_insights::{FixTest, FixVerdict, Trials};
//!
//! // Ten runs of 100 pages, of which 2 failed, and two of which 40 failed.
//! let test = FixTest::learn(Trials::Shares, &[(2.0, 100.0); 10], &[(40.0, 100.0); 2]).unwrap();
//! assert_eq!(test.judge(0.0, 5.0), None);
//! assert_eq!(test.judge(1.0, 60.0), Some(FixVerdict::Mended));
//! assert_eq!(test.judge(40.0, 100.0), Some(FixVerdict::NotMended));
//! assert_eq!(test.judge(90.0, 100.0), Some(FixVerdict::Worse));
//! ```

use serde::{Deserialize, Serialize};

/// How much likelier a verdict must be than each other one.
pub const ODDS: f64 = 100.0;
/// After this many times the number of trials that usually decide, the nearest hypothesis is taken.
const LONGEST: f64 = 20.0;
/// Minimum number of runs, or hours, that the usual rate is learned from.
const LEAST_UNITS: usize = 6;
/// Maximum number of trials that may be needed; with more, the rates are too close to be told apart.
const MOST_TRIALS: f64 = 1e4;
/// Number of independent units that are assumed beside the observed ones when their variance is estimated.
const PRIOR_UNITS: f64 = 3.0;
/// Range of the factor by which trials of a unit are more alike than independent ones.
const SPREAD: std::ops::RangeInclusive<f64> = 1.0..=100.0;
/// Minimum difference of the broken rate from the worse one, relative to that from the usual one.
const LEAST_WORSE: f64 = 0.1;

/// What a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trials {
    /// It counts or it does not: a refused page, a lost item, a run that was killed.
    Shares,
    /// It may count several times: items of a page, errors of a page.
    Rates,
}

/// What became of a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixVerdict {
    /// The rate is the usual one again.
    Mended,
    /// At least half of the trouble is left.
    NotMended,
    /// The trouble is larger than before the fix by half or more.
    Worse,
}

impl FixVerdict {
    /// The name, as in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mended => "mended",
            Self::NotMended => "not_mended",
            Self::Worse => "worse",
        }
    }
}

/// Why a fix cannot be watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFixTest {
    /// Too few units before the finding.
    #[error("only {0} runs before it show what is usual, and {LEAST_UNITS} are needed")]
    FewUnits(usize),
    /// Nothing was counted since its onset.
    #[error("nothing was counted since its onset")]
    NothingBroken,
    /// The rates are too close.
    #[error(
        "what is usual and what went wrong are too close to be told apart by fewer than a million trials"
    )]
    TooClose,
    /// Findings of this kind are not about pages or runs that follow.
    #[error("a finding of this kind does not show in the pages or runs that follow")]
    Kind,
    /// The scraper or the finding is not in the analysis.
    #[error("the last analysis does not contain it")]
    Unknown,
}

/// A sequential test of whether a rate is the usual one again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixTest {
    /// What is counted.
    pub trials: Trials,
    /// The usual rate.
    pub usual: f64,
    /// The rate since the onset.
    pub broken: f64,
    /// How many trials of a unit say as much as one independent trial.
    pub spread: f64,
}

impl FixTest {
    /// Learns the rates from the units before the finding and since its onset: the number of trials that counted, and of
    /// all.
    ///
    /// # Errors
    /// If there are too few units, or the rates cannot be told apart.
    pub fn learn(
        trials: Trials,
        usual: &[(f64, f64)],
        broken: &[(f64, f64)],
    ) -> Result<Self, NoFixTest> {
        let count = usual.iter().filter(|(_, whole)| *whole > 0.0).count();
        if count < LEAST_UNITS {
            return Err(NoFixTest::FewUnits(count));
        }
        let before = rate(trials, usual).ok_or(NoFixTest::FewUnits(0))?;
        let since = rate(trials, broken).ok_or(NoFixTest::NothingBroken)?;
        let spread = spread(trials, usual, before).max(spread(trials, broken, since));
        Self::of(trials, before, since, spread)
    }

    /// A test with known rates.
    ///
    /// # Errors
    /// If the rates cannot be told apart.
    pub fn of(trials: Trials, usual: f64, broken: f64, spread: f64) -> Result<Self, NoFixTest> {
        let test = Self {
            trials,
            usual,
            broken,
            spread: spread.clamp(*SPREAD.start(), *SPREAD.end()),
        };
        let needed = test.needed();
        if needed.is_finite() && needed <= MOST_TRIALS {
            Ok(test)
        } else {
            Err(NoFixTest::TooClose)
        }
    }

    /// About how many trials decide.
    pub fn decides(&self) -> u64 {
        self.needed().ceil() as u64
    }

    /// The expected number of trials until a verdict, whichever of mended and not mended is true (Wald's approximation).
    fn needed(&self) -> f64 {
        let [usual, half, broken, _] = self.rates();
        let mended = self.distance(usual, half);
        let not = self.distance(broken, usual);
        ODDS.ln() * self.spread / mended.min(not)
    }

    /// The rates of the hypotheses: usual, half of the trouble, all of it, half as much more.
    fn rates(&self) -> [f64; 4] {
        let step = (self.broken - self.usual) / 2.0;
        let worse = self.broken + step;
        // A share cannot exceed its limits, nor a rate fall below 0: go half of the way there.
        let (least, most) = match self.trials {
            Trials::Shares => (self.broken / 2.0, f64::midpoint(1.0, self.broken)),
            Trials::Rates => (self.broken / 2.0, f64::INFINITY),
        };
        [
            self.usual,
            self.usual + step,
            self.broken,
            worse.clamp(least, most),
        ]
    }

    /// Whether the worse rate differs enough from the broken one to be tested.
    fn has_worse(&self) -> bool {
        let [usual, _, broken, worse] = self.rates();
        (worse - broken).abs() >= LEAST_WORSE * (broken - usual).abs()
    }

    /// How much a trial says, on average, for the first rate against the second, if the first is true (Kullback and
    /// Leibler 1951).
    fn distance(&self, is: f64, not: f64) -> f64 {
        self.gain(is, 1.0, is) - self.gain(is, 1.0, not)
    }

    /// The logarithm of the likelihood of a rate, without what is the same for all rates.
    fn gain(&self, part: f64, whole: f64, rate: f64) -> f64 {
        match self.trials {
            Trials::Shares => part * rate.ln() + (whole - part).max(0.0) * (1.0 - rate).ln(),
            Trials::Rates => part * rate.ln() - whole * rate,
        }
    }

    /// The verdict after these trials since the mark, of which `part` counted; `None` while they are too few.
    pub fn judge(&self, part: f64, whole: f64) -> Option<FixVerdict> {
        let part = match self.trials {
            Trials::Shares => part.min(whole),
            Trials::Rates => part,
        };
        let gains = self
            .rates()
            .map(|rate| self.gain(part, whole, rate) / self.spread);
        let worse = if self.has_worse() {
            gains[3]
        } else {
            f64::NEG_INFINITY
        };
        let all = [
            (FixVerdict::Mended, gains[0]),
            (FixVerdict::NotMended, gains[1].max(gains[2])),
            (FixVerdict::Worse, worse),
        ];
        let best = all.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let others = all.iter().filter(|other| other.0 != best.0);
        let second = others
            .map(|other| other.1)
            .fold(f64::NEG_INFINITY, f64::max);
        let is_sure = best.1 - second >= ODDS.ln();
        (is_sure || whole >= LONGEST * self.needed()).then_some(best.0)
    }
}

/// The rate of all units together; of none, half a trial counts, because nothing is impossible.
fn rate(trials: Trials, units: &[(f64, f64)]) -> Option<f64> {
    let (part, whole) = units.iter().fold((0.0, 0.0), |sum, (part, whole)| {
        (sum.0 + part, sum.1 + whole)
    });
    let rate = (part + 0.5) / (whole + 1.0);
    (whole > 0.0).then(|| match trials {
        Trials::Shares => rate.min((whole + 0.5) / (whole + 1.0)),
        Trials::Rates => rate,
    })
}

/// How much larger the variance between units is than that of independent trials (Pearson's statistic).
fn spread(trials: Trials, units: &[(f64, f64)], rate: f64) -> f64 {
    let variance = match trials {
        Trials::Shares => rate * (1.0 - rate),
        Trials::Rates => rate,
    };
    let units = units.iter().filter(|(_, whole)| *whole > 0.0);
    let (mut sum, mut count) = (0.0, 0.0);
    for (part, whole) in units {
        sum += (part - whole * rate).powi(2) / (whole * variance).max(1e-9);
        count += 1.0;
    }
    let free: f64 = count - 1.0;
    (sum + PRIOR_UNITS) / (free.max(0.0) + PRIOR_UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_known_is_said() {
        let learn = |usual: &[(f64, f64)], broken: &[(f64, f64)]| {
            FixTest::learn(Trials::Shares, usual, broken)
        };
        let usual = [(2.0, 100.0); 8];
        assert_eq!(
            learn(&usual[..5], &[(40.0, 100.0)]),
            Err(NoFixTest::FewUnits(5))
        );
        assert_eq!(learn(&usual, &[]), Err(NoFixTest::NothingBroken));
        assert_eq!(learn(&usual, &[(2.0, 100.0)]), Err(NoFixTest::TooClose));
        assert!(learn(&usual, &[(10.0, 100.0)]).is_ok());
        assert_eq!(
            learn(&[(0.0, 0.0); 8], &[(1.0, 2.0)]),
            Err(NoFixTest::FewUnits(0))
        );
    }

    #[test]
    fn rates_may_fall_as_well_as_rise() {
        // Items per page: usually one, then one on every fifth page.
        let test = FixTest::of(Trials::Rates, 1.0, 0.2, 2.0).unwrap();
        assert_eq!(test.judge(100.0, 100.0), Some(FixVerdict::Mended));
        assert_eq!(test.judge(130.0, 100.0), Some(FixVerdict::Mended));
        assert_eq!(test.judge(60.0, 300.0), Some(FixVerdict::NotMended));
        assert_eq!(test.judge(3.0, 300.0), Some(FixVerdict::Worse));
        assert_eq!(test.judge(3.0, 4.0), None);
    }

    #[test]
    fn an_improvement_is_not_a_fix() {
        let test = FixTest::of(Trials::Shares, 0.02, 0.40, 1.0).unwrap();
        assert_eq!(test.judge(21.0, 100.0), Some(FixVerdict::NotMended));
        assert_eq!(test.judge(9.0, 100.0), None);
        // Where all failed, nothing can be worse.
        let all = FixTest::of(Trials::Shares, 0.02, 0.99, 1.0).unwrap();
        assert_eq!(all.judge(50.0, 50.0), Some(FixVerdict::NotMended));
    }

    #[test]
    fn alike_pages_count_for_less() {
        let even =
            FixTest::learn(Trials::Shares, &[(3.0, 100.0); 12], &[(30.0, 100.0); 4]).unwrap();
        let uneven: Vec<_> = (0..12)
            .map(|nth| (f64::from(nth % 2) * 12.0, 100.0))
            .collect();
        let uneven = FixTest::learn(Trials::Shares, &uneven, &[(30.0, 100.0); 4]).unwrap();
        assert!(uneven.spread > 3.0 * even.spread, "{even:?} {uneven:?}");
        assert!(uneven.decides() > 3 * even.decides());
    }
}
