//! The watch beside the real Prometheus and Alertmanager, which get the exported rules and routes: the same series in,
//! the same notices out, to the same channels.
//!
//! Left out is what differs on purpose: an episode that begins and ends while its group still waits (the watch reports
//! it, Alertmanager does not), and the end of an alert that was silenced after a channel was notified of it (likewise).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dragline_alerting::channel::ChannelConfig;
use dragline_alerting::export::{alertmanager_config, prometheus_rules};
use dragline_alerting::notify::{Delivery, DeliveryKind, NotifyConfig, NotifyState, Silence};
use dragline_alerting::rule::Rule;
use dragline_alerting::watch::{Watch, WatchConfig, WatchState};
use dragline_alerting::{Labels, Observation};
use dragline_schema::{Severity, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::server::{Behaviour, Server};

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        crate::skip(&format!(
            "{program} is not installed (apt-get install prometheus prometheus-alertmanager)"
        ));
    }
    found
}

/// Channels of webhooks, each at a path of its name.
fn webhooks(names: &[&str], url: impl Fn(&str) -> String) -> BTreeMap<String, ChannelConfig> {
    let mut text = String::new();
    for name in names {
        let url = url(name);
        let _ = writeln!(
            text,
            "[channels.{name}]\ntype = \"webhook\"\nurl = {url:?}\nallow_private = true"
        );
    }
    let (channels, errors) = dragline_alerting::channel::load_configs("dragline.toml", &text);
    assert_eq!(errors, [] as [&str; 0]);
    channels
}

// ---- Routes ----

const CHANNELS: [&str; 5] = ["mail", "chat", "phone", "lab", "prices"];

/// A route, in TOML.
fn route() -> impl Strategy<Value = String> {
    let matcher = prop_oneof![
        Just(""),
        Just("match = { site = \"a.test\" }\n"),
        Just("match = { site = [\"*.test\", \"lab\"] }\n"),
        Just("match = { scraper_id = \"shop\", site = \"a*\" }\n"),
    ];
    let severity = prop_oneof![
        Just(""),
        Just("severity = \"high\"\n"),
        Just("severity = \"critical\"\n")
    ];
    let channels = proptest::sample::subsequence(&CHANNELS[..], 1..3);
    (matcher, severity, channels, any::<bool>()).prop_map(|(matcher, severity, channels, only)| {
        format!("[[route]]\n{matcher}{severity}channels = {channels:?}\nonly = {only}\n")
    })
}

fn routing() -> impl Strategy<Value = String> {
    let scraper = prop_oneof![Just(""), Just("[scrapers.shop]\nchannels = [\"prices\"]\n")];
    (scraper, proptest::collection::vec(route(), 0..4)).prop_map(|(scraper, routes)| {
        format!(
            "[notify]\nchannels = [\"mail\"]\n{scraper}{}",
            routes.concat()
        )
    })
}

/// The alerts that are sent through the routes.
fn alerts() -> impl Iterator<Item = (Severity, Labels)> {
    let severities = [Severity::Medium, Severity::High, Severity::Critical];
    let labels = [
        ("shop", "a.test"),
        ("shop", "example.com"),
        ("news", "lab"),
        ("news", "b.test"),
    ];
    severities.into_iter().flat_map(move |severity| {
        labels.map(|(scraper, site)| {
            let labels = Labels::from([
                ("alertname", "x"),
                ("scraper_id", scraper),
                ("site", site),
                ("severity", severity.as_str()),
            ]);
            (severity, labels)
        })
    })
}

/// The channels behind the receivers that Alertmanager chooses: each is to be there once.
fn channels_of_amtool(config: &Path, labels: &Labels) -> Vec<String> {
    let mut amtool = Command::new("amtool");
    amtool
        .args(["config", "routes", "test"])
        .arg(format!("--config.file={}", config.display()));
    for (name, value) in labels.iter() {
        amtool.arg(format!("{name}={value}"));
    }
    let output = amtool.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let receivers = said.trim().split(',');
    let mut channels: Vec<String> = receivers
        .filter(|receiver| *receiver != "nobody")
        .flat_map(|receiver| receiver.split('+'))
        .map(str::to_owned)
        .collect();
    channels.sort();
    channels
}

