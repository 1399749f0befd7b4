//! Situations that users of other monitors complain about, each with what must happen here.

use std::path::Path;
use std::time::Duration;

use dragline_health::{
    Field, Health, Level, Memory, NoticeKind, Report, Signals, SiteTraffic, Source, Status,
};
use dragline_schema::Timestamp;

use crate::server::{Mode, answer, certify, closed_port, serve, serve_tls};
use crate::{configure, message, minute, now};

fn health(text: &str) -> Health {
    Health::new(configure(text, Path::new("/nonexistent"), &[]))
}

fn site(name: &str, host: &str, port: u16) -> String {
    format!(
        "[[health.checks]]\nname = '{name}'\ntype = 'site'\nurl = 'http://{host}:{port}/'\n\
         network = 'internet'\ntimeout = '2s'\n"
    )
}

fn statuses(report: &Report) -> Vec<(&str, Status)> {
    report
        .checks
        .iter()
        .map(|check| (check.name.as_str(), check.status))
        .collect()
}

/// 1. The own connection drops: monitors then send one message for each site (uptime-kuma 774, 5067).
#[tokio::test]
async fn when_every_site_fails_at_once_one_notice_says_that_it_is_us() {
    let port = closed_port();
    let dir = tempfile::tempdir().unwrap();
    let mut text: String = (1..=5)
        .map(|n| site(&format!("shop {n}"), &format!("127.0.0.{n}"), port))
        .collect();
    // 2. What is in the own network must still be judged (gatus 1722).
    text.push_str("[[health.checks]]\nname = 'db'\ntype = 'database'\nurl = 'sqlite:///gone.db'\n");
    let mut health = Health::new(configure(&text, dir.path(), &[]));
    let report = health.run(now(), &Signals::default()).await;
    assert_eq!(report.notices.len(), 1);
    assert_eq!(report.notices[0].kind, NoticeKind::UplinkDown);
    assert_eq!(
        report.notices[0].message,
        "The own network is down: nothing on the internet answers. 5 checks are inconclusive."
    );
    let inconclusive = report
        .checks
        .iter()
        .filter(|check| check.status == Status::Inconclusive);
    assert_eq!(inconclusive.count(), 5);
    let uplink = ("uplink", Status::Critical, Some(now()));
    assert!(report.statuses().contains(&uplink));
    assert_eq!(report.checks[5].status, Status::Critical);
    assert_eq!(report.sites_accessible_percent, None, "unknown is not zero");
}

/// 3. The connection drops in the middle of a round, comes back, and nobody was ever told a site was down.
#[tokio::test]
async fn an_outage_of_our_own_leaves_no_trace_in_the_sites() {
    let (a, b) = (serve(answer(200, "")).await, serve(answer(200, "")).await);
    let gone = closed_port();
    let round =
        |a: u16, b: u16| format!("{}{}", site("a", "127.0.0.1", a), site("b", "127.0.0.2", b));
    // `b` listens on 127.0.0.1 alone, so its name is the other one only when it is gone.
    let up = format!(
        "{}{}",
        site("a", "127.0.0.1", a.port()),
        site("b", "localhost", b.port())
    );
    let half = format!(
        "{}{}",
        site("a", "127.0.0.1", a.port()),
        site("b", "127.0.0.2", gone)
    );
    let mut memory = Memory::default();
    let mut seen = Vec::new();
    let rounds = [
        &up,
        &half,
        &round(gone, gone),
        &round(gone, gone),
        &round(gone, gone),
        &up,
    ];
    for (index, text) in rounds.into_iter().enumerate() {
        let mut health = health(text).with_memory(memory.clone());
        let report = health
            .run(minute(10 * index as i64), &Signals::default())
            .await;
        seen.push((statuses(&report)[1].1, report.notices.len()));
        assert!(
            report
                .checks
                .iter()
                .all(|check| check.status != Status::Critical),
            "{report:?}"
        );
        memory = health.memory().clone();
    }
    let inconclusive = (Status::Inconclusive, 1);
    let healthy = (Status::Healthy, 0);
    assert_eq!(
        seen,
        [
            healthy,
            healthy,
            inconclusive,
            inconclusive,
            inconclusive,
            healthy
        ]
    );
    assert!(
        memory.checks["b"]
            .changes()
            .all(|change| change.to == Level::Healthy)
    );
}

