//! Channels by HTTP against servers that behave well, badly, and worse.

use std::path::Path;
use std::time::Duration;

use dragline_alerting::channel::{Channels, Outcome};
use dragline_alerting::dispatch::{Dispatch, Round};
use dragline_alerting::history::History;
use dragline_alerting::notice::{Explanation, Notice};
use dragline_alerting::notify::{NotifyConfig, NotifyState};
use dragline_alerting::watch::Change;
use dragline_schema::Timestamp;

use crate::server::{Behaviour, Server};
use crate::sinks::{changes, notice};

/// The secret that must be nowhere.
const PLANTED: &str = "planted-7f3a9c";

const KINDS: [&str; 6] = [
    "slack",
    "discord",
    "telegram",
    "ntfy",
    "alertmanager",
    "webhook",
];

fn now() -> Timestamp {
    Timestamp::from_seconds(1_772_600_000)
}

fn ok() -> Behaviour {
    Behaviour::Answer(200, Vec::new(), "ok".to_owned())
}

fn status(status: u16) -> Behaviour {
    Behaviour::Answer(status, Vec::new(), "said no".to_owned())
}

fn dispatch(
    channels: &Channels,
    config: &NotifyConfig,
    now: Timestamp,
    (state, history): (&mut NotifyState, &mut History),
) -> Round {
    let dispatch = Dispatch {
        channels,
        config,
        now,
        jitter: 0.0,
    };
    dispatch.run(state, history, |_| Explanation::default(), |_, _| {})
}

/// The configuration of a channel of each kind that posts to a server; every secret contains the planted one.
fn config(kind: &str, server: &Server, dir: &Path) -> String {
    let url = server.url(&format!("/hook/{PLANTED}"));
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        format!("{{ file = {path:?} }}")
    };
    let (url, token) = (file("url", &url), file("token", PLANTED));
    let base = server.url("");
    let settings = match kind {
        "slack" | "discord" => format!("url = {url}"),
        "telegram" => format!("token = {token}\nchat_id = \"-1001\"\napi = {base:?}"),
        "ntfy" => format!("server = {base:?}\ntopic = {token}\ntoken = {token}"),
        "alertmanager" => format!("url = {base:?}\ntoken = {token}"),
        _ => format!(
            "url = {url}\nsecret = {token}\nheaders = {{ X-Team = \"crawl\", X-Key = {token} }}"
        ),
    };
    format!(
        "[channels.x]\ntype = {kind:?}\nallow_private = true\ntimeout = \"300ms\"\n{settings}\n"
    )
}

fn load(config: &str) -> Channels {
    let (channels, errors) = Channels::load("dragline.toml", config);
    assert_eq!(errors, [] as [&str; 0]);
    channels
}

fn send(kind: &str, behaviour: Behaviour) -> (Outcome, Server, String) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![behaviour]);
    let channels = load(&config(kind, &server, dir.path()));
    let outcome = channels.deliver(&[("x", &notice())], now()).remove(0);
    (outcome, server, format!("{channels:?}"))
}

#[test]
fn every_service_gets_one_request_with_an_idempotency_key() {
    for kind in KINDS {
        let (outcome, server, _) = send(kind, ok());
        assert_eq!(outcome, Outcome::Delivered, "{kind}");
        let received = server.received();
        assert_eq!(received.len(), 1, "{kind}");
        assert_eq!(
            received[0].header("idempotency-key"),
            Some(notice().key.as_str()),
            "{kind}"
        );
        let path = match kind {
            "telegram" => format!("POST /bot{PLANTED}/sendMessage HTTP"),
            "ntfy" => "POST / HTTP".to_owned(),
            "alertmanager" => "POST /api/v2/alerts HTTP".to_owned(),
            _ => format!("POST /hook/{PLANTED} HTTP"),
        };
        assert!(
            received[0].head.starts_with(&path),
            "{kind}: {}",
            received[0].head
        );
        serde_json::from_str::<serde_json::Value>(&received[0].body).unwrap();
    }
}

#[test]
fn each_answer_has_its_outcome() {
    for kind in KINDS {
        for code in [400, 401, 404, 302] {
            let (outcome, server, _) = send(kind, status(code));
            assert!(
                matches!(&outcome, Outcome::Refused { error } if error.contains(&code.to_string())),
                "{kind} {outcome:?}"
            );
            assert_eq!(
                server.received().len(),
                1,
                "{kind}: nothing is followed or repeated"
            );
        }
        for code in [500, 503] {
            assert!(send(kind, status(code)).0.is_retry(), "{kind} {code}");
        }
        let limited = Behaviour::Answer(429, vec![("Retry-After", "17".to_owned())], String::new());
        let Outcome::Retry { after, .. } = send(kind, limited).0 else {
            panic!("{kind}")
        };
        assert_eq!(after, Some(Duration::from_secs(17)));
    }
}