#[test]
fn alerts_go_where_alertmanager_sends_them() {
    if !is_installed("amtool") {
        return;
    }
    let mut runner = TestRunner::new(Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    });
    let channels = webhooks(&CHANNELS, |name| format!("https://example.com/{name}"));
    let result = runner.run(&routing(), |text| {
        let config = NotifyConfig::load("dragline.toml", &text).unwrap();
        let export = alertmanager_config(&config, &channels);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("alertmanager.yml");
        std::fs::write(&file, &export.yaml).unwrap();
        for (severity, labels) in alerts() {
            let ours = config.channels_of(&labels, severity);
            let ours: Vec<String> = ours.into_iter().map(str::to_owned).collect();
            let theirs = channels_of_amtool(&file, &labels);
            prop_assert_eq!(ours, theirs, "{:?}\n{}\n{}", labels, text, export.yaml);
        }
        Ok(())
    });
    result.unwrap();
}

// ---- Notices ----

/// The rules and routes; `UNIT` is a minute for the watch, whose clock is the test's, and a second for the others.
const RULES: &str = r#"
    [[rule]]
    alert = "load_high"
    expr = "last(load[1UNIT]) > 50"
    labels = { severity = "high" }
    [[rule]]
    alert = "load_steady"
    expr = "last(load[1UNIT]) > 80"
    for = "2UNIT"
    [[rule]]
    alert = "host_down"
    expr = "last(down[1UNIT]) >= 1"
    labels = { severity = "critical" }
"#;

const NOTIFY: &str = r#"
    [notify]
    channels = ["chat"]
    group_wait = "1UNIT"
    group_interval = "1UNIT"
    repeat = "0s"
    [[route]]
    severity = "critical"
    channels = ["phone"]
    [[route]]
    match = { alertname = "load_steady" }
    channels = ["lab"]
    only = true
    [[inhibit]]
    source = { alertname = "host_down" }
    target = { alertname = "load_*" }
    equal = ["host"]
"#;

fn rules(unit: &str) -> Vec<Rule> {
    crate::prometheus::rules_of(&RULES.replace("UNIT", unit))
}

fn notify_config(unit: &str) -> NotifyConfig {
    NotifyConfig::load("dragline.toml", &NOTIFY.replace("UNIT", unit)).unwrap()
}

/// What is true from now on: the load of both hosts, whether host a is down, and whether it is silenced.
#[derive(Clone, Copy, Debug)]
struct Step {
    load: [u8; 2],
    down: u8,
    silenced: bool,
}

const fn step(a: u8, b: u8, down: u8, silenced: bool) -> Step {
    Step {
        load: [a, b],
        down,
        silenced,
    }
}

/// Each step changes what is reported.
const STEPS: [Step; 12] = [
    step(60, 0, 0, false),
    step(60, 60, 0, false),
    step(0, 60, 0, false),
    step(0, 0, 0, false),
    // The silence keeps one of two back, and what it kept back comes when it ends.
    step(60, 60, 0, true),
    step(60, 60, 0, false),
    step(0, 0, 0, false),
    // A host that is down explains its load.
    step(0, 0, 1, false),
    step(60, 60, 1, false),
    step(60, 60, 0, false),
    // Two rules at once, one of them with `for`.
    step(60, 90, 0, false),
    step(0, 0, 0, false),
];

/// A notice as both sides have it: the channel, the alert, what fires, and what is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    channel: String,
    alert: String,
    firing: BTreeSet<String>,
    over: BTreeSet<String>,
}

/// The notices after each step, those of one step in no order.
type Notices = Vec<Vec<Told>>;

