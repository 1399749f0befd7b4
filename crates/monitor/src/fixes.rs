//! Fixes: findings that somebody marked as mended, and what the pages or runs since then say.

use dragline_insights::{
    Analysis, Counted, Expected, FixProgress, FixTest, FixVerdict, Marked, NoFixTest, ScraperKey,
};
use dragline_report::model::Insight;
use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::judge::time_of;

/// The name of the fixes among the states of the store.
pub(crate) const STATE: &str = "fixes";
/// Number of fixes that are kept; those that were marked first are dropped.
const KEPT: usize = 200;

/// All fixes, those that were marked last at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fixes(Vec<Fix>);

/// A finding that was marked as mended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fix {
    pub(crate) id: String,
    kind: String,
    pub(crate) title: String,
    pub(crate) scraper: Option<String>,
    pub(crate) site: Option<String>,
    metric: Option<String>,
    expected: Option<(f64, f64)>,
    observed: Option<f64>,
    since: Option<Timestamp>,
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    /// What decides; `None` before the first analysis after the mark.
    pub(crate) test: Option<FixTest>,
    /// Whether runs are counted, not pages.
    pub(crate) is_by_run: bool,
    /// The trials since the mark: how many counted, and how many there were.
    pub(crate) seen: (f64, f64),
    pub(crate) verdict: Option<FixVerdict>,
    pub(crate) decided_at: Option<Timestamp>,
    /// Why it cannot be watched.
    pub(crate) problem: Option<String>,
}

impl Fixes {
    /// Reads what [`Fixes::to_json`] wrote.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json)
            .map_err(|error| format!("the stored fixes are damaged: {error}"))
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Texts and numbers always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// All of them, those that were marked last first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Fix> {
        self.0.iter().rev()
    }

    pub(crate) fn of(&self, id: &str) -> Option<&Fix> {
        self.0.iter().find(|fix| fix.id == id)
    }

    /// Marks a finding as mended. An earlier mark of it is replaced.
    pub(crate) fn mark(&mut self, insight: &Insight, by: &str, at: Timestamp) {
        self.0.retain(|fix| fix.id != insight.id);
        self.0.push(Fix {
            id: insight.id.clone(),
            kind: insight.kind.clone(),
            title: insight.title.clone(),
            scraper: insight.scraper_id.clone(),
            site: insight.site.clone(),
            metric: insight.metric.clone(),
            expected: insight
                .expected
                .as_ref()
                .map(|range| (range.lower, range.upper)),
            observed: insight.observed,
            since: time_of(insight.since.as_ref()),
            at,
            by: by.to_owned(),
            test: None,
            is_by_run: false,
            seen: (0.0, 0.0),
            verdict: None,
            decided_at: None,
            problem: None,
        });
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// What an analysis says about the fixes without a verdict.
    pub(crate) fn watch(&self, analysis: &Analysis<'_>) -> Vec<Watched> {
        let open = self.0.iter().filter(|fix| fix.verdict.is_none());
        let watched = open.filter_map(|fix| {
            Some(Watched {
                id: fix.id.clone(),
                at: fix.at,
                progress: analysis.watch_fix(&fix.marked()?, fix.test),
            })
        });
        watched.collect()
    }

    /// Takes what an analysis said at a time; returns whether anything changed. A verdict stays.
    pub(crate) fn take(&mut self, watched: &[Watched], now: Timestamp) -> bool {
        let before = self.clone();
        for one in watched {
            let own = |fix: &&mut Fix| (&fix.id, fix.at) == (&one.id, one.at);
            if let Some(fix) = self
                .0
                .iter_mut()
                .find(own)
                .filter(|fix| fix.verdict.is_none())
            {
                fix.take(&one.progress, now);
            }
        }
        *self != before
    }
}

/// What an analysis says about a fix.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    id: String,
    /// When it was marked: a later mark is another fix.
    at: Timestamp,
    progress: Result<FixProgress, NoFixTest>,
}

impl Fix {
    /// What the analysis needs; `None` for a kind that this version does not know.
    fn marked(&self) -> Option<Marked> {
        Some(Marked {
            id: self.id.clone(),
            kind: self.kind.parse().ok()?,
            scraper: ScraperKey {
                scraper_id: self.scraper.clone(),
                site: self.site.clone(),
            },
            metric: self.metric.clone(),
            expected: self
                .expected
                .map(|(lower, upper)| Expected { lower, upper }),
            observed: self.observed,
            since: self.since,
            at: self.at,
        })
    }

