//! What people read, sink by sink; and text that is meant to do harm.

use dragline_alerting::notice::{Explanation, Notice, Peer, compare_with_peers};
use dragline_alerting::notify::{Delivery, NotifyConfig, NotifyState};
use dragline_alerting::render::{self, CUT_MARK};
use dragline_alerting::rule::load;
use dragline_alerting::watch::{Change, Watch, WatchConfig, WatchState};
use dragline_alerting::{Alert, Expected, Labels, Observation};
use dragline_schema::Timestamp;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_582_400 + 60 * minute)
}

/// An alert of a shop whose yield fell, through the whole machinery. `text` is in its labels and summary.
fn changes_with(text: &str) -> Vec<Change> {
    let rules = load(
        "rules.toml",
        "[[rule]]\nalert = \"low_yield\"\nexpr = \"change(items_per_page[10m]) < -50\"\nlabels = { severity = \"high\" }\n\
         annotations = { summary = \"Items of {site} fell {value} %\", runbook = \"layout-change\" }",
    );
    let mut watch = Watch::new(WatchConfig::default(), rules.rules, WatchState::default());
    watch.start_at(minute(0));
    let labels = Labels::from([("scraper_id", "shop"), ("site", text)]);
    watch.observe(Observation {
        expected: Some(Expected {
            value: 12.0,
            low: 10.0,
            high: 14.0,
        }),
        ..Observation::metric("items_per_page", labels, minute(1), 3.0)
    });
    watch.advance(minute(2))
}

pub(crate) fn changes() -> Vec<Change> {
    changes_with("shop.example.com")
}

fn delivery(text: &str) -> Delivery {
    let mut state = NotifyState::default();
    state.record(&changes_with(text), minute(2));
    let config = NotifyConfig::load("t", "[notify]\nchannels = [\"x\"]").unwrap();
    state.decide(&config, minute(5)).remove(0)
}

fn explain(evidence: &[&str]) -> Explanation {
    let peer = |scraper: &str, site: &str, proxy: &str, failed| Peer {
        scraper: scraper.to_owned(),
        site: site.to_owned(),
        proxy: Some(proxy.to_owned()),
        requests: 200,
        failed,
    };
    let peers = [
        peer("news", "shop.example.com", "exit-2", 190),
        peer("deals", "shop.example.com", "exit-3", 170),
        peer("shop", "other.example.com", "exit-1", 3),
    ];
    Explanation {
        evidence: evidence.iter().map(|line| (*line).to_owned()).collect(),
        command: Some("dragline report logs --site shop.example.com --since 2h".to_owned()),
        link: Some("http://127.0.0.1:8000/alerts?id=1&x=2".to_owned()),
        owner: Some("prices".to_owned()),
        verdict: Some(compare_with_peers(
            "shop",
            "shop.example.com",
            Some("exit-1"),
            &peers,
        )),
        ..Explanation::default()
    }
}

/// A notice as it usually is.
pub(crate) fn notice() -> Notice {
    let evidence = [
        "12:00:01 WARN selector .price matched nothing on https://shop.example.com/p/1?token=abc",
        "12:00:02 WARN selector .price matched nothing on https://shop.example.com/p/2",
        "12:00:03 WARN via http://user:pw@proxy:8080: 0 items",
        "a fourth line that nobody needs",
    ];
    Notice::new(&delivery("shop.example.com"), minute(65), |_: &Alert| {
        explain(&evidence)
    })
}

#[test]
fn a_notice_explains_itself() {
    insta::assert_snapshot!("a_notice_explains_itself", render::plain(&notice()));
}

#[test]
fn it_is_rendered_for_each_service() {
    let notice = notice();
    let pretty = |value: serde_json::Value| serde_json::to_string_pretty(&value).unwrap();
    insta::assert_snapshot!("slack", pretty(render::slack(&notice, Some("#alerts"))));
    insta::assert_snapshot!("discord", pretty(render::discord(&notice)));
    insta::assert_snapshot!("telegram", pretty(render::telegram(&notice, "-1001")));
    insta::assert_snapshot!("ntfy", pretty(render::ntfy(&notice, "crawl")));
    insta::assert_snapshot!(
        "alertmanager",
        pretty(render::alertmanager(
            &notice,
            std::time::Duration::from_hours(24)
        ))
    );
    let mail = render::mail(&notice);
    insta::assert_snapshot!("mail", format!("{}\n\n{}", mail.subject, mail.html));
    let template = r#"{"text": "{badge}: {title}", "site": "{site}", "unknown": "{nope}"}"#;
    insta::assert_snapshot!("webhook", render::webhook(&notice, Some(template)));
}

/// Markup, mentions, control characters, directions of writing, and quotation marks.
const HOSTILE: &str = "<script>alert(1)</script> <!channel> <@U1> @everyone [x](http://evil.example) *b* `c` ```d``` \
                       \"q\" ' \\ {value} \u{1b}[31m \u{202e}abc\r\nBcc: victim@example.com\r\n\r\n=cmd|' /C calc'!A0";

fn hostile() -> Notice {
    Notice::new(&delivery(HOSTILE), minute(65), |_: &Alert| {
        explain(&[HOSTILE, HOSTILE])
    })
}

