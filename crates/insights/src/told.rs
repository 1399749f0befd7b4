//! Describes incidents in words.

use dragline_schema::{ErrorCategory, Severity, Timestamp, clip};

use crate::evidence::evidence;
use crate::finding::{ErrorGroup, Expected, Finding, Moved, ScraperKey};
use crate::incidents::{Incident, Kind, units};
use crate::kind::{InsightKind, runbook_of_errors};
use crate::metric::Metric;
use crate::names::Name;
use crate::series::{MINUTE, Series, Unit};
use dragline_rollup::Finished;

/// Converts an incident to a finding.
pub(crate) fn finding(
    incident: &Incident,
    series: &Series<'_>,
    everything: &Finished,
    groups: &[ErrorGroup],
) -> Finding {
    let who = name(&series.name);
    let root = &incident.root;
    // Logs without timestamps show what happened, but not when.
    let since = (incident.since > 0).then(|| Timestamp::from_micros(incident.since));
    let expected = expected(&root.metric, root.expected);
    let observed = root.metric.shown(root.observed);
    let kind = InsightKind::from(incident.kind);
    Finding {
        id: id(kind, &who, since),
        severity: severity(incident, series),
        title: title(incident, series, &who),
        detail: detail(incident, series, &expected, observed),
        since,
        until: (incident.since > 0 && !incident.is_open)
            .then(|| Timestamp::from_micros(incident.until)),
        is_open: incident.is_open,
        scraper: ScraperKey::from(&series.name),
        metric: Some(root.metric.name()),
        expected: Some(expected),
        observed: Some(observed),
        sequence: sequence(incident),
        evidence: evidence(incident, series, everything, groups),
        recommendation: recommendation(incident).to_owned(),
        runbook: runbook(incident, series, groups),
        ..Finding::of(kind)
    }
}

/// A range in the unit that reports show.
pub(crate) fn expected(metric: &Metric, (lower, upper): (f64, f64)) -> Expected {
    let (a, b) = (metric.shown(lower), metric.shown(upper));
    Expected {
        lower: a.min(b),
        upper: a.max(b),
    }
}

