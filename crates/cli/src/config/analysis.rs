//! Configuration of reports: prices, muted errors, limits, layout.

use anyhow::{Context as _, bail};
use dragline_report::model::PanelChart;
use dragline_report::render::{Layout, Metric, Section};
use dragline_report::{Limits, Mute, Prices};
use dragline_schema::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

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
    pub(super) fn prices(&self) -> anyhow::Result<Prices> {
        let named = [
            ("per_1000_requests", self.per_1000_requests),
            ("per_gib", self.per_gib),
            ("per_proxy_gib", self.per_proxy_gib),
            ("per_hour", self.per_hour),
        ];
        for (name, price) in named {
            if !price.is_finite() || price < 0.0 {
                bail!("[cost] {name} = {price} is not a valid price");
            }
        }
        Ok(Prices {
            currency: self.currency.clone(),
            per_thousand_requests: self.per_1000_requests,
            per_gib: self.per_gib,
            per_proxy_gib: self.per_proxy_gib,
            per_hour: self.per_hour,
        })
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
#[serde(untagged)]
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
    pub(super) fn mute(&self, now: Timestamp) -> anyhow::Result<Mute> {
        let is_id = (8..=16).contains(&self.group.len())
            && self.group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            bail!(
                "[[mute]] invalid group id {:?}: use at least 8 of the 16 hexadecimal digits that dragline errors prints",
                self.group
            );
        }
        if self.reason.trim().is_empty() {
            bail!(
                "[[mute]] of the group {} needs a reason, which the report shows",
                self.group
            );
        }
        let until = |time: &Time| {
            times::parse(&time.text(), now, &TimeZone::UTC).context("in [[mute]] until")
        };
        Ok(Mute {
            group: self.group.to_ascii_lowercase(),
            until: self.until.as_ref().map(until).transpose()?,
            reason: self.reason.clone(),
        })
    }
}

/// A limit; `false` disables it, `true` sets its default value.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
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
    pub(super) fn layout(&self) -> anyhow::Result<Layout> {
        let usual = Layout::default();
        if self.sections.as_ref().is_some_and(Vec::is_empty) {
            bail!("[report] sections is empty: name at least one section");
        }
        if let Some(panel) = self.panels.iter().find(|panel| panel.limit == Some(0)) {
            bail!(
                "[[report.panels]] {:?} has limit = 0 and would show nothing: use 1 or more",
                panel.title
            );
        }
        let sections = |names: &Vec<String>| {
            let sections: Result<Vec<Section>, _> = names.iter().map(|name| name.parse()).collect();
            sections.context("in [report] sections")
        };
        let metrics = |names: &Vec<String>| {
            let metrics: Result<Vec<Metric>, _> = names.iter().map(|name| name.parse()).collect();
            metrics.context("in [report] metrics")
        };
        Ok(Layout {
            title: self.title.clone(),
            sections: self
                .sections
                .as_ref()
                .map_or(Ok(usual.sections), sections)?,
            metrics: self.metrics.as_ref().map_or(Ok(usual.metrics), metrics)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(std::path::Path::new("dragline.toml"), text).unwrap()
    }

    #[test]
    fn prices_limits_and_layouts_have_an_effect() {
        let config = parse(
            "[cost]\ncurrency = 'EUR'\nper_1000_requests = 0.5\nper_gib = 1\nper_proxy_gib = 8\nper_hour = 0.1\n\
             [limits]\ncpu_high = 70\nmemory_high = false\ncpu_low = true\nerrors = 5\n\
             [report]\ntitle = 'Monday'\nsections = ['scrapers', 'panels']\nmetrics = ['items', 'bytes']\n\
             [[report.panels]]\ntitle = 'Hosts'\nsql = 'SELECT 1 FROM runs'\nlimit = 3\n",
        );
        let prices = config.prices().unwrap().unwrap();
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
        let layout = config.layout().unwrap();
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
        assert_eq!(parse("").layout().unwrap(), Layout::default());
    }

    #[test]
    fn known_errors_are_named_by_their_group() {
        let now = Timestamp::parse("2026-03-04T11:22:33Z").unwrap();
        let of = |text: &str| parse(text).mutes(now);
        let mutes =
            of("[[mute]]\ngroup = '0123456789ABCDEF'\nuntil = '2026-04-01'\nreason = 'ticket 7'")
                .unwrap();
        assert_eq!(mutes[0].group, "0123456789abcdef");
        assert_eq!(
            mutes[0].until,
            Timestamp::parse("2026-04-01T00:00:00Z").ok()
        );
        for (text, part) in [
            ("[[mute]]\ngroup = 'timeouts'\nreason = 'x'", "hexadecimal"),
            (
                "[[mute]]\ngroup = '0123456789abcdef'\nuntil = 'soon'\nreason = 'x'",
                "until",
            ),
        ] {
            let error = format!("{:#}", of(text).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused_with_those_there_are() {
        for (text, part) in [
            ("[report]\nsections = ['everything']", "incidents"),
            ("[report]\nmetrics = ['speed']", "success_rate"),
        ] {
            let error = format!("{:#}", parse(text).layout().unwrap_err());
            assert!(
                error.contains(part) && error.contains("[report]"),
                "{error}"
            );
        }
        let free = parse("[cost]\ncurrency = 'EUR'\nper_gib = -1")
            .prices()
            .unwrap_err();
        assert!(format!("{free:#}").contains("per_gib"), "{free:#}");
    }
}