fn told(delivery: &Delivery) -> Told {
    assert!(matches!(
        delivery.kind,
        DeliveryKind::Firing | DeliveryKind::Resolved
    ));
    let hosts = |is_firing: bool| {
        let alerts = delivery.alerts.iter().map(|entry| &entry.alert);
        alerts
            .filter(|alert| alert.is_firing() == is_firing)
            .map(|alert| alert.labels.get("host").unwrap().to_owned())
            .collect()
    };
    Told {
        channel: delivery.channel.clone(),
        alert: delivery.group.get("alertname").unwrap().to_owned(),
        firing: hosts(true),
        over: hosts(false),
    }
}

/// What the watch tells: ten minutes for each step, by a clock that is the test's.
fn notices_of_the_watch() -> Notices {
    let start = Timestamp::from_seconds(1_772_582_400);
    let config = WatchConfig {
        lateness: Duration::ZERO,
        ..WatchConfig::default()
    };
    let notify = notify_config("m");
    let mut watch = Watch::new(config, rules("m"), WatchState::default());
    watch.start_at(start);
    let mut state = NotifyState::default();
    let mut all = Notices::new();
    for (index, step) in STEPS.iter().enumerate() {
        state.silences.clear();
        if step.silenced {
            let silence = "match = { host = \"a\" }";
            state
                .silences
                .push(toml::from_str::<Silence>(silence).unwrap());
        }
        let mut of_step = Vec::new();
        for minute in 10 * index as i64..10 * (index as i64 + 1) {
            let at = |second: i64| start.plus_micros((60 * minute + second) * 1_000_000);
            for (host, load) in ["a", "b"].into_iter().zip(step.load) {
                let labels = Labels::from([("host", host)]);
                watch.observe(Observation::metric("load", labels, at(30), f64::from(load)));
            }
            let labels = Labels::from([("host", "a")]);
            let down = f64::from(step.down);
            watch.observe(Observation::metric("down", labels, at(30), down));
            let changes = watch.advance(at(60));
            state.record(&changes, at(60));
            for delivery in state.decide(&notify, at(60)) {
                state.confirm(&delivery, at(60));
                of_step.push(told(&delivery));
            }
        }
        of_step.sort();
        all.push(of_step);
    }
    all
}

/// A program that is killed at the end.
struct Running(Child);

