//! Everything that the configuration says to the service.

use std::path::PathBuf;
use std::sync::Arc;

use dragline_alerting::channel::Channels;
use dragline_alerting::notify::NotifyConfig;
use dragline_alerting::rule::Rule;
use dragline_alerting::watch::WatchConfig;
use dragline_classifier::RuleSet;
use dragline_ingest::ReadOptions;
use dragline_report::ReportOptions;
use dragline_report::render::Layout;

use crate::config::MonitorConfig;
use crate::judge::JudgeOptions;

/// What the service works with. It is replaced as a whole when the configuration is read anew.
#[derive(Debug)]
pub struct Settings {
    /// The section `[monitor]`.
    pub monitor: MonitorConfig,
    /// The rules that classify errors.
    pub rules: Arc<RuleSet>,
    /// How logs are read. A change takes effect with the next start.
    pub read: ReadOptions,
    /// Prices, mutes and limits.
    pub report: ReportOptions,
    /// The layout of the report's page.
    pub layout: Layout,
    /// The health checks.
    pub health: dragline_health::Config,
    /// The alert rules.
    pub alert_rules: Vec<Rule>,
    /// The settings of the watch.
    pub watch: WatchConfig,
    /// Who is notified, and when.
    pub notify: NotifyConfig,
    /// The channels.
    pub channels: Channels,
    /// The configuration file; `None` without one.
    pub file: Option<PathBuf>,
}

impl Settings {
    /// What the analysis needs.
    pub fn judge_options(&self) -> JudgeOptions {
        JudgeOptions {
            rules: Arc::clone(&self.rules),
            report: self.report.clone(),
            layout: self.layout.clone(),
            alert_rules: self.alert_rules.clone(),
            history_days: self.monitor.history_days,
        }
    }
}
