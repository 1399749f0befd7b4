//! The sections about alerts: `alerting` reads them from the text of the file, and reports its mistakes.

use std::collections::BTreeMap;

use dragline_alerting::channel::{ChannelConfig, Channels, find_unknown};
use dragline_alerting::config::AlertConfig;
use dragline_monitor::originals::add_originals;

use super::mistake;
use super::{Config, Problem};

impl Config {
    /// Returns the rules, the settings of the watch, and who is notified.
    pub(crate) fn alerts(&self) -> AlertConfig {
        // Mistakes are reported when the configuration is loaded.
        AlertConfig::load(&self.name, &self.text, &self.base).0
    }

    /// Returns the channels with their secrets, and a sentence for each that cannot be used.
    pub(crate) fn channels(&self) -> (Channels, Vec<String>) {
        Channels::load(&self.name, &self.text)
    }

    /// Returns the channels without their secrets.
    pub(crate) fn channel_configs(&self) -> BTreeMap<String, ChannelConfig> {
        dragline_alerting::channel::load_configs(&self.name, &self.text).0
    }

    pub(super) fn alert_problems(&self, problems: &mut Vec<Problem>) {
        let (_, mistakes) = AlertConfig::load(&self.name, &self.text, &self.base);
        let prefix = format!("{}: ", self.name);
        for one in mistakes {
            // The list of mistakes begins each line with the file.
            let problem = one.problem.strip_prefix(&prefix).unwrap_or(&one.problem);
            problems.push((mistake::at(&one.at), problem.to_owned()));
        }
        self.report_problems(problems);
    }

    /// Channels of scheduled reports that nobody defines. A variable may define one.
    fn report_problems(&self, problems: &mut Vec<Problem>) {
        let (table, _) = add_originals(&self.table, |name| std::env::var(name).ok());
        let names: Vec<&str> = match table.get("channels") {
            Some(toml::Value::Table(channels)) => channels.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        for (report, scheduled) in self.monitor.reports.iter().enumerate() {
            for (channel, name) in scheduled.channels.iter().enumerate() {
                let unknown = find_unknown([name.as_str()], || names.iter().copied());
                let path = format!("monitor.reports.{report}.channels.{channel}");
                problems.extend(unknown.into_iter().map(|what| (mistake::at(&path), what)));
            }
        }
    }
}
