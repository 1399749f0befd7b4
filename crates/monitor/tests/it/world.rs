//! A service over logs in a temporary directory, with the clock in the hands of the test.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use dragline_alerting::channel::Channels;
use dragline_alerting::config::AlertConfig;
use dragline_classifier::RuleSet;
use dragline_ingest::ReadOptions;
use dragline_monitor::config::MonitorConfig;
use dragline_monitor::service::{Monitor, Running};
use dragline_monitor::settings::Settings;
use dragline_report::ReportOptions;
use dragline_report::render::Layout;
use dragline_schema::Timestamp;
use dragline_web::Window;

use crate::fleet::Fleet;

pub(crate) const START: i64 = 1_772_582_400;
const RULES: &str = r#"
    [alerts]
    defaults = false
    [[rule]]
    alert = "many_errors"
    expr = "increase(dragline_errors_total[10m]) > 20"
    annotations = { summary = "{scraper_id} logs errors" }
    [notify]
    channels = ["out"]
    group_wait = "0s"
"#;

/// A service with a directory of logs and a clock.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) fleet: Fleet,
    /// Further sections of the configuration.
    pub(crate) config: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        let start = Timestamp::from_seconds(START);
        let fleet = Fleet::new(&dir.path().join("logs"), 3, 3, start);
        let clock = Arc::new(AtomicI64::new(start.as_micros()));
        Self {
            dir,
            clock,
            fleet,
            config: String::new(),
        }
    }

    pub(crate) fn settings(dir: &Path, config: &str) -> Settings {
        let text = format!(
            "{RULES}\n[channels.out]\ntype = \"file\"\npath = {:?}\n{config}\n",
            dir.join("notices.jsonl")
        );
        let (alerts, mistakes) = AlertConfig::load("test", &text, dir);
        assert_eq!(mistakes, []);
        let (channels, errors) = Channels::load("test", &text);
        assert!(errors.is_empty(), "{errors:?}");
        Settings {
            monitor: MonitorConfig {
                state: dir.join("state"),
                ..MonitorConfig::from_toml(&text).unwrap()
            },
            rules: Arc::new(RuleSet::shipped()),
            read: ReadOptions::default(),
            report: ReportOptions::at(Timestamp::from_seconds(START)),
            layout: Layout::default(),
            health: dragline_health::Config::from_toml(
                "",
                &dragline_health::Environment::of_process(dir),
            )
            .unwrap(),
            alert_rules: alerts.rules,
            watch: alerts.watch,
            notify: alerts.notify,
            channels,
            file: None,
        }
    }

    pub(crate) fn start(&self) -> Running {
        self.open().start().unwrap()
    }

    /// The service, of which nothing runs yet.
    pub(crate) fn open(&self) -> Arc<Monitor> {
        let dir = self.dir.path().to_owned();
        let clock = Arc::clone(&self.clock);
        let logs = vec![self.dir.path().join("logs").display().to_string()];
        let config = self.config.clone();
        let settings = Self::settings(&dir, &config);
        let reload = Box::new(move || Ok(Self::settings(&dir, &config)));
        let clock = Arc::new(move || Timestamp::from_micros(clock.load(SeqCst)));
        Monitor::open(logs, settings, reload, clock).unwrap()
    }

    /// Lines are written, and it becomes as late as the last of them.
    pub(crate) fn write(&mut self, lines: usize) {
        self.fleet.write(lines);
        self.clock.fetch_max(self.fleet.now().as_micros(), SeqCst);
    }

    pub(crate) fn tick(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, SeqCst);
    }

    pub(crate) fn notices(&self) -> Vec<serde_json::Value> {
        let text =
            std::fs::read_to_string(self.dir.path().join("notices.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn window(&self) -> Window {
        let to = Timestamp::from_micros(self.clock.load(SeqCst)).plus_micros(1);
        Window {
            from: Timestamp::from_seconds(START),
            to,
        }
    }
}

/// Waits until something is true; the threads of the service work in their own time.
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(
            begun.elapsed() < Duration::from_mins(5),
            "{what} did not happen within five minutes"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
