//! Configuration of reports: prices, muted errors, limits, layout.

use std::str::FromStr;

use dragline_report::model::PanelChart;
use dragline_report::render::{Layout, Metric, Section};
use dragline_report::{Limits, Mute, Prices};
use dragline_schema::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::Problem;
use super::mistake::at;
use crate::times;

/// `[cost]`: prices default to zero.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CostConfig {
    currency: String,
    #[serde(default)]
    per_1000_requests: f64,
    #[serde(default)]
    per_gib: f64,
    #[serde(default)]
    per_proxy_gib: f64,
    #[serde(default)]
    per_hour: f64,
}

impl CostConfig {
    /// Returns the prices.
    pub(super) fn prices(&self) -> Prices {
        Prices {
            currency: self.currency.clone(),
            per_thousand_requests: self.per_1000_requests,
            per_gib: self.per_gib,
            per_proxy_gib: self.per_proxy_gib,
            per_hour: self.per_hour,
        }
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let named = [
            ("per_1000_requests", self.per_1000_requests),
            ("per_gib", self.per_gib),
            ("per_proxy_gib", self.per_proxy_gib),
            ("per_hour", self.per_hour),
        ];
        let is_wrong = |price: f64| !price.is_finite() || price < 0.0;
        for (name, _) in named.into_iter().filter(|(_, price)| is_wrong(*price)) {
            let sentence = "not a valid price: use a number that is not negative";
            problems.push((at(&format!("cost.{name}")), sentence.to_owned()));
        }
    }
}

/// `[[mute]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MuteConfig {
    /// Group id, or at least its first eight digits.
    group: String,
    /// End of the mute: a date or time, as TOML value or text; `None` if permanent.
    until: Option<Time>,
    reason: String,
}

/// A time in a configuration.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a date or a time, such as 2026-12-31")]
enum Time {
    Toml(toml::value::Datetime),
    Text(String),
}

impl Time {
    fn text(&self) -> String {
        match self {
            Self::Toml(time) => time.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl MuteConfig {
    /// Returns the mute; what is wrong with it is added to the problems. `index` is its position in the file.
    pub(super) fn mute(&self, index: usize, now: Timestamp, problems: &mut Vec<Problem>) -> Mute {
        let mut wrong = |key: &str, what: String| {
            problems.push((at(&format!("mute.{index}.{key}")), what));
        };
        let is_id = (8..=16).contains(&self.group.len())
            && self.group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            let sentence = "invalid group id: use at least 8 of the 16 hexadecimal digits that `dragline errors` prints";
            wrong("group", sentence.to_owned());
        }
        if self.reason.trim().is_empty() {
            wrong("reason", "give a reason: the report shows it".to_owned());
        }
        let until = self.until.as_ref().and_then(|time| {
            let parsed = times::parse(&time.text(), now, &TimeZone::UTC);
            parsed
                .map_err(|error| wrong("until", format!("{error:#}")))
                .ok()
        });
        Mute {
            group: self.group.to_ascii_lowercase(),
            until,
            reason: self.reason.clone(),
        }
    }
}

/// A limit; `false` disables it, `true` sets its default value.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "expected a number, or true or false")]
enum Limit {
    Value(f64),
    Is(bool),
}

/// `[limits]`: fixed limits, independent of baselines.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsConfig {
    /// Whether the optional limits are enabled, too, with their default values.
    advice: bool,
    cpu_high: Option<Limit>,
    memory_high: Option<Limit>,
    disk_high: Option<Limit>,
    queue_high: Option<Limit>,
    response_time_high_ms: Option<Limit>,
    failed_share: Option<Limit>,
    search_slow_ms: Option<Limit>,
    cpu_low: Option<Limit>,
    search_fast_ms: Option<Limit>,
    language_share: Option<Limit>,
    requests_high_per_week: Option<Limit>,
    requests_low_per_week: Option<Limit>,
    errors: Option<Limit>,
    growth_low: Option<Limit>,
    searches_per_day: Option<Limit>,
}

impl LimitsConfig {
    pub(super) fn limits(&self) -> Limits {
        let of = |set: Option<Limit>, usual: f64, holds: bool| match set {
            Some(Limit::Value(value)) => Some(value),
            Some(Limit::Is(true)) => Some(usual),
            Some(Limit::Is(false)) => None,
            None => holds.then_some(usual),
        };
        let advice = |set, usual| of(set, usual, self.advice);
        let held = |set, usual: Option<f64>| of(set, usual.unwrap_or_default(), true);
        let default = Limits::default();
        Limits {
            cpu_high: held(self.cpu_high, default.cpu_high),
            memory_high: held(self.memory_high, default.memory_high),
            disk_high: held(self.disk_high, default.disk_high),
            queue_high: advice(self.queue_high, 10_000.0),
            response_time_high_ms: advice(self.response_time_high_ms, 5000.0),
            failed_share: advice(self.failed_share, 0.1),
            search_slow_ms: held(self.search_slow_ms, default.search_slow_ms),
            cpu_low: advice(self.cpu_low, 20.0),
            search_fast_ms: advice(self.search_fast_ms, 500.0),
            language_share: advice(self.language_share, 0.5),
            requests_high_per_week: advice(self.requests_high_per_week, 10_000.0),
            requests_low_per_week: advice(self.requests_low_per_week, 100.0),
            errors: advice(self.errors, 100.0),
            growth_low: advice(self.growth_low, -0.2),
            searches_per_day: advice(self.searches_per_day, 100.0),
        }
    }
}

/// `[report]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReportConfig {
    title: Option<String>,
    sections: Option<Vec<String>>,
    metrics: Option<Vec<String>>,
    pub(crate) panels: Vec<PanelConfig>,
}