fn when(incident: &Incident) -> String {
    if incident.since <= 0 {
        return match units(incident) {
            1 if incident.is_open => "in its last run".to_owned(),
            count => format!("in {count} of its runs"),
        };
    }
    let since = minute(Timestamp::from_micros(incident.since));
    if incident.is_open {
        format!("since {since}")
    } else {
        let until = minute(Timestamp::from_micros(incident.until));
        format!("from {since} to {until}")
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// The deviation from the usual value, in percent of the usual value.
fn change(incident: &Incident) -> String {
    let root = &incident.root;
    percent((root.observed - root.usual).abs() / root.usual.max(1e-9))
}

fn times(incident: &Incident) -> String {
    let root = &incident.root;
    format!("{:.1} times", root.observed / root.usual.max(1e-9))
}

fn title(incident: &Incident, series: &Series<'_>, who: &str) -> String {
    let what = what(incident, series, who);
    let when = when(incident);
    match what.split_once(';') {
        Some((head, tail)) => format!("{head} {when};{tail}"),
        None => format!("{what} {when}"),
    }
}

/// What happened, as half a sentence. [`title`] moves text after a semicolon behind the time.
fn what(incident: &Incident, series: &Series<'_>, who: &str) -> String {
    let root = &incident.root;
    let share = percent(root.observed);
    match (incident.kind, &root.metric) {
        (Kind::BlockWave, _) => format!(
            "{share} of the requests of {who} were refused ({})",
            crate::incidents::refusals(incident, series)
        ),
        (Kind::ErrorWave, Metric::Errors(category)) => format!(
            "{} errors of {who}: {} per 100 requests",
            capital(&category.to_string().replace('_', " ")),
            two(root.observed * 100.0)
        ),
        (Kind::ErrorWave, _) => {
            format!("{share} of the requests of {who} failed")
        }
        (Kind::LayoutChange, Metric::Lacking(field)) => {
            format!("{share} of the items of {who} lack `{}`", clip(field, 40))
        }
        (Kind::LayoutChange, Metric::Lost) => {
            format!("{share} of the items of {who} were lost")
        }
        (Kind::LayoutChange | Kind::SilentFailure | Kind::YieldDrop, Metric::ItemYield) => {
            format!("{who} stored only {share} of the items it found")
        }
        (Kind::SilentFailure, Metric::BytesPerPage) => {
            format!(
                "Pages of {who} shrank by {}; they still answer",
                change(incident)
            )
        }
        (Kind::LayoutChange | Kind::SilentFailure, _) => {
            format!(
                "Items of {who} fell by {}; pages still answer",
                change(incident)
            )
        }
        (Kind::YieldDrop, _) => {
            format!("Items per page of {who} fell by {}", change(incident))
        }
        (Kind::SlowDown, Metric::Pace) => format!(
            "{who} took {} as long per request as usual: {} seconds",
            times(incident),
            two(root.observed)
        ),
        (Kind::SlowDown, _) => format!(
            "Responses to {who} took {} as long as usual",
            times(incident)
        ),
        (Kind::RetryWaste, _) => format!("{share} of the requests of {who} were retries"),
        (Kind::DuplicateSurge, Metric::Lost) => {
            format!("{share} of the items of {who} were dropped as duplicates")
        }
        (Kind::DuplicateSurge, _) => {
            format!("Duplicates found by {who} rose to {share} of its pages")
        }
        (Kind::QueueGrowth, Metric::QueueLeft) => {
            format!("{who} left {share} of its queue unprocessed")
        }
        (Kind::QueueGrowth, _) => format!(
            "The queue of {who} grew to {} its usual length",
            times(incident)
        ),
        (Kind::Bottleneck, Metric::Database) => {
            format!("{who} spent {share} of its time waiting for its database")
        }
        (Kind::Bottleneck, Metric::Processing) => {
            format!("{who} spent {share} of its time processing and storing pages")
        }
        (Kind::Bottleneck, _) => format!(
            "{who} spent {share} of its time waiting because the site asked it to slow down"
        ),
        (Kind::WarningSurge, Metric::Warnings(template)) => format!(
            "{who} logged {} warnings per 100 requests: `{}`",
            two(root.observed * 100.0),
            clip(template, 80)
        ),
        (Kind::WarningSurge, _) => format!("{who} logged more warnings than usual"),
        (Kind::VolumeHigh, _) => {
            format!("{who} made {} as many requests as usual", times(incident))
        }
        (Kind::VolumeLow, _) => {
            format!("{who} made {} fewer requests than usual", change(incident))
        }
        (Kind::StatisticChange, metric) => format!(
            "{} of {who} was {} instead of about {}",
            metric.words(),
            two(root.observed),
            two(root.usual)
        ),
    }
}

fn detail(incident: &Incident, series: &Series<'_>, expected: &Expected, observed: f64) -> String {
    let root = &incident.root;
    let number = |value: f64| match root.metric.scale() {
        crate::metric::Scale::Share => percent(value),
        crate::metric::Scale::Log => two(value),
    };
    let is_runs = series.units[incident.from].run.is_some();
    let noun = if is_runs { "run" } else { "hour" };
    let count = units(incident);
    let s = if count == 1 { "" } else { "s" };
    let mut text = format!(
        "In {count} {noun}{s}; {}: expected {} to {}, got {}.",
        root.metric.words(),
        number(expected.lower),
        number(expected.upper),
        number(observed)
    );
    if let Some((count, first)) = incident.before {
        let first = minute(Timestamp::from_micros(first));
        let day = clip(&first, 10);
        text +=
            &format!(" The same happened at this time of day {count} times before, since {day}.");
    }
    if incident.episodes.len() > 1 && incident.since > 0 {
        text += &moved(incident);
    }
    text
}

/// Lists the metrics that changed: in order of time, or together if they changed at the same time.
fn moved(incident: &Incident) -> String {
    let order = order(incident);
    let shown = order.iter().take(5);
    let (first, last) = (order.first(), order.last());
    let span = first.zip(last).map_or(0, |(first, last)| last.0 - first.0);
    if span == 0 {
        let names: Vec<String> = shown.map(|(_, metric)| metric.words()).collect();
        return format!(" Changed together: {}.", names.join(", "));
    }
    let is_days = span >= crate::series::DAY;
    let told = shown.map(|(at, metric)| {
        let at = minute(Timestamp::from_micros(*at));
        let time = at.get(if is_days { 5.. } else { 11.. }).unwrap_or_default();
        format!("{time} {}", metric.words())
    });
    format!(
        " Changed in this order: {}.",
        told.collect::<Vec<_>>().join(", ")
    )
}

/// Which metric changed when, to the minute; within one minute, the cause comes first.
fn order(incident: &Incident) -> Vec<(i64, Metric)> {
    let mut moved: Vec<(i64, bool, Metric)> = incident
        .episodes
        .iter()
        .map(|episode| {
            let is_root = episode.metric == incident.root.metric;
            (
                episode.since.div_euclid(MINUTE),
                !is_root,
                episode.metric.clone(),
            )
        })
        .collect();
    moved.sort();
    moved.dedup_by(|a, b| a.2 == b.2);
    moved
        .into_iter()
        .map(|(minute, _, metric)| (minute * MINUTE, metric))
        .collect()
}

fn sequence(incident: &Incident) -> Vec<Moved> {
    if incident.since <= 0 {
        return Vec::new();
    }
    order(incident)
        .into_iter()
        .map(|(at, metric)| Moved {
            at: Timestamp::from_micros(at),
            metric: metric.name(),
        })
        .collect()
}

/// If fewer than this share of the usual items are left, a lower volume is no small matter.
const FEW_LEFT: f64 = 0.25;
/// Minimum number of units with items before an incident to know how many are usual, and maximum number that is used.
const UNITS: [usize; 2] = [3, 60];

/// Whether most items are missing during an incident, whatever explains it.
fn are_items_gone(incident: &Incident, series: &Series<'_>) -> bool {
    let items = |unit: &Unit<'_>| {
        let is_known = unit.known.items && unit.is_whole;
        is_known.then(|| unit.counters.items() as f64)
    };
    let before = series.units[..incident.from].iter().rev();
    let before: Vec<f64> = before.filter_map(items).take(UNITS[1]).collect();
    let own: Vec<f64> = series.units[incident.from..=incident.to]
        .iter()
        .filter_map(items)
        .collect();
    let are_enough = before.len() >= UNITS[0] && !own.is_empty();
    let usual = crate::stats::median(&before).unwrap_or_default();
    are_enough && own.iter().sum::<f64>() < FEW_LEFT * usual * own.len() as f64
}

fn severity(incident: &Incident, series: &Series<'_>) -> Severity {
    use Kind::{BlockWave, DuplicateSurge, ErrorWave, LayoutChange, SilentFailure, YieldDrop};
    let is_grave = match incident.kind {
        BlockWave | ErrorWave => incident.root.observed >= 0.2,
        LayoutChange | SilentFailure => true,
        _ => false,
    };
    let is_worse = matches!(
        incident.kind,
        BlockWave
            | ErrorWave
            | YieldDrop
            | DuplicateSurge
            | Kind::SlowDown
            | Kind::RetryWaste
            | Kind::WarningSurge
    );
    let is_worse =
        is_worse || (incident.kind == Kind::VolumeLow && are_items_gone(incident, series));
    match (is_grave, incident.is_open, is_worse) {
        (true, true, _) => Severity::High,
        (true, false, _) | (_, true, true) => Severity::Medium,
        _ => Severity::Low,
    }
}

fn recommendation(incident: &Incident) -> &'static str {
    match (incident.kind, &incident.root.metric) {
        (Kind::BlockWave, _) => {
            "Before the next run: slow down, honour Retry-After, and check whether the site detected the proxies or the user agent."
        }
        (Kind::ErrorWave, Metric::Errors(ErrorCategory::Database)) => {
            "Check the database: locks, connections, disk."
        }
        (Kind::LayoutChange | Kind::SilentFailure, _)
        | (Kind::ErrorWave, Metric::Errors(ErrorCategory::SiteChange | ErrorCategory::Parsing)) => {
            "Open one of the pages and compare it with the selectors: the site most likely changed its layout."
        }
        (Kind::ErrorWave, _) => {
            "Check the errors of that time: if all sites fail at once, suspect your own network; if one site fails, suspect the site."
        }
        (Kind::YieldDrop, _) => {
            "Compare pages without items with pages that have items: part of the site may have changed."
        }
        (Kind::SlowDown, Metric::Pace) => {
            "Find out what the run waits for: a slow site, retries, a lower concurrency, or its own processing."
        }
        (Kind::SlowDown, _) => {
            "Find out whether the site or the network path to it is slow, and lower the concurrency until responses are fast again."
        }
        (Kind::RetryWaste, _) => {
            "Find out why first attempts fail, and wait longer before a retry: retries add load to a site that is already in trouble."
        }
        (Kind::DuplicateSurge, _) => {
            "Check the start URLs and the crawl's record of what it has already seen: it finds the same content again."
        }
        (Kind::QueueGrowth, _) => {
            "The queue fills faster than it is processed: limit which links are followed, or give the scraper more time."
        }
        (Kind::Bottleneck, Metric::Database) => {
            "Check the scraper's database for slow queries and locks."
        }
        (Kind::Bottleneck, Metric::Processing) => {
            "Profile what happens between the response and storage of a page: parsing, images, calls to other services."
        }
        (Kind::Bottleneck, _) => {
            "Spread the runs over quieter hours, or lower the concurrency so that the site does not ask to slow down."
        }
        (Kind::WarningSurge, _) => "Read the warnings and find out what changed at that time.",
        (Kind::VolumeHigh, _) => {
            "Check whether the crawl follows links that it should not: calendars, filters, session IDs in URLs."
        }
        (Kind::VolumeLow, _) => {
            "Check the start URLs and the site's list pages: the crawl found far fewer links to follow."
        }
        (Kind::StatisticChange, _) => {
            "This is one of your own statistics: compare the runs (dragline diff baseline last), and check what it counts."
        }
    }
}

