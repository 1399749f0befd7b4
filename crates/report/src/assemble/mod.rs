//! Assembles the report from a finished rollup.

mod activity;
mod blocks;
mod budget;
mod cost;
mod expected;
mod findings;
mod life;
mod muted;
mod outlook;
mod quiet;
mod sections;
mod totals;
mod trust;
mod unread;

use std::collections::BTreeMap;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, GroupRow, Latency, RunRow};
use dragline_schema::{ErrorCategory, Level, Severity, Timestamp};
use polars::prelude::DataFrame;

pub use self::activity::{Activity, ByScraper, activity};
pub use self::blocks::{Days, ScraperDays};
pub use self::cost::Prices;
pub(crate) use self::findings::expected;
pub use self::findings::{bad_news, insight, reasons_to_fail};
use self::life::Lives;
pub use self::muted::Mute;
use self::totals::Sum;
pub use self::trust::{folded, trust};
use crate::lookup::{by_scraper, place};
use crate::model::{self, Report};
use dragline_analytics::{COUNTERS, Frames, FramesError, Trend};
use dragline_insights::DAY;
use dragline_insights::{self as insights, Analysis, Finding, Fleet, Limits, Whole};

/// Options of a report.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Time stamp of the report.
    pub generated_at: Timestamp,
    /// Requested start of the period.
    pub since: Option<Timestamp>,
    /// Requested end of the period.
    pub until: Option<Timestamp>,
    /// The lowest level of the records that are counted.
    pub level: Option<Level>,
    /// Prices; `None` without a cost section.
    pub prices: Option<Prices>,
    /// Known errors that are muted.
    pub mutes: Vec<Mute>,
    /// Fixed limits, independent of baselines.
    pub limits: Limits,
    /// The rest of the fleet, if the rollup is a part of one that is judged as the whole fleet was.
    pub fleet: Option<Fleet>,
}

/// What a report is made of, beside the rollup.
#[derive(Clone, Copy)]
pub struct Seen<'s, 'f> {
    /// The analysis.
    pub analysis: &'s Analysis<'f>,
    /// Its findings.
    pub findings: &'s [Finding],
    /// The totals that limits on the whole fleet are compared with.
    pub whole: &'s Whole,
}

impl ReportOptions {
    /// Options for a report on everything, with this time stamp.
    pub fn at(generated_at: Timestamp) -> Self {
        Self {
            generated_at,
            since: None,
            until: None,
            level: None,
            prices: None,
            mutes: Vec::new(),
            limits: Limits::default(),
            fleet: None,
        }
    }
}

/// Creates the report on the filtered rollup `finished`. If a filter was applied, `everything` is the
/// unfiltered rollup, from which baselines and new errors are determined.
///
/// # Errors
/// If a dataframe operation fails, which is a bug in this crate.
pub fn report(
    finished: &Finished,
    everything: Option<&Finished>,
    rules: &RuleSet,
    options: &ReportOptions,
) -> Result<Report, FramesError> {
    report_with(finished, everything, rules, options, |_| ()).map(|(report, ())| report)
}