impl Running {
    fn start(program: &str, dir: &Path, arguments: &[String]) -> Self {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .args(arguments)
            .stdout(Stdio::null());
        let log = std::fs::File::create(dir.join(format!("{program}.log"))).unwrap();
        Self(command.stderr(log).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_there() {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "did not happen within a minute: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into()
}

/// Prometheus, which asks the test for its numbers, Alertmanager behind it, and the receiver of the notices.
struct Peers {
    numbers: Arc<Mutex<String>>,
    receiver: Server,
    silences: String,
    _running: [Running; 2],
    _numbers: Server,
}

impl Peers {
    fn start(dir: &Path) -> Self {
        let numbers = Arc::new(Mutex::new(String::new()));
        let target = Server::start(vec![Behaviour::Text(Arc::clone(&numbers))]);
        let receiver = Server::start(vec![Behaviour::Answer(200, Vec::new(), String::new())]);
        let (alertmanager, prometheus) = (free_port(), free_port());
        let channels = webhooks(&["chat", "phone", "lab"], |name| {
            receiver.url(&format!("/{name}"))
        });
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        write(
            "alertmanager.yml",
            &alertmanager_config(&notify_config("s"), &channels).yaml,
        );
        write("rules.yml", &prometheus_rules(&rules("s"), |_| false).yaml);
        write("prometheus.yml", &prometheus_yaml(&target, alertmanager));
        let running = [
            Running::start(
                "prometheus-alertmanager",
                dir,
                &[
                    "--config.file=alertmanager.yml".to_owned(),
                    "--storage.path=silences".to_owned(),
                    "--cluster.listen-address=".to_owned(),
                    format!("--web.listen-address=127.0.0.1:{alertmanager}"),
                ],
            ),
            Running::start(
                "prometheus",
                dir,
                &[
                    "--config.file=prometheus.yml".to_owned(),
                    "--storage.tsdb.path=series".to_owned(),
                    format!("--web.listen-address=127.0.0.1:{prometheus}"),
                ],
            ),
        ];
        for port in [alertmanager, prometheus] {
            let url = format!("http://127.0.0.1:{port}/-/ready");
            wait_for(&url, || agent().get(&url).call().is_ok());
        }
        Self {
            numbers,
            receiver,
            silences: format!("http://127.0.0.1:{alertmanager}/api/v2/silence"),
            _running: running,
            _numbers: target,
        }
    }

    /// Silences host a; returns the silence's id.
    fn silence(&self) -> String {
        let at = |hours: i64| jiff::Timestamp::now() + jiff::Span::new().hours(hours);
        let body = serde_json::json!({
            "matchers": [{ "name": "host", "value": "a", "isRegex": false, "isEqual": true }],
            "startsAt": at(0).to_string(), "endsAt": at(1).to_string(),
            "createdBy": "test", "comment": "test",
        });
        let answer = agent()
            .post(format!("{}s", self.silences))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["silenceID"].as_str().unwrap().to_owned()
    }

    /// Goes through the steps, and waits in each for as many notices as are expected.
    fn notices(&self, expected: &Notices) -> Notices {
        let mut all = Notices::new();
        let (mut seen, mut silence) = (0, None);
        for (step, expected) in STEPS.iter().zip(expected) {
            if step.silenced {
                silence = Some(self.silence());
            } else if let Some(id) = silence.take() {
                let url = format!("{}/{id}", self.silences);
                agent().delete(url).call().unwrap();
            }
            let [a, b] = step.load;
            let down = step.down;
            *self.numbers.lock().unwrap() = format!(
                "load{{host=\"a\"}} {a}\nload{{host=\"b\"}} {b}\ndown{{host=\"a\"}} {down}\n"
            );
            let count = seen + expected.len();
            let received = || self.receiver.received();
            let what = format!("{expected:?} at {step:?}, after {all:?}");
            wait_for(&what, || received().len() >= count);
            let mut of_step: Vec<Told> = received()[seen..].iter().map(told_by_webhook).collect();
            seen += of_step.len();
            of_step.sort();
            all.push(of_step);
        }
        all
    }
}

fn told_by_webhook(received: &crate::server::Received) -> Told {
    let path = received.head.split(' ').nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(&received.body).unwrap();
    let hosts = |status: &str| {
        let alerts = body["alerts"].as_array().unwrap().iter();
        alerts
            .filter(|alert| alert["status"] == status)
            .map(|alert| alert["labels"]["host"].as_str().unwrap().to_owned())
            .collect()
    };
    Told {
        channel: path.trim_start_matches('/').to_owned(),
        alert: body["groupLabels"]["alertname"]
            .as_str()
            .unwrap()
            .to_owned(),
        firing: hosts("firing"),
        over: hosts("resolved"),
    }
}

fn prometheus_yaml(target: &Server, alertmanager: u16) -> String {
    let target = target.url("");
    let target = target.trim_start_matches("http://");
    format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}
rule_files: [rules.yml]
alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['127.0.0.1:{alertmanager}'] }}] }}] }}
scrape_configs:
  - job_name: test
    static_configs: [{{ targets: ['{target}'] }}]
    metric_relabel_configs: [{{ action: labeldrop, regex: 'instance|job' }}]
"
    )
}

#[test]
fn the_same_notices_go_out_as_from_alertmanager() {
    let notices = notices_of_the_watch();
    assert!(
        notices.iter().all(|of_step| !of_step.is_empty()),
        "{notices:#?}"
    );
    if !is_installed("prometheus") || !is_installed("prometheus-alertmanager") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let peers = Peers::start(dir.path());
    let theirs = peers.notices(&notices);
    for (index, step) in STEPS.iter().enumerate() {
        assert_eq!(notices[index], theirs[index], "step {index}: {step:?}");
    }
}