#[test]
fn hostile_text_has_no_effect_in_any_sink() {
    let notice = hostile();
    let slack = render::slack(&notice, None).to_string();
    assert!(
        !slack.contains("<!channel>") && !slack.contains("<@U1>") && !slack.contains("<script"),
        "{slack}"
    );
    let blocks = render::slack(&notice, None)["attachments"][0]["blocks"].clone();
    let section = blocks[1]["text"]["text"].as_str().unwrap().to_owned();
    assert_eq!(
        section.matches("```").count(),
        2,
        "the fence cannot be closed from inside: {section}"
    );

    let discord = render::discord(&notice);
    assert_eq!(
        discord["allowed_mentions"],
        serde_json::json!({ "parse": [] })
    );
    let description = discord["embeds"][0]["description"].as_str().unwrap();
    assert!(
        !description.contains("](") && !description.contains("\n@everyone"),
        "{description}"
    );

    let mail = render::mail(&notice);
    assert!(
        !mail.subject.contains(['\r', '\n'])
            && !mail.html.contains("<script")
            && !mail.html.contains("javascript:")
    );
    assert!(mail.html.contains("&lt;script&gt;"));

    let template = r#"{"title": "{title}", "site": "{site}"}"#;
    let webhook = render::webhook(&notice, Some(template));
    let parsed: serde_json::Value =
        serde_json::from_str(&webhook).unwrap_or_else(|error| panic!("{error}: {webhook}"));
    assert!(
        parsed["site"].as_str().unwrap().contains("{value}"),
        "a label is no template"
    );

    for text in [
        render::plain(&notice),
        render::telegram(&notice, "1")["text"]
            .as_str()
            .unwrap()
            .to_owned(),
        render::ntfy(&notice, "t")["message"]
            .as_str()
            .unwrap()
            .to_owned(),
        mail.text,
    ] {
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\r'),
            "{text:?}"
        );
    }
    // Alertmanager shows labels and annotations; the notice as JSON keeps all, escaped.
    let sent = render::alertmanager(&notice, std::time::Duration::from_hours(1));
    for (name, value) in ["labels", "annotations"]
        .iter()
        .flat_map(|part| sent[0][part].as_object().unwrap())
    {
        let value = value.as_str().unwrap();
        assert!(
            !value.contains(['\u{1b}', '\u{202e}', '\r']),
            "{name}: {value:?}"
        );
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(name.chars().all(is_name), "{name:?}");
    }
    let whole = render::webhook(&notice, None);
    assert!(!whole.contains(['\n', '\r', '\u{1b}']), "{whole}");
    assert_eq!(serde_json::from_str::<Notice>(&whole).unwrap(), notice);
    let line = render::json_line(&notice);
    assert!(
        !line.contains(['\n', '\r', '\u{1b}'])
            && serde_json::from_str::<Notice>(&line).unwrap() == notice
    );
    assert_eq!(notice.title.lines().count(), 1);
}

/// A notice of 40 alerts with long texts.
fn huge() -> Notice {
    let mut delivery = delivery(&"très-long.example.com/".repeat(400));
    let entry = delivery.alerts[0].clone();
    delivery.alerts = (0..40).map(|_| entry.clone()).collect();
    Notice::new(&delivery, minute(65), |_: &Alert| {
        explain(&["é".repeat(9_000).as_str(); 3])
    })
}

#[test]
fn what_is_too_long_is_cut_with_a_mark_and_stays_valid() {
    let notice = huge();
    let units = |text: &str| text.encode_utf16().count();
    let slack = render::slack(&notice, None);
    let blocks = slack["attachments"][0]["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        let limit = if block["type"] == "header" {
            150
        } else {
            3_000
        };
        assert!(units(block["text"]["text"].as_str().unwrap()) <= limit);
    }
    let discord = render::discord(&notice);
    let embeds = discord["embeds"].as_array().unwrap();
    assert!(embeds.len() <= 10);
    let text_of = |embed: &serde_json::Value, key: &str| embed[key].as_str().map_or(0, units);
    assert!(
        embeds
            .iter()
            .all(|embed| text_of(embed, "description") <= 4_096 && text_of(embed, "title") <= 256)
    );
    assert!(
        embeds
            .iter()
            .map(|embed| text_of(embed, "description") + text_of(embed, "title"))
            .sum::<usize>()
            <= 6_000
    );
    assert!(discord["content"].as_str().unwrap().contains("more"));

    let telegram = render::telegram(&notice, "1");
    let text = telegram["text"].as_str().unwrap();
    assert!(units(text) <= 4_096 && text.ends_with(CUT_MARK));
    let ntfy = render::ntfy(&notice, "t");
    assert!(
        ntfy["message"].as_str().unwrap().len() <= 4_000
            && ntfy["title"].as_str().unwrap().len() <= 250
    );
    let mail = render::mail(&notice);
    assert!(units(&mail.subject) <= 200 && mail.html.len() < 200_000);
    let webhook = render::webhook(&notice, None);
    assert!(webhook.len() <= 256 * 1024);
    serde_json::from_str::<serde_json::Value>(&webhook).unwrap();
    assert!(render::json_line(&notice).len() <= 1 << 20);
    // People are shown ten; programs get all of them.
    let (described, more) = notice.described();
    assert_eq!((described.len(), more, notice.alerts.len()), (10, 30, 40));
}