/// 4. With a single site only a witness can tell the site from the own network.
#[tokio::test]
async fn a_single_site_needs_a_witness() {
    let gone = closed_port();
    let alive = serve(Mode::Hang).await;
    let text = site("a", "127.0.0.2", gone);
    let report = health(&text).run(now(), &Signals::default()).await;
    assert_eq!(
        report.status,
        Status::Critical,
        "one silent host proves nothing about us"
    );
    let with = |witness: u16| format!("[health]\nwitnesses = ['127.0.0.1:{witness}']\n{text}");
    let report = health(&with(alive.port()))
        .run(now(), &Signals::default())
        .await;
    assert_eq!(
        report.status,
        Status::Critical,
        "the witness answers: it is the site"
    );
    let report = health(&with(gone)).run(now(), &Signals::default()).await;
    assert_eq!(
        report.status,
        Status::Inconclusive,
        "the witness is silent: it is us"
    );
    assert_eq!(alive.requests(), 0, "a witness is connected to, no more");
}

/// 5. Every site down for real, with an error page each: that is an answer, so it is not us.
#[tokio::test]
async fn error_pages_prove_that_the_network_works() {
    let (a, b) = (serve(answer(503, "")).await, serve(answer(503, "")).await);
    let text = format!(
        "{}{}",
        site("a", "127.0.0.1", a.port()),
        site("b", "localhost", b.port())
    );
    let report = health(&text).run(now(), &Signals::default()).await;
    assert_eq!(report.status, Status::Critical);
    assert_eq!(
        (report.notices.len(), report.sites_accessible_percent),
        (0, Some(0.0))
    );
    assert_eq!(report.exit_code(), 1);
}

/// 6. A restart loses the streak or alerts again (gatus 679, 1792).
#[tokio::test]
async fn a_restart_in_the_middle_of_a_streak_goes_on_counting() {
    let site_a = serve(answer(200, "")).await;
    let mut up = health(&site("a", "127.0.0.1", site_a.port()));
    up.run(now(), &Signals::default()).await;
    let mut saved = serde_json::to_string(up.memory()).unwrap();
    let mut seen = Vec::new();
    for round in 1..=5 {
        // A new process every time.
        let memory: Memory = serde_json::from_str(&saved).unwrap();
        let mut down = health(&site("a", "127.0.0.1", closed_port())).with_memory(memory);
        let report = down.run(minute(10 * round), &Signals::default()).await;
        let check = &report.checks[0];
        seen.push((check.status, check.results_in_a_row, check.change.is_some()));
        saved = serde_json::to_string(down.memory()).unwrap();
    }
    assert_eq!(
        seen,
        [
            (Status::Healthy, 1, false),
            (Status::Healthy, 2, false),
            (Status::Critical, 0, true),
            (Status::Critical, 0, false),
            (Status::Critical, 0, false),
        ]
    );
    let memory: Memory = serde_json::from_str(&saved).unwrap();
    assert_eq!(
        memory.checks["a"].since(),
        Some(minute(10)),
        "dated to the first failure"
    );
}

/// 7. A site that answers too slowly is neither up nor down (uptime-kuma 459, 1813).
#[tokio::test]
async fn slow_is_degraded() {
    let slow = serve(answer(200, "")).await;
    let text = format!(
        "{}degraded_unless = ['response_time < 0ms']\n",
        site("a", "127.0.0.1", slow.port())
    );
    let report = health(&text).run(now(), &Signals::default()).await;
    assert_eq!((report.status, report.exit_code()), (Status::Degraded, 0));
    assert!(message(&report.checks[0]).starts_with("response_time is "));
}

fn traffic(requests: u64, failed: u64) -> Signals {
    let mut signals = Signals::default();
    let traffic = SiteTraffic {
        requests,
        failed,
        mean_response_time: Some(Duration::from_millis(640)),
        last_request: now(),
    };
    signals.traffic.insert("localhost".to_owned(), traffic);
    signals
}

