//! Judges the counts of a capsule.

use dragline_classifier::RuleSet;
use dragline_report::model::{Insight, Report};
use dragline_report::{ReportOptions, report};

use crate::{BadCapsule, Capsule};

/// What the counts of a capsule give.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The report on the scrapers of the capsule.
    pub report: Report,
    /// The finding; `None` if the counts do not give it.
    pub insight: Option<Insight>,
    /// The verdict on the finding's scraper; `None` for a finding about the whole fleet.
    pub verdict: Option<String>,
    /// A sentence for everything that is not as it was when the capsule was made; empty if the verdict is the same.
    pub differences: Vec<String>,
}

impl Capsule {
    /// Judges the counts again, by the analysis of this version and the rules, limits and mutes of the capsule. Needs
    /// neither logs nor a network.
    ///
    /// # Errors
    /// If the rules in it cannot be used, or the analysis fails.
    pub fn judge(&self) -> Result<Judged, BadCapsule> {
        let rules = [("the rules of the capsule".to_owned(), self.rules.clone())];
        let rules = RuleSet::from_texts(&rules);
        let rules = rules.map_err(|error| BadCapsule::Damaged(error.to_string()))?;
        let options = ReportOptions {
            since: self.since,
            until: self.until,
            level: self.level,
            mutes: self.mutes.clone(),
            limits: self.limits.clone(),
            fleet: Some(self.fleet.clone()),
            ..ReportOptions::at(self.made_at)
        };
        let report = report(&self.finished, self.everything.as_ref(), &rules, &options);
        let report = report.map_err(|error| BadCapsule::Judging(error.to_string()))?;
        let insight = find(&report, &self.insight).cloned();
        let verdict = verdict_of(&report, &self.insight);
        let mut differences = match &insight {
            Some(insight) => differences(&self.insight, insight),
            None => vec!["the counts no longer give this finding".to_owned()],
        };
        differences.extend(differs(
            "the verdict on the scraper",
            &self.verdict,
            &verdict,
        ));
        Ok(Judged {
            report,
            insight,
            verdict,
            differences,
        })
    }
}

/// The finding of a report that is the wanted one: by its id or, because names may have been redacted, by what it says.
pub(crate) fn find<'r>(report: &'r Report, wanted: &Insight) -> Option<&'r Insight> {
    let mut all = report.insights.iter();
    let is_alike = |one: &&Insight| {
        let key = |one: &Insight| {
            let of = (one.scraper_id.clone(), one.site.clone());
            (of, one.kind.clone(), one.metric.clone(), one.since.clone())
        };
        key(one) == key(wanted)
    };
    let by_id = all.find(|one| one.id == wanted.id);
    by_id.or_else(|| report.insights.iter().find(is_alike))
}

/// The verdict on the scraper of a finding.
pub(crate) fn verdict_of(report: &Report, insight: &Insight) -> Option<String> {
    let mut all = report.scrapers.iter();
    let own = all.find(|one| (&one.scraper_id, &one.site) == (&insight.scraper_id, &insight.site));
    own.map(|scraper| scraper.verdict.clone())
}

/// A sentence for each part of a finding that differs.
fn differences(was: &Insight, is: &Insight) -> Vec<String> {
    let mut found = essential_differences(was, is);
    let texts = [
        differs("the title", &was.title, &is.title),
        differs("the detail", &was.detail, &is.detail),
        differs(
            "the recommendation",
            &was.recommendation,
            &is.recommendation,
        ),
    ];
    found.extend(texts.into_iter().flatten());
    if was.sequence != is.sequence {
        found.push("the order of events differs".to_owned());
    }
    if was.evidence != is.evidence {
        found.push("the lines that show it differ".to_owned());
    }
    found
}

/// The same for what does not depend on wording, and so not on what was redacted.
pub(crate) fn essential_differences(was: &Insight, is: &Insight) -> Vec<String> {
    let range = |one: &Insight| {
        one.expected
            .as_ref()
            .map(|range| (range.lower, range.upper))
    };
    let pairs = [
        differs("the kind", &was.kind, &is.kind),
        differs("the severity", &was.severity, &is.severity),
        differs("the onset", &was.since, &is.since),
        differs("the end", &was.until, &is.until),
        differs("whether it is open", &was.is_open, &is.is_open),
        differs("the metric", &was.metric, &is.metric),
        differs("the expected range", &range(was), &range(is)),
        differs("the observed value", &was.observed, &is.observed),
    ];
    pairs.into_iter().flatten().collect()
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, was: &T, is: &T) -> Option<String> {
    (was != is).then(|| format!("{what} was {was:?} and is {is:?}"))
}
