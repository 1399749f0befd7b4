//! `[[monitor.reports]]`.

use std::time::Duration;

use dragline_alerting::notify::Zone;
use dragline_scan::Filter;
use dragline_schema::{RunKey, Timestamp};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::Cron;

/// A day.
const DAY: Duration = Duration::from_hours(24);

/// A report that is sent regularly.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledReport {
    /// Its name, by which the service remembers what it sent.
    pub name: String,
    /// When it is due.
    pub cron: Cron,
    /// The time zone of `cron`.
    #[serde(default = "utc")]
    pub zone: Zone,
    /// The period that it covers, in whole days (UTC) before the day on which it is due, and that day.
    #[serde(default = "a_week", with = "dragline_alerting::duration")]
    pub since: Duration,
    /// The channels that it goes to.
    pub channels: Vec<String>,
    /// Only these scrapers; empty for all.
    #[serde(default)]
    pub scrapers: Vec<String>,
    /// Only these sites and their subdomains; empty for all.
    #[serde(default)]
    pub sites: Vec<String>,
}

fn utc() -> Zone {
    Zone(TimeZone::UTC)
}

fn a_week() -> Duration {
    7 * DAY
}

impl ScheduledReport {
    /// What is wrong beside the types, each with its key. `others` come before it.
    pub(crate) fn problems(&self, others: &[Self], keep_days: u32) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || !self.name.chars().all(is_plain) {
            let what =
                "use letters, digits, - and _: the name is part of the address of the report";
            problems.push(("name", what.to_owned()));
        }
        if others.iter().any(|other| other.name == self.name) {
            problems.push(("name", format!("there are two reports {:?}", self.name)));
        }
        if self.channels.is_empty() {
            let what = "nobody would get the report: name at least one channel".to_owned();
            problems.push(("channels", what));
        }
        let days = self.since.as_secs() / DAY.as_secs();
        if days == 0 || !self.since.as_secs().is_multiple_of(DAY.as_secs()) {
            let what = "counts are kept by the day (UTC): use whole days, such as 1d or 7d";
            problems.push(("since", what.to_owned()));
        } else if days > u64::from(keep_days) {
            let what = format!("{days} days are more than keep_days = {keep_days}");
            problems.push(("since", what));
        }
        problems
    }

    /// When it is due, in words that change when the schedule does.
    pub(crate) fn schedule(&self) -> String {
        format!("{} {}", self.cron.text(), self.zone_name())
    }

    /// The name of its time zone.
    pub(crate) fn zone_name(&self) -> &str {
        self.zone.0.iana_name().unwrap_or("UTC")
    }

    /// A time in its zone: `2026-03-02 08:00 Europe/Berlin`.
    pub(crate) fn local(&self, time: Timestamp) -> String {
        let local = self.zone.0.to_datetime(time.to_jiff());
        format!("{} {}", local.strftime("%Y-%m-%d %H:%M"), self.zone_name())
    }

    /// Number of whole days before the day on which it is due.
    pub(crate) fn days(&self) -> i64 {
        (self.since.as_secs() / DAY.as_secs()) as i64
    }

    /// Whether it covers all scrapers and sites.
    pub(crate) fn is_of_all(&self) -> bool {
        self.scrapers.is_empty() && self.sites.is_empty()
    }

    /// Whether it covers a run.
    pub(crate) fn takes(&self, run: &RunKey) -> bool {
        let is_scraper = |name: &String| run.scraper_id.as_ref() == Some(name);
        let is_site = |site: &String| {
            let filter = Filter {
                site: Some(site.clone()),
                ..Filter::default()
            };
            filter.takes_run(run)
        };
        (self.scrapers.is_empty() || self.scrapers.iter().any(is_scraper))
            && (self.sites.is_empty() || self.sites.iter().any(is_site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MonitorConfig;

    fn read(text: &str) -> Result<MonitorConfig, String> {
        MonitorConfig::from_toml(&format!("[[monitor.reports]]\n{text}"))
    }

    #[test]
    fn every_key_is_read_and_the_others_have_defaults() {
        let text = "name = 'weekly'\ncron = '0 8 * * mon'\nzone = 'Europe/Berlin'\nsince = '14d'\n\
                    channels = ['mail']\nscrapers = ['shop']\nsites = ['example.com']";
        let report = read(text).unwrap().reports.remove(0);
        assert_eq!(report.schedule(), "0 8 * * mon Europe/Berlin");
        assert_eq!(
            (report.days(), report.channels.as_slice()),
            (14, &["mail".to_owned()][..])
        );
        let run = |scraper: &str, site: &str| RunKey {
            scraper_id: Some(scraper.to_owned()),
            site: Some(site.to_owned()),
            run_id: None,
        };
        assert!(report.takes(&run("shop", "shop.example.com")));
        assert!(!report.takes(&run("shop", "example.org")));
        assert!(!report.takes(&run("news", "example.com")));
        let usual = read("name = 'daily'\ncron = '0 8 * * *'\nchannels = ['mail']").unwrap();
        let usual = &usual.reports[0];
        assert_eq!(
            (usual.schedule().as_str(), usual.days()),
            ("0 8 * * * UTC", 7)
        );
        assert!(usual.is_of_all() && usual.takes(&run("any", "where")));
    }

    #[test]
    fn mistakes_are_named() {
        let whole = "name = 'a'\ncron = '0 8 * * *'\nchannels = ['mail']\n";
        for (text, part) in [
            (format!("{whole}sinec = '7d'"), "sinec"),
            (
                format!("{whole}since = '36h'"),
                "reports.0.since: counts are kept by the day",
            ),
            (format!("{whole}since = '0s'"), "whole days"),
            (format!("{whole}since = '500d'"), "keep_days = 400"),
            (
                format!("{whole}zone = 'Berlin'"),
                "unknown time zone \"Berlin\"",
            ),
            (whole.replace("'mail'", ""), "reports.0.channels"),
            (whole.replace("'a'", "' '"), "reports.0.name"),
            (whole.replace("0 8 * * *", "8:00"), "five"),
            (
                format!("{whole}[[monitor.reports]]\n{whole}"),
                "reports.1.name: there are two",
            ),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
