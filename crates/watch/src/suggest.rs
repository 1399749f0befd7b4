//! Proposes alert rules for the incidents that the analyst found in a history.
//!
//! Two kinds of rules are proposed, at most five in all:
//!
//! - one rule about all **findings** (`insight = "*"`), because what breaks next is often of a kind that the history does
//!   not contain;
//! - the **default rules with thresholds that fit**: the largest range of thresholds that fires in as many incidents as
//!   possible and never outside of one. A default rule that only fires outside of incidents gets a threshold that it never
//!   reached.
//!
//! Each proposal states its backtest over the same history. That history has taught it, so the next one may differ: keep
//! some logs apart and run `alerts backtest` on them.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_alerting::Observation;
use dragline_alerting::backtest::{BacktestEpisode, BacktestResult, Variation, backtest};
use dragline_alerting::duration::{after, before};
use dragline_alerting::rule::{self, Condition, MetricCondition, Rule};
use dragline_alerting::watch::WatchConfig;
use dragline_insights::{Finding, InsightKind};
use dragline_schema::{Severity, Timestamp};

use crate::Scene;
use crate::findings::labels_of;

/// How long before its onset and after its end an incident may make a rule fire: windows look back, and an onset is dated
/// by the first unusual run.
const SLACK: Duration = Duration::from_hours(2);

/// Maximum number of times that a rule may fire for each incident that it finds: what fires in every run says the same
/// again and again.
const REPEATS: usize = 3;

/// Thresholds that are tried, as multiples of the rule's own.
const STEPS: [f64; 13] = [
    0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0, 25.0, 100.0,
];

/// The default rules whose thresholds depend on the fleet.
const TUNED: [&str; 4] = [
    "crawler_failures",
    "high_error_rate",
    "slow_responses",
    "queue_backup",
];

/// The least severity of a finding for which thresholds are chosen.
const LEAST: Severity = Severity::Medium;

/// The name of the rule about findings.
const FINDINGS: &str = "finding";

/// A proposed rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The name of the alert.
    pub name: String,
    /// The rule in TOML.
    pub toml: String,
    /// What it would have done, in a sentence.
    pub reason: String,
    /// Number of times that it would have fired.
    pub episodes: usize,
    /// Number of incidents that it is meant for.
    pub incidents: usize,
    /// Number of these in which it would have fired.
    pub found: usize,
    /// Number of times that it would have fired outside of any incident.
    pub outside: usize,
}

/// The rules whose observations a [`Scene`] must hold to propose rules: give them to [`look`](crate::look).
pub fn candidates() -> Vec<Rule> {
    let mut rules = rule::default_rules();
    let findings = rule::load("candidates", &findings_rule());
    rules.extend(findings.rules);
    rules
}

/// Proposes rules for what a scene contains. If the analyst found no incident, they are those that most fleets need.
pub fn suggest(scene: &Scene) -> Vec<Suggestion> {
    let known: Vec<Incident<'_>> = scene
        .findings
        .iter()
        .filter_map(|finding| Incident::of(finding, scene))
        .collect();
    let is_meant = |incident: &&Incident<'_>| incident.finding.severity >= LEAST;
    let incidents: Vec<Incident<'_>> = known.iter().filter(is_meant).copied().collect();
    let defaults = rule::default_rules();
    let tuned = defaults
        .iter()
        .filter(|rule| TUNED.contains(&rule.name.as_str()));
    let tuned: Vec<Suggestion> = tuned
        .filter_map(|rule| tune(rule, &scene.observations, &incidents, &known))
        .collect();
    let mut all = vec![of_findings(&incidents, scene)];
    all.extend(tuned);
    all
}

/// An incident of the history.
#[derive(Clone, Copy)]
struct Incident<'f> {
    finding: &'f Finding,
    since: Timestamp,
    /// `None` while it is open.
    until: Option<Timestamp>,
}

impl<'f> Incident<'f> {
    /// A finding in which a metric may be unusual as well.
    fn of(finding: &'f Finding, scene: &Scene) -> Option<Self> {
        let since = finding.since?;
        // The default rule `scraper_down` watches the schedule.
        let is_schedule = matches!(finding.kind, InsightKind::RunMissed | InsightKind::RunLate);
        if is_schedule {
            return None;
        }
        let last = scene.finished.period.map(|(_, last)| last);
        let until = finding
            .until
            .or(last.filter(|_| !finding.is_open).map(|_| since));
        Some(Self {
            finding,
            since,
            until,
        })
    }