/// `[[report.panels]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PanelConfig {
    pub(crate) title: String,
    pub(crate) sql: String,
    /// Maximum number of rows.
    limit: Option<usize>,
    /// Chart type in HTML.
    chart: Option<ChartKind>,
    /// Column with the times or names. Default: the first.
    x: Option<String>,
    /// Columns with the values. Default: the others.
    y: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ChartKind {
    Line,
    Bar,
    Heatmap,
}

impl PanelConfig {
    /// What is wrong with its query, or with the columns of its chart: the key and a sentence.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let columns = match dragline_analytics::sql::check(&self.sql) {
            Ok(columns) => columns,
            Err(error) => return vec![("sql", error.to_string())],
        };
        let named = self.x.iter().map(|name| ("x", name));
        let named = named.chain(self.y.iter().flatten().map(|name| ("y", name)));
        let unknown = named.filter(|(_, name)| !columns.contains(name));
        let sentence = |(key, name): (&'static str, &String)| {
            let known = columns.join(", ");
            (
                key,
                format!("the query has no column {name:?}; it has {known}"),
            )
        };
        unknown.map(sentence).collect()
    }

    /// Returns the maximum number of rows; a chart has a higher default than a table.
    pub(crate) fn limit(&self) -> usize {
        let usual = if self.chart.is_some() { 1000 } else { 20 };
        self.limit.unwrap_or(usual)
    }

    /// Returns the chart for the columns of a result.
    pub(crate) fn chart(&self, columns: &[String]) -> Option<PanelChart> {
        let kind = match self.chart? {
            ChartKind::Line => "line",
            ChartKind::Bar => "bar",
            ChartKind::Heatmap => "heatmap",
        };
        let x = self.x.clone().or_else(|| columns.first().cloned());
        let x = x.unwrap_or_default();
        let others = columns.iter().filter(|name| **name != x).cloned();
        Some(PanelChart {
            kind: kind.to_owned(),
            y: self.y.clone().unwrap_or_else(|| others.collect()),
            x,
        })
    }
}

impl ReportConfig {
    /// Returns the layout; what is wrong with it is added to the problems.
    pub(super) fn layout(&self, problems: &mut Vec<Problem>) -> Layout {
        let usual = Layout::default();
        if self.sections.as_ref().is_some_and(Vec::is_empty) {
            let sentence = "name at least one section".to_owned();
            problems.push((at("report.sections"), sentence));
        }
        for (index, panel) in self.panels.iter().enumerate() {
            if panel.limit == Some(0) {
                let sentence = "the panel would show nothing: use 1 or more".to_owned();
                problems.push((at(&format!("report.panels.{index}.limit")), sentence));
            }
        }
        let sections = self
            .sections
            .as_deref()
            .map(|names| parsed::<Section>("report.sections", names, problems));
        let metrics = self
            .metrics
            .as_deref()
            .map(|names| parsed::<Metric>("report.metrics", names, problems));
        Layout {
            title: self.title.clone(),
            sections: sections.unwrap_or(usual.sections),
            metrics: metrics.unwrap_or(usual.metrics),
        }
    }
}