/// The same; `look` sees the analysis that the report is made of, and its findings.
///
/// # Errors
/// As [`report`].
pub fn report_with<T>(
    finished: &Finished,
    everything: Option<&Finished>,
    rules: &RuleSet,
    options: &ReportOptions,
    look: impl FnOnce(Seen<'_, '_>) -> T,
) -> Result<(Report, T), FramesError> {
    let frames = Frames::of(finished)?;
    let by_day = frames.by_day()?;
    let end = options
        .until
        .or(finished.period.map(|(_, last)| last.plus_micros(1)));
    let start = options.since.or(finished.period.map(|(first, _)| first));
    let everything = everything.unwrap_or(finished);
    let analysis = Analysis::within(everything, end, options.fleet.as_ref());
    let known_since = everything.period.map(|(first, _)| first).or(start);
    let mut groups = groups(finished, everything, known_since.zip(end));
    muted::mark(&mut groups, &options.mutes, end);
    let latency = latency_by_run(finished);
    let sections = sections::whole(finished);
    // Nothing is known of days before the first event and after the last.
    let period = known_period(finished, start.zip(end));
    let trends = dragline_analytics::trends(&frames, period)?;
    let whole = match &options.fleet {
        Some(fleet) => fleet.whole.clone(),
        None => whole(finished, period, &sections, &trends),
    };
    let error_groups = findings::error_groups(finished, &groups);
    let found = analysis.findings(finished, &error_groups, rules, (&options.limits, &whole));
    let mut trust = trust(finished);
    trust.notes.extend(muted::notes(&groups, &options.mutes));
    trust.notes.extend(options.level.map(|level| {
        format!(
            "Only records at {level} and above are counted: other counts cover a part of the logs."
        )
    }));
    let show = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let seen = look(Seen {
        analysis: &analysis,
        findings: &found,
        whole: &whole,
    });
    let report = Report {
        schema: model::SCHEMA.to_owned(),
        generated_at: options.generated_at.to_string(),
        period: model::Period {
            start: show(start),
            end: show(end),
        },
        trust,
        totals: Sum::of_runs(finished.runs.iter()).totals(&merged(latency.values())),
        scrapers: scrapers(finished, &latency, everything, end, &found),
        runs: runs(finished, &latency),
        errors: errors(finished, groups),
        daily: daily(finished, &by_day, start.zip(end)),
        domains: sections::domains(finished, &sections),
        articles: sections::articles(finished, &sections),
        search: sections::search(&sections),
        queue: sections::queue(&sections),
        duplicates: sections::duplicates(finished, &sections),
        database: sections::database(&sections),
        system: sections::system(&sections),
        cost: options
            .prices
            .as_ref()
            .map(|prices| cost::cost(finished, prices, period)),
        baselines: analysis
            .baselines(finished)
            .map(|all| all.into_iter().map(findings::baseline).collect()),
        trends: trends.into_iter().map(outlook::trend).collect(),
        waste: budget::waste(&finished.runs),
        quiet_hours: quiet::quiet_hours(finished, everything, end),
        panels: Vec::new(),
        recommendations: findings::recommendations(&found),
        insights: found.into_iter().map(insight).collect(),
    };
    Ok((report, seen))
}

/// Returns the part of the period that contains events.
fn known_period(
    finished: &Finished,
    period: Option<(Timestamp, Timestamp)>,
) -> Option<(Timestamp, Timestamp)> {
    let ((start, end), (first, last)) = period.zip(finished.period)?;
    Some((start.max(first), end.min(last.plus_micros(1))))
}

/// Computes the fleet-wide values that fixed limits are compared with.
fn whole(
    finished: &Finished,
    period: Option<(Timestamp, Timestamp)>,
    sections: &dragline_rollup::Sections,
    trends: &[Trend],
) -> Whole {
    let rows = || finished.runs.iter();
    let languages = &sections.articles.languages;
    let articles: u64 = languages.iter().map(|(_, count)| count).sum();
    let most = languages.iter().max_by_key(|(_, count)| **count);
    // A fleet with one scraper has no trend over all scrapers.
    let requests = trends.iter().find(|trend| trend.metric == "requests");
    Whole {
        days: period.map_or(0.0, |(start, end)| end.since(start) as f64 / DAY as f64),
        requests: rows().map(|row| row.counters.requests).sum(),
        errors: rows().map(|row| row.counters.errors).sum(),
        searches: sections.search.count,
        week_over_week: requests.and_then(|trend| trend.week_over_week),
        language: most.map(|(name, count)| (name.clone(), *count as f64 / articles as f64)),
    }
}

/// Returns the response times of each run.
fn latency_by_run(finished: &Finished) -> BTreeMap<usize, Latency> {
    let mut by_run: BTreeMap<usize, Latency> = BTreeMap::new();
    for ((_, run), latency) in &finished.latency {
        by_run.entry(*run).or_default().merge(latency);
    }
    by_run
}

/// Merges response times of several runs.
fn merged<'l>(parts: impl IntoIterator<Item = &'l Latency>) -> Latency {
    parts
        .into_iter()
        .fold(Latency::default(), |mut whole, part| {
            whole.merge(part);
            whole
        })
}

