//! Logs of a small fleet, as lines with their times.

use std::fmt::Write as _;
use std::sync::LazyLock;

use dragline_alerting::rule::Rule;
use dragline_classifier::RuleSet;
use dragline_insights::Limits;
use dragline_scan::ScanOptions;
use dragline_schema::Timestamp;
use dragline_watch::{Scene, Wanted, look};

/// 2026-03-01T00:00:00Z, a Sunday.
pub(crate) const START: i64 = 1_772_323_200;

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(START + second)
}

/// Lines of logs with their times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Vec<(i64, String)>);

impl Log {
    pub(crate) fn line(&mut self, second: i64, scraper: &str, run: &str, rest: &str) {
        let line = format!(
            "{{\"timestamp\":\"{}\",\"level\":\"INFO\",\"scraper_id\":\"{scraper}\",\"run_id\":\"{run}\",{rest}}}",
            at(second)
        );
        self.0.push((second, line));
    }

    /// A request of a scraper on a site.
    pub(crate) fn request(
        &mut self,
        second: i64,
        who: (&str, &str, &str),
        proxy: Option<&str>,
        status: u16,
    ) {
        let (scraper, site, run) = who;
        let proxy = proxy.map_or_else(String::new, |proxy| format!(",\"proxy\":\"{proxy}\""));
        let rest = format!(
            "\"site\":\"{site}\",\"event_type\":\"request\",\"url\":\"https://{site}/p/{second}\",\"status_code\":{status},\"response_time_ms\":120{proxy}"
        );
        self.line(second, scraper, run, &rest);
    }

    /// A run that starts, asks once a second, and ends; `refused` says which requests get 403.
    pub(crate) fn run(
        &mut self,
        start: i64,
        who: (&str, &str, &str),
        requests: i64,
        refused: impl Fn(i64) -> bool,
    ) {
        let (scraper, site, run) = who;
        let site_of = format!("\"site\":\"{site}\"");
        self.line(
            start,
            scraper,
            run,
            &format!("{site_of},\"event_type\":\"scraper_start\""),
        );
        for nth in 0..requests {
            let status = if refused(nth) { 403 } else { 200 };
            self.request(start + 1 + nth, who, None, status);
            if status == 200 {
                let item = format!(
                    "{site_of},\"event_type\":\"product_processed\",\"action\":\"saved\",\"product_id\":\"{nth}\""
                );
                self.line(start + 1 + nth, scraper, run, &item);
            }
        }
        let end = format!("{site_of},\"event_type\":\"scraper_end\",\"status\":\"success\"");
        self.line(start + requests + 1, scraper, run, &end);
    }

    /// What is left of it when everything before a second was deleted.
    pub(crate) fn kept_since(&self, second: i64) -> Self {
        let kept = self.0.iter().filter(|(at, _)| *at >= second);
        Self(kept.cloned().collect())
    }

    /// What is left of it without its last line.
    pub(crate) fn without_end(mut self) -> Self {
        self.0.pop();
        self
    }

    /// What was written until a second, in order of time.
    pub(crate) fn text(&self, until: i64) -> String {
        let mut lines: Vec<&(i64, String)> = self
            .0
            .iter()
            .filter(|(second, _)| *second <= until)
            .collect();
        lines.sort_by_key(|(second, _)| *second);
        lines.iter().fold(String::new(), |mut text, (_, line)| {
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// What the watch sees at a second.
    pub(crate) fn look(&self, second: i64, wanted: &Wanted<'_>) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.jsonl");
        std::fs::write(&path, self.text(second)).unwrap();
        // A run in a file that was written a moment ago is still running.
        let written =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs((START + second) as u64);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(written).unwrap();
        let logs = [dir.path().display().to_string()];
        let mut scene = look(&logs, &SHIPPED, &ScanOptions::default(), wanted).unwrap();
        scene.logs = vec!["logs".to_owned()];
        scene
    }
}

pub(crate) fn rules(toml: &str) -> Vec<Rule> {
    let loaded = dragline_alerting::rule::load("rules.toml", toml);
    assert_eq!(loaded.errors, []);
    loaded.rules
}

static SHIPPED: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);
static LIMITS: LazyLock<Limits> = LazyLock::new(Limits::default);

pub(crate) fn wanted(rules: &[Rule], second: i64) -> Wanted<'_> {
    Wanted::all(rules, &LIMITS, &[], at(second))
}