#[test]
fn a_server_that_hangs_or_resets_is_tried_again() {
    for kind in KINDS {
        let (outcome, ..) = send(kind, Behaviour::Hang);
        assert!(
            outcome.is_retry() && outcome.error().unwrap().contains("no answer within"),
            "{kind} {outcome:?}"
        );
        let (outcome, ..) = send(kind, Behaviour::Reset);
        assert!(outcome.is_retry(), "{kind} {outcome:?}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let target = Server::start(vec![ok()]);
    let redirect = Behaviour::Answer(
        307,
        vec![("Location", target.url("/elsewhere"))],
        String::new(),
    );
    let (outcome, ..) = send("webhook", redirect);
    assert!(
        outcome
            .error()
            .unwrap()
            .contains("redirects are not followed"),
        "{outcome:?}"
    );
    assert_eq!(target.received().len(), 0);
}

#[test]
fn no_secret_reaches_an_error_a_debug_text_or_the_history() {
    for kind in KINDS {
        let behaviours = [
            Behaviour::Echo(400),
            Behaviour::Echo(500),
            Behaviour::Echo(429),
            Behaviour::Hang,
            Behaviour::Reset,
        ];
        for behaviour in behaviours {
            let (outcome, server, debug) = send(kind, behaviour.clone());
            let mut history = History::default();
            history.record_notice("x", &notice(), &outcome, now());
            let history = serde_json::to_string(&history).unwrap();
            for text in [format!("{outcome:?}"), debug, history] {
                assert!(!text.contains(PLANTED), "{kind} {behaviour:?}: {text}");
            }
            // The test would prove nothing if the server had not been given the secret.
            let sent = server
                .received()
                .iter()
                .any(|request| format!("{}{}", request.head, request.body).contains(PLANTED));
            assert!(sent || matches!(behaviour, Behaviour::Reset), "{kind}");
        }
    }
}

#[test]
fn a_webhook_is_signed() {
    let (_, server, _) = send("webhook", ok());
    let received = server.received().remove(0);
    let timestamp = received.header("x-dragline-timestamp").unwrap();
    assert_eq!(timestamp, now().as_seconds().to_string());
    let signature = received.header("x-dragline-signature").unwrap();
    assert!(
        signature.starts_with("sha256=") && signature.len() == 71,
        "{signature}"
    );
    assert_eq!(
        (received.header("x-team"), received.header("x-key")),
        (Some("crawl"), Some(PLANTED))
    );
}

#[test]
fn private_addresses_are_refused_unless_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![ok()]);
    let allowed = config("webhook", &server, dir.path());
    let plain = allowed.replace("allow_private = true\n", "");
    let (_, errors) = Channels::load("dragline.toml", &plain);
    assert!(
        errors[0].contains("allow_private = true") && !errors[0].contains(PLANTED),
        "{errors:?}"
    );
    // Over TLS the address is only known once the name is resolved.
    let url = dir.path().join("url");
    std::fs::write(&url, format!("https://localhost:9/{PLANTED}")).unwrap();
    let outcome = load(&plain).deliver(&[("x", &notice())], now()).remove(0);
    assert!(
        matches!(&outcome, Outcome::Refused { error } if error.contains("not public")),
        "{outcome:?}"
    );
    assert_eq!(server.received().len(), 0);
}

#[test]
fn one_failing_channel_never_stops_another() {
    let dir = tempfile::tempdir().unwrap();
    let (hanging, good) = (
        Server::start(vec![Behaviour::Hang]),
        Server::start(vec![ok()]),
    );
    let mut text = String::from(
        "[notify]\nchannels = [\"bad\", \"good\", \"lines\", \"typo\"]\ngroup_wait = \"0s\"\n",
    );
    for (name, server) in [("bad", &hanging), ("good", &good)] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        text.push_str(
            &config("webhook", server, &folder)
                .replace("[channels.x]", &format!("[channels.{name}]")),
        );
    }
    let lines = dir.path().join("notices.jsonl");
    text.push_str(&format!(
        "[channels.lines]\ntype = \"file\"\npath = {lines:?}\n"
    ));
    let config = NotifyConfig::load("dragline.toml", &text).unwrap();
    let channels = load(&text);
    assert_eq!(
        channels.find_unknown(config.named_channels()),
        ["there is no channel \"typo\": define [channels.typo]."]
    );
    let (mut state, mut history) = (NotifyState::default(), History::default());
    state.record(&changes(), now());
    let round = dispatch(&channels, &config, now(), (&mut state, &mut history));
    assert_eq!(round.delivered, 2);
    assert_eq!(round.failures.len(), 2);
    assert_eq!(
        (
            good.received().len(),
            std::fs::read_to_string(&lines).unwrap().lines().count()
        ),
        (1, 1)
    );
    // The bad one is tried again after its wait, the good ones are not.
    let soon = now().plus_micros(1_000_000);
    let round = dispatch(&channels, &config, soon, (&mut state, &mut history));
    assert_eq!((round.delivered, round.failures.len()), (0, 0));
    let later = now().plus_micros(10_000_000);
    let round = dispatch(&channels, &config, later, (&mut state, &mut history));
    assert_eq!((round.delivered, round.failures.len()), (0, 1));
    let keys: Vec<_> = hanging
        .received()
        .iter()
        .map(|request| request.header("idempotency-key").map(str::to_owned))
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
}