fn runs(finished: &Finished, latency: &BTreeMap<usize, Latency>) -> Vec<model::Run> {
    let mut rows: Vec<(usize, &RunRow)> = finished
        .runs
        .iter()
        .enumerate()
        .filter(|(_, row)| row.key.is_run())
        .collect();
    rows.sort_by_key(|(_, row)| (row.start, &row.key));
    let show = |time: Option<Timestamp>| time.map(|time| time.to_string());
    rows.into_iter()
        .map(|(index, row)| model::Run {
            run_id: row.key.run_id.clone().unwrap_or_default(),
            scraper_id: row.key.scraper_id.clone(),
            site: row.key.site.clone(),
            start: show(row.start),
            end: show(row.end),
            last_seen: show(row.last_seen),
            duration_seconds: row.duration_seconds,
            status: row.status.map(|status| status.to_string()),
            finish_reason: row.finish_reason.clone(),
            verdict: row.verdict.map(|verdict| verdict.to_string()),
            counted_by: row.counted_by.to_owned(),
            totals: Sum::of_runs([row]).totals(&merged(latency.get(&index))),
            pages: row.pages,
            host: row.machine.clone(),
            config: config_of(row),
            stats: row.stats.clone(),
            time_budget: budget::time_budget([row]),
            evidence: row.evidence.iter().map(place).collect(),
        })
        .collect()
}

/// Parses the configuration of a run.
pub(crate) fn config_of(row: &RunRow) -> Option<BTreeMap<String, serde_json::Value>> {
    serde_json::from_str(row.config.as_ref()?).ok()
}

/// Returns the filtered totals of each scraper, and its verdict from all of its runs until the end of the
/// period.
fn scrapers(
    finished: &Finished,
    latency: &BTreeMap<usize, Latency>,
    everything: &Finished,
    end: Option<Timestamp>,
    found: &[Finding],
) -> Vec<model::Scraper> {
    let all = by_scraper(everything);
    let mut scrapers: Vec<model::Scraper> = by_scraper(finished)
        .into_iter()
        .map(|((scraper_id, site), indexes)| {
            let rows: Vec<&RunRow> = indexes.iter().map(|index| &finished.runs[*index]).collect();
            let sum = Sum::of_runs(rows.iter().copied());
            let totals = sum.totals(&merged(indexes.iter().filter_map(|run| latency.get(run))));
            let own = found
                .iter()
                .filter(|one| one.scraper.scraper_id == scraper_id && one.scraper.site == site);
            let runs = all.get(&(scraper_id.clone(), site.clone()));
            let whole: Vec<&RunRow> = runs
                .into_iter()
                .flatten()
                .map(|run| &everything.runs[*run])
                // Without a time zone in the log, the start that a run logs may be later than its lines.
                .filter(|row| end.is_none() || row.start.min(row.last_seen) < end)
                .collect();
            let (verdict, reasons) = insights::verdict(&whole, own);
            model::Scraper {
                scraper_id,
                site,
                verdict: verdict.to_owned(),
                reasons,
                totals,
                time_budget: budget::time_budget(rows.iter().copied()),
                waste: budget::waste(rows.iter().copied()),
                gap: budget::gap(rows.iter().copied()),
            }
        })
        .collect();
    // What helpers and platforms write beside scrapers is no scraper.
    let is_idle = |scraper: &model::Scraper| {
        let totals = &scraper.totals;
        let is_empty = totals.requests.is_none() && totals.items.is_none() && totals.errors == 0;
        scraper.scraper_id.is_none() && totals.runs == Some(0) && is_empty
    };
    if !scrapers.iter().all(is_idle) {
        scrapers.retain(|scraper| !is_idle(scraper));
    }
    scrapers.sort_by_key(|scraper| insights::rank(&scraper.verdict));
    scrapers
}

fn errors(finished: &Finished, groups: Vec<model::Group>) -> model::Errors {
    let mut by_category: BTreeMap<String, u64> = ErrorCategory::ALL
        .iter()
        .map(|category| (category.to_string(), 0))
        .collect();
    let mut by_severity: BTreeMap<String, u64> = Severity::ALL
        .iter()
        .map(|severity| (severity.to_string(), 0))
        .collect();
    let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
    let mut cells: Vec<model::Cell> = Vec::new();
    let mut total = finished.cells_overflow;
    for (cell, count) in &finished.cells {
        total += count;
        *by_category.entry(cell.category.to_string()).or_default() += count;
        *by_severity.entry(cell.severity.to_string()).or_default() += count;
        *by_type.entry(cell.error_type.clone()).or_default() += count;
        cells.push(model::Cell {
            category: cell.category.to_string(),
            severity: cell.severity.to_string(),
            error_type: some_text(&cell.error_type),
            count: *count,
        });
    }
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.count));
    model::Errors {
        total,
        by_category,
        by_severity,
        by_type,
        cells,
        groups,
    }
}