    fn take(&mut self, progress: &Result<FixProgress, NoFixTest>, now: Timestamp) {
        match progress {
            Ok(progress) => {
                self.test = Some(progress.test);
                self.is_by_run = progress.counted == Counted::Runs;
                self.seen = (progress.part, progress.whole);
                self.verdict = progress.test.judge(progress.part, progress.whole);
                self.decided_at = self.verdict.map(|_| now);
                self.problem = None;
            }
            Err(why) => self.problem = Some(why.to_string()),
        }
    }

    /// What is counted.
    pub(crate) fn counted(&self) -> &'static str {
        if self.is_by_run { "runs" } else { "pages" }
    }

    /// The state in a sentence.
    pub(crate) fn sentence(&self) -> String {
        let (seen, counted) = (self.seen.1, self.counted());
        let rate = |rate: f64| {
            format!("{rate:.3}")
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        };
        let Some(test) = &self.test else {
            return match &self.problem {
                Some(problem) => format!("It cannot be watched: {problem}."),
                None => "It is watched from the next analysis on.".to_owned(),
            };
        };
        let per = if self.is_by_run { "run" } else { "page" };
        let observed = if seen > 0.0 {
            rate(self.seen.0 / seen)
        } else {
            "nothing yet".to_owned()
        };
        let numbers = format!(
            "usual {} per {per}, broken {}, since the mark {observed}",
            rate(test.usual),
            rate(test.broken),
        );
        match self.verdict {
            None => format!(
                "{seen:.0} {counted} were counted, about {} decide ({numbers}).",
                test.decides()
            ),
            Some(FixVerdict::Mended) => format!("Mended, by {seen:.0} {counted} ({numbers})."),
            Some(FixVerdict::NotMended) => {
                format!(
                    "Not mended: at least half of the trouble is left, by {seen:.0} {counted} ({numbers})."
                )
            }
            Some(FixVerdict::Worse) => {
                format!("Worse than before the fix, by {seen:.0} {counted} ({numbers}).")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_insights::Trials;

    fn watched(fixes: &Fixes, part: f64, whole: f64) -> Watched {
        let fix = fixes.all().next().unwrap();
        Watched {
            id: fix.id.clone(),
            at: fix.at,
            progress: Ok(FixProgress {
                counted: Counted::Pages,
                test: FixTest::of(Trials::Shares, 0.02, 0.4, 1.0).unwrap(),
                part,
                whole,
            }),
        }
    }

    #[test]
    fn a_verdict_stays_until_the_finding_is_marked_again() {
        let at = Timestamp::from_seconds(1_772_582_400);
        let insight = Insight {
            id: "block_wave-1".to_owned(),
            kind: "block_wave".to_owned(),
            ..Insight::default()
        };
        let mut fixes = Fixes::default();
        fixes.mark(&insight, "alex", at);
        let none = watched(&fixes, 0.0, 0.0);
        assert!(fixes.take(std::slice::from_ref(&none), at) && !fixes.take(&[none], at));
        assert_eq!(
            fixes.of("block_wave-1").unwrap().sentence(),
            "0 pages were counted, about 29 decide (usual 0.02 per page, broken 0.4, since the mark nothing yet)."
        );
        let old = watched(&fixes, 40.0, 100.0);
        assert!(fixes.take(std::slice::from_ref(&old), at.plus_micros(5)));
        let fix = fixes.of("block_wave-1").unwrap();
        assert_eq!(
            (fix.verdict, fix.decided_at),
            (Some(FixVerdict::NotMended), Some(at.plus_micros(5)))
        );
        let good = watched(&fixes, 0.0, 1000.0);
        assert!(!fixes.take(&[good], at));
        assert_eq!(Fixes::from_json(&fixes.to_json()), Ok(fixes.clone()));
        // Marked again, it is another fix, of which the earlier analysis says nothing.
        fixes.mark(&insight, "alex", at.plus_micros(9));
        assert!(!fixes.take(&[old], at));
        assert_eq!(fixes.all().count(), 1);
        assert!(Fixes::from_json(b"x").is_err());
    }
}