/// Parses the names of a list; unknown names are added to the problems.
fn parsed<T>(key: &str, names: &[String], problems: &mut Vec<Problem>) -> Vec<T>
where
    T: FromStr<Err: std::fmt::Display>,
{
    let mut all = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match name.parse::<T>() {
            Ok(one) => all.push(one),
            Err(error) => problems.push((at(&format!("{key}.{index}")), error.to_string())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Config {
        let (config, mistakes) = read(text);
        assert_eq!(mistakes, Vec::<String>::new());
        config
    }

    fn read(text: &str) -> (Config, Vec<String>) {
        let now = Timestamp::parse("2026-03-04T11:22:33Z").unwrap();
        let (config, mistakes) = Config::parse(std::path::Path::new("dragline.toml"), text, now);
        (config, mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn prices_limits_and_layouts_have_an_effect() {
        let config = parse(
            "[cost]\ncurrency = 'EUR'\nper_1000_requests = 0.5\nper_gib = 1\nper_proxy_gib = 8\nper_hour = 0.1\n\
             [limits]\ncpu_high = 70\nmemory_high = false\ncpu_low = true\nerrors = 5\n\
             [report]\ntitle = 'Monday'\nsections = ['scrapers', 'panels']\nmetrics = ['items', 'bytes']\n\
             [[report.panels]]\ntitle = 'Hosts'\nsql = 'SELECT 1 FROM runs'\nlimit = 3\n",
        );
        let prices = config.prices().unwrap();
        assert_eq!(
            (
                prices.per_thousand_requests,
                prices.per_gib,
                prices.per_proxy_gib,
                prices.per_hour
            ),
            (0.5, 1.0, 8.0, 0.1)
        );
        let limits = config.limits();
        assert_eq!(
            (limits.cpu_high, limits.memory_high, limits.cpu_low),
            (Some(70.0), None, Some(20.0))
        );
        assert_eq!((limits.errors, limits.growth_low), (Some(5.0), None));
        let layout = config.layout();
        assert_eq!(layout.title.as_deref(), Some("Monday"));
        assert_eq!(layout.sections, [Section::Scrapers, Section::Panels]);
        assert_eq!(layout.metrics.len(), 2);
        assert_eq!(config.report.panels[0].limit(), 3);
        let advice = parse("[limits]\nadvice = true").limits();
        let values = [
            advice.cpu_low,
            advice.search_fast_ms,
            advice.language_share,
            advice.requests_high_per_week,
            advice.requests_low_per_week,
            advice.errors,
            advice.growth_low,
            advice.searches_per_day,
        ];
        let usual = [20.0, 500.0, 0.5, 10_000.0, 100.0, 100.0, -0.2, 100.0];
        assert_eq!(values, usual.map(Some));
        assert_eq!(parse("").limits(), Limits::default());
        assert_eq!(parse("").layout(), Layout::default());
    }

    #[test]
    fn known_errors_are_named_by_their_group() {
        let now = Timestamp::parse("2026-03-04T11:22:33Z").unwrap();
        let mutes = parse(
            "[[mute]]\ngroup = '0123456789ABCDEF'\nuntil = '2026-04-01'\nreason = 'ticket 7'",
        )
        .mutes(now);
        assert_eq!(mutes[0].group, "0123456789abcdef");
        assert_eq!(
            mutes[0].until,
            Timestamp::parse("2026-04-01T00:00:00Z").ok()
        );
        let (_, mistakes) = read(
            "[[mute]]\ngroup = 'timeouts'\nreason = ''\n[[mute]]\ngroup = '0123456789abcdef'\nuntil = 'soon'\nreason = 'x'\n\
             [[mute]]\ngroup = '0123456789abcdef'\nuntil = 3\nreason = 'x'",
        );
        let expected = [
            "dragline.toml:2: [[mute]] group = 'timeouts': invalid group id: use at least 8 of the 16 hexadecimal digits \
             that `dragline errors` prints",
            "dragline.toml:3: [[mute]] reason = '': give a reason: the report shows it",
            "dragline.toml:6: [[mute]] until = 'soon': invalid time \"soon\"",
            "dragline.toml:10: [[mute]] until = 3: expected a date or a time, such as 2026-12-31",
        ];
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
        for (mistake, expected) in mistakes.iter().zip(expected) {
            assert!(mistake.starts_with(expected), "{mistake}");
        }
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        for (text, part) in [
            ("[report]\nsections = ['everything']", "incidents"),
            ("[report]\nmetrics = ['speed']", "success_rate"),
            ("[report]\nsections = []", "at least one"),
            ("[cost]\ncurrency = 'EUR'\nper_gib = -1", "per_gib"),
            ("[cost]\nper_gib = 1", "the key `currency` is missing"),
            (
                "[limits]\ncpu_high = 'no'",
                "expected a number, or true or false",
            ),
        ] {
            let (_, mistakes) = read(text);
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
            assert!(mistakes[0].contains(part), "{mistakes:?}");
        }
    }
}