fn some_text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn groups(
    finished: &Finished,
    everything: &Finished,
    period: Option<(Timestamp, Timestamp)>,
) -> Vec<model::Group> {
    let whole: BTreeMap<u64, &GroupRow> =
        everything.groups.iter().map(|row| (row.id, row)).collect();
    let lives = Lives::new(everything, period);
    let total: u64 =
        finished.cells.iter().map(|(_, count)| count).sum::<u64>() + finished.cells_overflow;
    let mut groups: Vec<model::Group> = finished
        .groups
        .iter()
        .filter_map(|row| {
            let state = lives.state(whole.get(&row.id).unwrap_or(&row));
            group(row, total, state)
        })
        .collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.id.cmp(&b.id)));
    groups
}

fn group(row: &GroupRow, total: u64, state: Option<&str>) -> Option<model::Group> {
    let GroupRow {
        id,
        scrapers,
        counts,
        sampled_at,
        group,
        runs: _,
        by_run: _,
    } = row;
    // A group is created by an error, so it always has a sample.
    let (_, sample) = group.sample.as_ref()?;
    let show = |time: Option<Timestamp>| time.map(|time| time.to_string());
    Some(model::Group {
        id: format!("{id:016x}"),
        category: sample.category.to_string(),
        sub_category: some_text(&sample.sub_category),
        severity: group.severity.unwrap_or(Severity::Medium).to_string(),
        rule: sample.rule.clone(),
        template: sample.template.clone(),
        error_type: some_text(&sample.error_type),
        count: group.count,
        share: group.count as f64 / total.max(1) as f64,
        first_seen: show(group.first_seen),
        last_seen: show(group.last_seen),
        state: state.map(str::to_owned),
        scrapers: scrapers
            .iter()
            .map(|name| {
                let count = counts.get(name).copied();
                model::GroupScraper {
                    scraper_id: name.0.clone(),
                    site: name.1.clone(),
                    count,
                    share: count.map(|count| count as f64 / group.count.max(1) as f64),
                }
            })
            .collect(),
        sample: sample.message.clone(),
        sample_of: sampled_at
            .as_ref()
            .filter(|name| **name != (None, None))
            .map(|(scraper_id, site)| model::ScraperName {
                scraper_id: scraper_id.clone(),
                site: site.clone(),
            }),
        evidence: group.evidence.iter().map(place).collect(),
        mute: None,
    })
}

/// Returns the days of the period that have events, from the dataframe by scraper, site and day.
fn daily(
    finished: &Finished,
    by_day: &DataFrame,
    period: Option<(Timestamp, Timestamp)>,
) -> Option<Vec<model::Day>> {
    let (start, end) = period?;
    let mut days: BTreeMap<i64, Sum> = BTreeMap::new();
    let column = |name: &str| by_day.column(name).ok();
    let numbers = |name: &str| column(name).and_then(|column| column.u64().ok());
    let day = column("day")?.i64().ok()?;
    for row in 0..by_day.height() {
        let sum = days.entry(day.get(row)?).or_default();
        for counter in COUNTERS {
            let name = counter.name;
            sum.add(name, numbers(name)?.get(row).unwrap_or(0));
        }
    }
    for row in &finished.activity {
        if let Some(sum) = days.get_mut(&row.start.div_euclid(DAY)) {
            sum.add_maps(&row.counters);
            sum.know(&finished.runs[row.run]);
            sum.add_yield(&finished.runs[row.run], &row.counters);
        }
    }
    let rows: Vec<model::Day> = days
        .into_iter()
        .map(|(day, sum)| {
            let begins = Timestamp::from_micros(day * DAY);
            let mut latency = Latency::default();
            let hours = finished.latency.range((day * DAY, 0)..((day + 1) * DAY, 0));
            hours.for_each(|(_, hour)| latency.merge(hour));
            model::Day {
                date: begins.to_civil().date().to_string(),
                partial: begins < start || begins.plus_micros(DAY) > end,
                totals: sum.totals(&latency),
            }
        })
        .collect();
    (!rows.is_empty()).then_some(rows)
}