/// The runbook to follow. It depends on the largest group of the incident's errors, on how the site refuses, or on
/// the incident's kind.
fn runbook(incident: &Incident, series: &Series<'_>, groups: &[ErrorGroup]) -> &'static str {
    let usual = InsightKind::from(incident.kind).runbook();
    match (incident.kind, &incident.root.metric) {
        (Kind::ErrorWave, Metric::Errors(category)) => {
            let own = ScraperKey::from(&series.name);
            let is_one =
                |group: &&ErrorGroup| group.category == *category && group.scrapers.contains(&own);
            let largest = groups.iter().filter(is_one).max_by_key(|group| group.count);
            let sub_category = largest.map_or("", |group| &group.sub_category);
            runbook_of_errors(*category, sub_category).unwrap_or(usual)
        }
        // A site that only answers 429 limits the rate; it does not block the scraper.
        (Kind::BlockWave, _) if crate::incidents::refusals(incident, series) == "429" => {
            "rate-limiting"
        }
        _ => usual,
    }
}

/// A scraper's name as shown to users: `scraper on site`.
pub fn name(name: &Name) -> String {
    match (&name.0, &name.1) {
        (Some(scraper), Some(site)) => format!("{scraper} on {site}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "an unnamed scraper".to_owned(),
    }
}

/// A time, to the minute.
pub(crate) fn minute(time: Timestamp) -> String {
    clip(&time.to_string(), 16).replace('T', " ")
}

/// A number with about three significant digits.
pub(crate) fn two(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// The text with its first letter in upper case.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + chars.as_str()
    })
}

/// An id that is the same for the same incident in every report.
pub(crate) fn id(kind: InsightKind, who: &str, since: impl Into<Option<Timestamp>>) -> String {
    let at = since.into().map_or(0, Timestamp::as_seconds);
    let text = format!("{kind}\0{who}\0{at}");
    // FNV-1a (Fowler, Noll, Vo) is stable across versions and machines.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{kind}-{:08x}", hash >> 32)
}
