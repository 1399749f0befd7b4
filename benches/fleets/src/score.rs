//! How well a report tells what happened.
//!
//! An insight belongs to an incident when it names its scraper, calls it what it may be called or
//! names one of its consequences, and dates it to while it lasted, give or take one interval
//! between runs. An insight that belongs to none is false, however low its severity.
//!
//! Not every log says what its scraper is called: a name is also known when it is joined in another
//! way (`shop_prices`), and one that is nobody's in the fleet (a bot's, a class's) leaves it to the
//! site to tell.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::incident::Kind;
use crate::truth::{Incident, Truth};

/// What a report says of one fleet, beside its truth.
#[derive(Debug, Clone, Default)]
pub struct Score {
    /// One for each incident, in the truth's order.
    pub findings: Vec<Finding>,
    /// Insights that belong to no incident.
    pub false_insights: Vec<Claim>,
    /// Insights beyond the first of their kind that belong to the same incident.
    pub repeated: usize,
}

/// What became of one incident.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The incident.
    pub incident: Incident,
    /// The best insight that belongs to it, if any does.
    pub best: Option<Claim>,
    /// Whether that calls it by a name that it may be called.
    pub right_kind: bool,
    /// By how much it misses the onset.
    pub onset_minutes: Option<f64>,
}

/// An insight, as far as it can be held against a truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What it says happened.
    pub kind: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// To whom.
    pub scraper_id: Option<String>,
    /// On which site.
    pub site: Option<String>,
    /// In a sentence.
    pub title: String,
}

impl Finding {
    /// Whether any insight belongs to the incident.
    pub fn is_found(&self) -> bool {
        self.best.is_some()
    }
}

/// Holds a report (`dragline report --format json`) against what is true.
pub fn score(truth: &Truth, report: &Value) -> Score {
    let claims: Vec<Claim> = report["insights"]
        .as_array()
        .into_iter()
        .flatten()
        .map(Claim::new)
        .collect();
    let findings = truth
        .incidents
        .iter()
        .map(|incident| finding(truth, incident, &claims))
        .collect();
    let mut score = Score {
        findings,
        ..Score::default()
    };
    let mut seen = Vec::new();
    for claim in claims {
        match owner(truth, &claim) {
            Some(incident) if seen.contains(&(incident, claim.kind.clone())) => score.repeated += 1,
            Some(incident) => seen.push((incident, claim.kind)),
            None if is_excused(truth, &claim) => {}
            None => score.false_insights.push(claim),
        }
    }
    score
}