    fn covers(&self, episode: &BacktestEpisode) -> bool {
        let own = labels_of(&self.finding.scraper);
        let is_same = own.iter().all(|(name, value)| {
            let other = episode.alert.labels.get(name);
            other.is_none_or(|other| other == value)
        });
        let ended = episode.ended.unwrap_or(Timestamp::from_micros(i64::MAX));
        is_same
            && ended >= before(self.since, SLACK)
            && self
                .until
                .is_none_or(|until| episode.began <= after(until, SLACK))
    }
}

/// Number of incidents in which a rule fired.
fn found_by(episodes: &[BacktestEpisode], incidents: &[Incident<'_>]) -> usize {
    let is_hit = |incident: &&Incident<'_>| episodes.iter().any(|one| incident.covers(one));
    incidents.iter().filter(is_hit).count()
}

/// What a threshold would have done.
struct Trial {
    threshold: f64,
    episodes: usize,
    found: usize,
    /// Outside of those that rules are meant for.
    outside: usize,
    /// Outside of any, however small.
    unexplained: usize,
}

impl Trial {
    fn of(
        result: &BacktestResult,
        incidents: &[Incident<'_>],
        known: &[Incident<'_>],
    ) -> Option<Self> {
        let outside = |incidents: &[Incident<'_>]| {
            let is_in = |episode: &BacktestEpisode| incidents.iter().any(|one| one.covers(episode));
            let episodes = result.episodes.iter();
            episodes.filter(|episode| !is_in(episode)).count()
        };
        Some(Self {
            threshold: result.variation.threshold?,
            episodes: result.episodes.len(),
            found: found_by(&result.episodes, incidents),
            outside: outside(incidents),
            unexplained: outside(known),
        })
    }
}

/// A default rule with a threshold that fits.
fn tune(
    rule: &Rule,
    observations: &[Observation],
    incidents: &[Incident<'_>],
    known: &[Incident<'_>],
) -> Option<Suggestion> {
    let Condition::Metric(metric) = &rule.condition else {
        return None;
    };
    let own: Vec<Observation> = observations
        .iter()
        .filter(|one| metric.selector.takes(&one.name))
        .cloned()
        .collect();
    if own.is_empty() {
        return None;
    }
    let variation = |step: &f64| Variation {
        hold: None,
        threshold: Some(rounded(metric.threshold * step)),
    };
    let variations: Vec<Variation> = STEPS.iter().map(variation).collect();
    let results = backtest(rule, WatchConfig::default(), &own, &variations);
    let trials: Vec<Trial> = results
        .iter()
        .filter_map(|result| Trial::of(result, incidents, known))
        .collect();
    let at_default = trials
        .iter()
        .find(|trial| (trial.threshold - metric.threshold).abs() < 1e-9);
    let is_quiet = |trial: &&Trial| trial.outside == 0 && trial.episodes <= REPEATS * trial.found;
    let quiet: Vec<&Trial> = trials.iter().filter(is_quiet).collect();
    let most = quiet.iter().map(|trial| trial.found).max().unwrap_or(0);
    if most == 0 {
        // It finds nothing: only noise is a reason to change it.
        let noise = at_default.filter(|trial| trial.unexplained > 0)?;
        return Some(calmed(rule, metric, noise, &trials, incidents.len()));
    }
    // The middle of the range that does the same, so that small changes do not matter.
    let best: Vec<&&Trial> = quiet.iter().filter(|trial| trial.found == most).collect();
    let chosen = best[best.len() / 2];
    let varied = with_threshold(rule, metric, chosen.threshold);
    Some(Suggestion {
        name: rule.name.clone(),
        toml: toml_of(&varied),
        reason: format!(
            "Would have fired {}, within two hours of {} of {} incidents of medium severity or more and at no other time (default threshold {}: {}).",
            times(chosen.episodes),
            chosen.found,
            incidents.len(),
            metric.threshold,
            at_default.map_or_else(
                || "not tried".to_owned(),
                |trial| { format!("{}, {} outside", times(trial.episodes), trial.outside) }
            )
        ),
        episodes: chosen.episodes,
        incidents: incidents.len(),
        found: chosen.found,
        outside: 0,
    })
}

/// A default rule that fires outside of incidents: with a threshold that it never reached, or switched off.
fn calmed(
    rule: &Rule,
    metric: &MetricCondition,
    noise: &Trial,
    trials: &[Trial],
    incidents: usize,
) -> Suggestion {
    let told = format!(
        "With the default threshold it would have fired {}, {} of them outside of any incident",
        times(noise.episodes),
        noise.unexplained
    );
    let calm = trials
        .iter()
        .find(|trial| trial.threshold > metric.threshold && trial.episodes == 0);
    let (toml, reason) = if let Some(calm) = calm {
        (
            toml_of(&with_threshold(rule, metric, calm.threshold)),
            format!("{told}; with this one, never."),
        )
    } else {
        let expr = quoted(&metric.to_string());
        let toml = format!(
            "[[rule]]\nalert = {:?}\nexpr = {expr}\nenabled = false\n",
            rule.name
        );
        (
            toml,
            format!("{told}, and no threshold fires only in incidents."),
        )
    };
    Suggestion {
        name: rule.name.clone(),
        toml,
        reason,
        episodes: 0,
        incidents,
        found: 0,
        outside: 0,
    }
}

fn with_threshold(rule: &Rule, metric: &MetricCondition, threshold: f64) -> Rule {
    Rule {
        condition: Condition::Metric(MetricCondition {
            threshold,
            ..metric.clone()
        }),
        ..rule.clone()
    }
}

/// The rule about every finding; its alerts have the severity of their finding.
fn findings_rule() -> String {
    format!(
        "[[rule]]\nalert = {FINDINGS:?}\ninsight = \"*\"\ndescription = \"Anything that the analyst finds\"\n"
    )
}

fn of_findings(incidents: &[Incident<'_>], scene: &Scene) -> Suggestion {
    let toml = findings_rule();
    let rules = rule::load(FINDINGS, &toml).rules;
    let results = rules.iter().flat_map(|rule| {
        let as_it_is = [Variation::default()];
        backtest(rule, WatchConfig::default(), &scene.observations, &as_it_is)
    });
    let fired: Vec<BacktestEpisode> = results.flat_map(|result| result.episodes).collect();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in fired
        .iter()
        .filter_map(|one| one.alert.labels.get("finding"))
    {
        *kinds.entry(kind).or_default() += 1;
    }
    let kinds: Vec<String> = kinds
        .into_iter()
        .map(|(kind, count)| format!("{count} × {kind}"))
        .collect();
    let told = if kinds.is_empty() {
        String::new()
    } else {
        format!(" ({})", kinds.join(", "))
    };
    Suggestion {
        name: FINDINGS.to_owned(),
        toml,
        reason: format!(
            "Would have fired {}{told}. It fires for kinds of findings that these logs do not contain as well, with the severity of the finding.",
            times(fired.len())
        ),
        episodes: fired.len(),
        incidents: incidents.len(),
        found: found_by(&fired, incidents),
        outside: 0,
    }
}

fn toml_of(rule: &Rule) -> String {
    let mut toml = format!(
        "[[rule]]\nalert = {:?}\nexpr = {}\n",
        rule.name,
        quoted(&rule.condition.to_string())
    );
    if !rule.hold.is_zero() {
        toml += &format!(
            "for = \"{}\"\n",
            dragline_alerting::duration::format(rule.hold)
        );
    }
    toml += &format!("labels = {{ severity = \"{}\" }}\n", rule.severity);
    let annotations: Vec<String> = rule
        .annotations
        .iter()
        .map(|(name, text)| format!("{name} = {text:?}"))
        .collect();
    toml += &format!("annotations = {{ {} }}\n", annotations.join(", "));
    toml += &format!(
        "category = {:?}\ncooldown = \"{}\"\n",
        rule.category,
        dragline_alerting::duration::format(rule.cooldown)
    );
    toml
}

/// A TOML string; conditions contain quotation marks.
fn quoted(text: &str) -> String {
    format!("'{text}'")
}

/// Two significant digits: a threshold of 37.5 says more than it knows.
fn rounded(value: f64) -> f64 {
    if value <= 0.0 {
        return value;
    }
    let scale = 10f64.powf(value.log10().floor() - 1.0);
    (value / scale).round() * scale
}

fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