/// Who is killed while a channel hangs has what the others took, and tells the one that hung later, also of what is over then.
#[test]
fn what_others_took_is_kept_while_a_channel_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let hanging = Server::start(vec![Behaviour::Hang]);
    let lines = dir.path().join("notices.jsonl");
    let text = format!(
        "[notify]\nchannels = [\"x\", \"lines\"]\ngroup_wait = \"0s\"\n{}\n\
         [channels.lines]\ntype = \"file\"\npath = {lines:?}\n",
        config("webhook", &hanging, dir.path())
    );
    let config = NotifyConfig::load("dragline.toml", &text).unwrap();
    let channels = load(&text);
    let (mut state, mut history) = (NotifyState::default(), History::default());
    state.record(&changes(), now());
    let mut kept = None;
    let dispatch = Dispatch {
        channels: &channels,
        config: &config,
        now: now(),
        jitter: 0.0,
    };
    let explain = |_: &_| Explanation::default();
    dispatch.run(&mut state, &mut history, explain, |state, _| {
        kept = Some(state.clone());
    });
    let mut kept = kept.expect("the file is done while the other hangs");
    let channels_of = |state: &mut NotifyState| {
        let deliveries = state.decide(&config, now().plus_micros(60_000_000));
        let names = deliveries.into_iter().map(|delivery| delivery.channel);
        names.collect::<Vec<_>>()
    };
    assert_eq!(channels_of(&mut kept.clone()), ["x"]);
    let ends: Vec<Change> = changes()
        .iter()
        .filter_map(|change| change.alert.as_ref())
        .map(|alert| Change::end(alert, None, now()))
        .collect();
    kept.record(&ends, now());
    assert!(channels_of(&mut kept).contains(&"x".to_owned()));
}

#[test]
fn a_channel_that_cannot_be_made_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let lines = dir.path().join("notices.jsonl");
    let text = format!(
        "[channels.chat]\ntype = \"slack\"\nurl = {{ env = \"DRAGLINE_TEST_IS_NOT_SET\" }}\n\
         [channels.lines]\ntype = \"file\"\npath = {lines:?}\n"
    );
    let (channels, errors) = Channels::load("dragline.toml", &text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("[channels.chat]"), "{errors:?}");
    let outcomes = channels.deliver(&[("chat", &notice()), ("lines", &notice())], now());
    // It waits until the variable is set.
    assert!(outcomes[0].is_retry(), "{outcomes:?}");
    assert_eq!(outcomes[1], Outcome::Delivered);
    assert!(channels.why_broken("chat").is_some() && channels.why_broken("lines").is_none());
}

#[test]
fn a_channel_that_asks_for_rest_is_left_alone_by_later_alerts_too() {
    let dir = tempfile::tempdir().unwrap();
    let limited = Behaviour::Answer(429, vec![("Retry-After", "900".to_owned())], String::new());
    let server = Server::start(vec![limited, ok()]);
    let text = format!(
        "[notify]\nchannels = [\"x\"]\ngroup_wait = \"0s\"\ngroup_by = [\"alertname\"]\n{}",
        config("webhook", &server, dir.path())
    );
    let (channels, config) = (
        load(&text),
        NotifyConfig::load("dragline.toml", &text).unwrap(),
    );
    let (mut state, mut history) = (NotifyState::default(), History::default());
    let mut round = |state: &mut NotifyState, seconds: i64| {
        let at = now().plus_micros(1_000_000 * seconds);
        let round = dispatch(&channels, &config, at, (state, &mut history));
        (round.delivered, round.failures.len())
    };
    state.record(&changes(), now());
    assert_eq!(round(&mut state, 0), (0, 1));
    // Another group of alerts, which nobody has postponed.
    let mut other = changes();
    for change in &mut other {
        change.id.rule = "another".to_owned();
        if let Some(alert) = &mut change.alert {
            alert.id.rule = "another".to_owned();
            alert.labels.insert("alertname", "another");
        }
    }
    state.record(&other, now().plus_micros(60_000_000));
    assert_eq!(round(&mut state, 60), (0, 0));
    assert_eq!(round(&mut state, 899), (0, 0));
    assert_eq!(server.received().len(), 1);
    assert_eq!(round(&mut state, 1_000), (2, 0));
}

#[test]
fn a_line_is_appended_for_each_notice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notices.jsonl");
    let channels = load(&format!("[channels.x]\ntype = \"file\"\npath = {path:?}"));
    for _ in 0..2 {
        assert_eq!(
            channels.deliver(&[("x", &notice())], now()),
            [Outcome::Delivered]
        );
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let read: Vec<Notice> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read, [notice(), notice()]);
    let nowhere = dir.path().join("no/such/folder");
    let channels = load(&format!(
        "[channels.x]\ntype = \"file\"\npath = {nowhere:?}"
    ));
    assert!(channels.deliver(&[("x", &notice())], now())[0].is_retry());
}