/// The best of the claims that belong to an incident: rightly named ones first, then by onset.
fn finding(truth: &Truth, incident: &Incident, claims: &[Claim]) -> Finding {
    let rank = |claim: &Claim| {
        (
            !named(&incident.accept, claim),
            onset_error(incident, claim),
        )
    };
    let best = claims
        .iter()
        .filter(|claim| belongs(truth, incident, claim))
        .min_by(|left, right| {
            rank(left)
                .partial_cmp(&rank(right))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    Finding {
        incident: incident.clone(),
        right_kind: best.is_some_and(|claim| named(&incident.accept, claim)),
        onset_minutes: best.map(|claim| onset_error(incident, claim)),
        best: best.cloned(),
    }
}

/// The number of the incident that a claim belongs to; one that bears its name rather than one of
/// which it names a consequence.
fn owner(truth: &Truth, claim: &Claim) -> Option<usize> {
    let all = || {
        truth
            .incidents
            .iter()
            .enumerate()
            .filter(|(_, one)| belongs(truth, one, claim))
    };
    all()
        .find(|(_, one)| named(&one.accept, claim))
        .or_else(|| all().next())
        .map(|(at, _)| at)
}

fn belongs(truth: &Truth, incident: &Incident, claim: &Claim) -> bool {
    let Some(since) = claim.since else {
        return false;
    };
    let site = claim.site.as_ref();
    let here = match whom(truth, claim) {
        Some(scraper) => {
            scraper == incident.scraper_id && site.is_none_or(|site| *site == incident.site)
        }
        None => site == Some(&incident.site),
    };
    let interval = SignedDuration::from_secs(incident.interval_seconds);
    let times = || incident.also_since.iter().chain([&incident.since]);
    let first = times().min().unwrap_or(&incident.since);
    let last = times()
        .chain([&incident.until])
        .max()
        .unwrap_or(&incident.until);
    // Warnings follow from anything.
    let meant = named(&incident.accept, claim)
        || named(&incident.related, claim)
        || claim.kind == "warning_surge";
    here && meant && since >= *first - interval && since <= *last + interval
}

fn named(kinds: &[Kind], claim: &Claim) -> bool {
    kinds.iter().any(|kind| kind.name() == claim.kind)
}

/// Minutes between the claim's onset and the nearest honest one.
fn onset_error(incident: &Incident, claim: &Claim) -> f64 {
    let Some(since) = claim.since else {
        return f64::INFINITY;
    };
    incident
        .also_since
        .iter()
        .chain([&incident.since])
        .map(|onset| since.duration_since(*onset).as_secs_f64().abs() / 60.0)
        .fold(f64::INFINITY, f64::min)
}

/// Who was given up makes no further runs, and a report cannot know that this was meant.
fn is_excused(truth: &Truth, claim: &Claim) -> bool {
    let whom = whom(truth, claim);
    claim.kind == Kind::RunMissed.name()
        && truth.scrapers.iter().any(|scraper| {
            let is_meant = match whom {
                Some(name) => name == scraper.scraper_id,
                None => claim.site.as_ref() == Some(&scraper.site),
            };
            scraper.retired && is_meant
        })
}

/// The scraper of the fleet that a claim names, however it joins the words of the name.
fn whom<'a>(truth: &'a Truth, claim: &Claim) -> Option<&'a str> {
    let name = bare(claim.scraper_id.as_deref()?);
    let mut scrapers = truth.scrapers.iter();
    let scraper = scrapers.find(|scraper| bare(&scraper.scraper_id) == name)?;
    Some(&scraper.scraper_id)
}

/// A name without what joins its words, without capitals, and without a number behind it, as the
/// second of two logs has.
fn bare(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    let letters: String = letters.flat_map(char::to_lowercase).collect();
    letters
        .trim_end_matches(|letter: char| letter.is_ascii_digit())
        .to_owned()
}