/// 8. Checks that disturb the site they watch: a busy site is judged by the requests that exist anyway.
#[tokio::test]
async fn a_busy_site_is_judged_by_its_scrapers_and_gets_no_request() {
    let shop = serve(answer(503, "")).await;
    let text = site("shop", "localhost", shop.port());
    for (failed, expected) in [
        (0, Status::Healthy),
        (60, Status::Degraded),
        (180, Status::Critical),
    ] {
        let report = health(&text).run(now(), &traffic(240, failed)).await;
        let check = &report.checks[0];
        assert_eq!(
            (check.status, check.source),
            (expected, Some(Source::Requests)),
            "{failed}"
        );
        assert_eq!(check.values[&Field::ResponseTime], 0.64);
        let words = format!("judged by 240 requests of scrapers, of which {failed} failed");
        assert!(message(check).contains(&words), "{}", message(check));
    }
    assert_eq!(shop.requests(), 0);
    // All requests fail: a probe tells whether it is the site or the scrapers.
    let alive = serve(answer(200, "")).await;
    let report = health(&site("shop", "localhost", alive.port()))
        .run(now(), &traffic(240, 240))
        .await;
    let check = &report.checks[0];
    assert_eq!(
        (check.status, check.values[&Field::Status]),
        (Status::Critical, 200.0)
    );
    assert_eq!(
        message(check),
        "failed_percent is 100.0 % (condition: failed_percent < 50)"
    );
    // Silent, so probed; and probed always if the configuration says so.
    health(&text).run(now(), &Signals::default()).await;
    assert_eq!(shop.requests(), 1);
    let always = format!("{text}passive = false\n");
    let report = health(&always).run(now(), &traffic(240, 0)).await;
    assert_eq!((report.status, shop.requests()), (Status::Critical, 2));
}

/// 9. A site that is never probed lets its certificate expire unseen.
#[tokio::test]
async fn the_certificate_of_a_busy_site_is_seen_without_a_request() {
    let certificate = certify("localhost", 10);
    let shop = serve_tls(answer(200, ""), &certificate).await;
    let text = format!(
        "[[health.checks]]\nname = 'shop'\ntype = 'site'\nurl = 'https://localhost:{}/'\n",
        shop.port()
    );
    let mut health = health(&text).with_authorities([certificate.authority.clone()]);
    let report = health.run(now(), &traffic(240, 0)).await;
    let check = &report.checks[0];
    assert_eq!(
        (check.status, check.source),
        (Status::Degraded, Some(Source::Requests))
    );
    assert!(
        message(check).contains("certificate_days is 5.5"),
        "{}",
        message(check)
    );
    assert_eq!((shop.connections(), shop.requests()), (1, 0));
    let mut round = async |minutes: i64| {
        let mut signals = traffic(240, 0);
        let at = minute(minutes);
        signals.traffic.get_mut("localhost").unwrap().last_request = at;
        let report = health.run(at, &signals).await;
        (message(&report.checks[0]).to_owned(), shop.connections())
    };
    // Soon after, it is computed from what was seen; a day later it is read again.
    let (text, connections) = round(6 * 60).await;
    assert!(text.contains("certificate_days is 5.3"), "{text}");
    assert_eq!(connections, 1);
    let (text, connections) = round(5 * 24 * 60).await;
    assert!(text.contains("certificate_days is 0.5"), "{text}");
    assert_eq!(connections, 2);
}

/// 10. The observer was away for hours; silence is dated to when it became silence (healthchecks 664).
#[tokio::test]
async fn silence_is_dated_to_its_deadline_and_ends_with_the_next_sign() {
    let text = "[[health.checks]]\nname = 'run'\ntype = 'run'\nscraper = 'shop'\nperiod = '1d'\ngrace = '2h'\n";
    let mut health = health(text);
    let signal = |time: &str| {
        let mut signals = Signals::default();
        signals
            .last_run
            .insert("shop".to_owned(), Timestamp::parse(time).unwrap());
        signals
    };
    let early = signal("2026-03-03T01:12:00Z");
    let report = health.run(now(), &early).await;
    let check = &report.checks[0];
    assert_eq!(check.status, Status::Critical);
    assert_eq!(
        check.since,
        Some(Timestamp::parse("2026-03-04T03:12:00Z").unwrap())
    );
    let report = health
        .run(minute(600), &signal("2026-03-04T20:00:00Z"))
        .await;
    let check = &report.checks[0];
    assert_eq!(check.status, Status::Healthy);
    assert_eq!(
        check.since,
        Some(Timestamp::parse("2026-03-04T20:00:00Z").unwrap())
    );
    // Never seen is not the same as overdue.
    let report = health.run(minute(1200), &Signals::default()).await;
    assert_eq!(report.checks[0].status, Status::Inconclusive);
    assert_eq!(report.checks[0].last_level, Some(Level::Healthy));
}

