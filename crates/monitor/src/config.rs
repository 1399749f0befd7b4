//! The section `[monitor]` of `dragline.toml`.

use std::path::PathBuf;
use std::time::Duration;

use dragline_alerting::channel::MaybeSecret;
use serde::Deserialize;

use crate::reports::ScheduledReport;
use crate::store::Retention;

/// The section `[monitor]`: what the service keeps, and how often it does what.
///
/// ```
/// use dragline_monitor::config::MonitorConfig;
///
/// let config = MonitorConfig::from_toml("[monitor]\nkeep_days = 100\n")?;
/// assert_eq!(config.retention().days, 100);
/// let error = MonitorConfig::from_toml("[monitor]\nkeep_dayz = 100\n").unwrap_err();
/// assert!(error.contains("keep_dayz") && error.contains("keep_days"), "{error}");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorConfig {
    /// The directory of the database; relative to the configuration file.
    pub state: PathBuf,
    /// Number of days that reports and comparisons with normal look back.
    pub history_days: u32,
    /// Number of days for which measurements are kept by the minute.
    pub keep_raw_days: u32,
    /// Number of days for which measurements are kept by the hour, and the history of alerts and checks.
    pub keep_hours_days: u32,
    /// Number of days for which counts and measurements are kept by the day, and runs.
    pub keep_days: u32,
    /// Maximum size of the database, in MiB.
    pub max_mib: u64,
    /// The longest time between two looks at the logs.
    #[serde(with = "dragline_alerting::duration")]
    pub look_every: Duration,
    /// The longest time that counts are only in memory.
    #[serde(with = "dragline_alerting::duration")]
    pub commit_every: Duration,
    /// The time from one evaluation of the alert rules to the next.
    #[serde(with = "dragline_alerting::duration")]
    pub evaluate_every: Duration,
    /// The shortest time between two analyses.
    #[serde(with = "dragline_alerting::duration")]
    pub analyse_every: Duration,
    /// An address that learns regularly that the service works.
    pub heartbeat: Option<Heartbeat>,
    /// The first page as a file.
    pub snapshot: SnapshotConfig,
    /// Which of its own events the service logs, such as `info` or `debug`; `None`: as a variable says, else `info`.
    pub log_level: Option<String>,
    /// Reports that are sent regularly.
    pub reports: Vec<ScheduledReport>,
}

/// A copy of the first page, for when the service does not answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotConfig {
    /// The file, relative to the configuration file; `None`: `now.html` in the state directory.
    pub file: Option<PathBuf>,
    /// How often it is written; zero: never.
    #[serde(with = "dragline_alerting::duration")]
    pub every: Duration,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            file: None,
            every: Duration::from_mins(5),
        }
    }
}

/// An address that is requested regularly, so that somebody notices when the service is gone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The address.
    pub url: MaybeSecret,
    /// How often.
    #[serde(default = "a_minute", with = "dragline_alerting::duration")]
    pub every: Duration,
}

fn a_minute() -> Duration {
    Duration::from_mins(1)
}

impl Default for MonitorConfig {
    fn default() -> Self {
        let retention = Retention::default();
        Self {
            state: PathBuf::from("dragline-state"),
            history_days: 35,
            keep_raw_days: retention.raw,
            keep_hours_days: retention.hours,
            keep_days: retention.days,
            max_mib: retention.max_bytes >> 20,
            look_every: Duration::from_secs(1),
            commit_every: Duration::from_secs(1),
            evaluate_every: Duration::from_secs(1),
            analyse_every: Duration::from_secs(5),
            heartbeat: None,
            snapshot: SnapshotConfig::default(),
            log_level: None,
            reports: Vec::new(),
        }
    }
}

impl MonitorConfig {
    /// Reads the section of a TOML text; without one, the defaults.
    ///
    /// # Errors
    /// A sentence about the first mistake.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let table: toml::Table =
            toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let section = table.get("monitor").cloned();
        let config: Option<Self> = section
            .map(toml::Value::try_into)
            .transpose()
            .map_err(|error| error.message().to_owned())?;
        let config = config.unwrap_or_default();
        match config.problems().into_iter().next() {
            Some((key, what)) => Err(format!("{key}: {what}")),
            None => Ok(config),
        }
    }

    /// What is wrong with the values, each with its key (`keep_days`, `reports.0.name`) and a sentence.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut wrong = |key: &str, what: String| problems.push((key.to_owned(), what));
        let days = [
            ("history_days", self.history_days),
            ("keep_raw_days", self.keep_raw_days),
            ("keep_hours_days", self.keep_hours_days),
            ("keep_days", self.keep_days),
        ];
        for (name, _) in days.iter().filter(|(_, days)| *days == 0) {
            wrong(name, "0 days would keep nothing: use at least 1".to_owned());
        }
        if !(self.keep_raw_days <= self.keep_hours_days && self.keep_hours_days <= self.keep_days) {
            let what =
                "keep_raw_days, keep_hours_days and keep_days must not decrease in this order";
            wrong("keep_days", what.to_owned());
        }
        if self.history_days > self.keep_days {
            let what = format!(
                "{} is more than keep_days = {}: what is dropped cannot be looked at",
                self.history_days, self.keep_days
            );
            wrong("history_days", what);
        }
        if self.max_mib == 0 {
            wrong(
                "max_mib",
                "the database needs some space: use at least 1".to_owned(),
            );
        }
        let second = Duration::from_secs(1);
        let times = [
            ("look_every", self.look_every, Duration::from_millis(50)),
            ("commit_every", self.commit_every, Duration::from_millis(50)),
            ("evaluate_every", self.evaluate_every, second),
            ("analyse_every", self.analyse_every, second),
        ];
        for (name, time, least) in times {
            if time < least || time > Duration::from_hours(1) {
                wrong(name, format!("{time:?}: use {least:?} to an hour"));
            }
        }
        if let Some(heartbeat) = self.heartbeat.as_ref().filter(|one| one.every < second) {
            wrong(
                "heartbeat.every",
                format!("{:?}: use at least 1s", heartbeat.every),
            );
        }
        let every = self.snapshot.every;
        let is_sensible = every >= 5 * second && every <= Duration::from_hours(24);
        if !(every.is_zero() || is_sensible) {
            let what = format!("{every:?}: use 5s to a day, or 0s for no copy");
            wrong("snapshot.every", what);
        }
        for (index, report) in self.reports.iter().enumerate() {
            let others = &self.reports[..index];
            for (key, what) in report.problems(others, self.keep_days) {
                wrong(&format!("reports.{index}.{key}"), what);
            }
        }
        problems
    }

    /// What the database keeps.
    pub fn retention(&self) -> Retention {
        Retention {
            raw: self.keep_raw_days,
            hours: self.keep_hours_days,
            days: self.keep_days,
            max_bytes: self.max_mib.saturating_mul(1 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_named() {
        for (text, part) in [
            ("keep_raw_days = 0", "keep_raw_days: 0 days"),
            ("keep_raw_days = 91", "must not decrease"),
            ("history_days = 500", "history_days: 500 is more"),
            ("max_mib = 0", "max_mib"),
            ("evaluate_every = \"10ms\"", "evaluate_every"),
            ("evaluate_every = \"4\"", "4"),
            ("snapshot = { every = \"1s\" }", "snapshot.every: 1s"),
            ("snapshot = { evry = \"1s\" }", "evry"),
            (
                "heartbeat = { url = \"https://h.example.com\", every = \"1ms\" }",
                "heartbeat.every",
            ),
        ] {
            let error = MonitorConfig::from_toml(&format!("[monitor]\n{text}\n")).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