impl Claim {
    fn new(insight: &Value) -> Self {
        let text = |key: &str| insight[key].as_str().map(str::to_owned);
        Self {
            kind: text("kind").unwrap_or_default(),
            since: insight["since"].as_str().and_then(|time| time.parse().ok()),
            scraper_id: text("scraper_id"),
            site: text("site"),
            title: text("title").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::truth::ScraperTruth;

    fn truth(retired: bool) -> Truth {
        let at = |time: &str| time.parse().unwrap();
        Truth {
            seed: 1,
            lines: 0,
            scrapers: vec![ScraperTruth {
                scraper_id: "shop".to_owned(),
                site: "shop.example.com".to_owned(),
                runs: 14,
                days: 14,
                retired,
            }],
            incidents: vec![Incident {
                kind: Kind::SilentFailure,
                accept: vec![Kind::SilentFailure],
                related: vec![Kind::VolumeLow],
                scraper_id: "shop".to_owned(),
                site: "shop.example.com".to_owned(),
                since: at("2025-03-10T08:20:00Z"),
                also_since: Vec::new(),
                until: at("2025-03-11T09:00:00Z"),
                strength: 0.9,
                minimum: 0.6,
                events: 100,
                first_run: None,
                interval_seconds: 86_400,
            }],
        }
    }

    fn scored(insights: &[(&str, &str, &str)]) -> Score {
        let insights: Vec<_> = insights
            .iter()
            .map(|(kind, scraper, since)| json!({"kind": kind, "scraper_id": scraper, "site": null, "since": since}))
            .collect();
        score(&truth(false), &json!({ "insights": insights }))
    }

    #[test]
    fn an_incident_is_found() {
        let score = scored(&[("silent_failure", "shop", "2025-03-10T08:15:00Z")]);
        let finding = &score.findings[0];
        assert!(finding.is_found() && finding.right_kind);
        assert_eq!(finding.onset_minutes, Some(5.0));
        assert!(score.false_insights.is_empty());
    }

    #[test]
    fn a_consequence_finds_it_under_a_wrong_name() {
        let score = scored(&[("volume_low", "shop", "2025-03-10T08:20:00Z")]);
        assert!(score.findings[0].is_found());
        assert!(!score.findings[0].right_kind);
        assert!(score.false_insights.is_empty());
    }

    #[test]
    fn the_right_name_is_preferred_and_its_onset_counts() {
        let score = scored(&[
            ("volume_low", "shop", "2025-03-10T08:20:00Z"),
            ("silent_failure", "shop", "2025-03-10T14:20:00Z"),
        ]);
        assert!(score.findings[0].right_kind);
        assert_eq!(score.findings[0].onset_minutes, Some(360.0));
    }

    #[test]
    fn what_belongs_to_nothing_is_false() {
        let score = scored(&[
            ("slow_down", "shop", "2025-03-10T08:20:00Z"),
            ("silent_failure", "news", "2025-03-10T08:20:00Z"),
            ("silent_failure", "shop", "2025-03-02T08:20:00Z"),
        ]);
        assert!(!score.findings[0].is_found());
        assert_eq!(score.false_insights.len(), 3);
    }

    #[test]
    fn the_same_twice_is_repeated_and_not_false() {
        let insight = ("silent_failure", "shop", "2025-03-10T08:20:00Z");
        let score = scored(&[insight, insight]);
        assert_eq!((score.repeated, score.false_insights.len()), (1, 0));
    }

    /// The score of one insight, on a fleet of two scrapers.
    fn scored_on(scraper: Option<&str>, site: Option<&str>) -> Score {
        let mut truth = truth(false);
        let mut other = truth.scrapers[0].clone();
        other.scraper_id = "news-wire".to_owned();
        other.site = "news.example.org".to_owned();
        truth.scrapers.push(other);
        let since = "2025-03-10T08:20:00Z";
        let insight =
            json!({"kind": "silent_failure", "scraper_id": scraper, "site": site, "since": since});
        score(&truth, &json!({ "insights": [insight] }))
    }

    #[test]
    fn what_a_log_names_its_scraper_by_is_enough() {
        let site = Some("shop.example.com");
        for (scraper, site) in [(Some("Shop"), None), (None, site), (Some("crawl"), site)] {
            let score = scored_on(scraper, site);
            assert!(score.findings[0].is_found(), "{scraper:?} {site:?}");
            assert!(score.false_insights.is_empty());
        }
    }

    #[test]
    fn a_claim_about_somebody_else_or_nobody_does_not_count() {
        let (shop, news) = (Some("shop.example.com"), Some("news.example.org"));
        for (scraper, site) in [
            (Some("news_wire"), None),
            (Some("news_wire"), shop),
            (Some("shop"), news),
            (Some("crawl"), None),
            (None, news),
            (None, None),
        ] {
            let score = scored_on(scraper, site);
            assert!(!score.findings[0].is_found(), "{scraper:?} {site:?}");
            assert_eq!(score.false_insights.len(), 1);
        }
    }

    #[test]
    fn a_retired_scraper_may_be_called_missed() {
        let insight =
            json!({"kind": "run_missed", "scraper_id": "shop", "since": "2025-03-20T08:00:00Z"});
        let report = json!({ "insights": [insight] });
        assert_eq!(score(&truth(true), &report).false_insights.len(), 0);
        assert_eq!(score(&truth(false), &report).false_insights.len(), 1);
    }
}