/// 11. The address that a name gives first is dead; the second one works.
#[tokio::test]
async fn a_dead_first_address_does_not_hide_a_living_second_one() {
    // The server listens on IPv4 alone; `localhost` may give `::1` first.
    let alive = serve(answer(200, "")).await;
    let report = health(&site("a", "localhost", alive.port()))
        .run(now(), &Signals::default())
        .await;
    assert_eq!(report.status, Status::Healthy);
}

/// 12. Many hanging sites must neither block each other nor take longer than one.
#[tokio::test]
async fn hanging_sites_are_checked_at_the_same_time_within_a_limit() {
    let hang = serve(Mode::Hang).await;
    let text = |concurrency: u32| {
        let mut text = format!("[health]\nconcurrency = {concurrency}\n");
        for n in 0..6 {
            text.push_str(&site(&format!("s{n}"), "127.0.0.1", hang.port()).replace("2s", "200ms"));
        }
        text
    };
    let started = std::time::Instant::now();
    let report = health(&text(6)).run(now(), &Signals::default()).await;
    let together = started.elapsed();
    assert_eq!(report.checks.len(), 6);
    let started = std::time::Instant::now();
    health(&text(1)).run(now(), &Signals::default()).await;
    let in_turn = started.elapsed();
    assert!(in_turn >= Duration::from_millis(1200), "{in_turn:?}");
    assert!(together < in_turn / 2, "{together:?} and {in_turn:?}");
}

/// 13. Nothing is checked before it is due, and what is known is reported nevertheless.
#[tokio::test]
async fn a_round_before_the_interval_asks_nothing() {
    let shop = serve(answer(200, "")).await;
    let mut health = health(&site("a", "127.0.0.1", shop.port()));
    health.run(now(), &Signals::default()).await;
    let report = health.run(minute(1), &Signals::default()).await;
    assert_eq!((shop.requests(), report.status), (1, Status::Healthy));
    assert_eq!(report.checks[0].checked_at, Some(now()));
    health.run(minute(6), &Signals::default()).await;
    assert_eq!(shop.requests(), 2);
}

#[tokio::test]
async fn a_round_can_run_as_a_task() {
    let mut health = health("");
    let report = tokio::spawn(async move { health.run(now(), &Signals::default()).await });
    let report = report.await.unwrap();
    assert_eq!(
        (report.status, report.exit_code()),
        (Status::Inconclusive, 0)
    );
}

#[tokio::test]
async fn the_report_reads_well() {
    let shop = serve(answer(200, "add to cart")).await;
    let dir = tempfile::tempdir().unwrap();
    let mut text = site("shop", "127.0.0.1", shop.port());
    text.push_str(
        "[[health.checks]]\nname = 'database of the shop scrapers'\ntype = 'database'\nurl = 'sqlite:///gone.db'\n\
         [[health.checks]]\nname = 'nightly run'\ntype = 'run'\nscraper = 'shop'\nperiod = '1d'\ngrace = '2h'\n\
         [[health.checks]]\nname = 'first run'\ntype = 'run'\nscraper = 'books'\nperiod = '1d'\n",
    );
    let mut signals = Signals::default();
    signals.last_run.insert(
        "shop".to_owned(),
        Timestamp::parse("2026-03-03T10:00:00Z").unwrap(),
    );
    let mut health = Health::new(configure(&text, dir.path(), &[]));
    let mut report = health.run(now(), &signals).await;
    let base = dir.path().display().to_string();
    // What was measured differs from run to run.
    for check in &mut report.checks {
        check.target = check
            .target
            .replace(&base, "/srv")
            .replace(&shop.port().to_string(), "8080");
        check.message = check
            .message
            .as_ref()
            .map(|message| message.replace(&base, "/srv"));
        check.values.iter_mut().for_each(|(field, value)| {
            if field.unit() == dragline_health::Unit::Duration && *field != Field::Age {
                *value = 0.12;
            }
        });
    }
    let text = report.to_text();
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    insta::assert_snapshot!("the_report_reads_well", text);
    insta::assert_snapshot!(
        "the_report_as_json",
        serde_json::to_string_pretty(&report)
            .unwrap()
            .replace(&base, "/srv")
    );
    let back: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(back, report);
}
