//! Scheduled reports: on time, late, once, retried, and like those of a scan with the same period.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use dragline_monitor::service::Monitor;
use dragline_web::Backend;
use dragline_web::model::ReportSchedule;
use serde_json::Value;

use crate::world::{START, World, until};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// The reports that were sent.
fn sent(world: &World) -> Vec<Value> {
    let all = world.notices().into_iter();
    all.filter(|notice| notice["kind"] == "report").collect()
}

fn schedule(monitor: &Monitor, name: &str) -> ReportSchedule {
    let all = monitor.report_schedules().unwrap();
    all.into_iter().find(|one| one.name == name).unwrap()
}

/// The clock shows this time of the first day (2026-03-04, UTC).
fn set(world: &World, seconds: i64) {
    world.clock.store((START + seconds) * 1_000_000, SeqCst);
}

fn configure(world: &mut World, keys: &str) {
    world.config = format!("[[monitor.reports]]\nname = 'daily'\ncron = '0 8 * * *'\n{keys}");
}

#[test]
fn a_report_is_sent_when_it_is_due_and_once() {
    let mut world = World::new();
    configure(
        &mut world,
        "channels = ['out']\nsince = '1d'\nzone = 'Europe/Berlin'",
    );
    world.write(600);
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the service", || monitor.readiness().is_ready);
    assert_eq!(
        schedule(&monitor, "daily").next_due.unwrap().as_seconds(),
        START + 7 * HOUR
    );
    assert_eq!(sent(&world), Vec::<Value>::new());
    set(&world, 7 * HOUR + 30);
    until("the report", || !sent(&world).is_empty());
    let report = &sent(&world)[0];
    let title = report["title"].as_str().unwrap();
    assert!(!title.contains("late"), "{title}");
    until("what became of it", || {
        schedule(&monitor, "daily").deliveries[0].sent_at.is_some()
    });
    let after = schedule(&monitor, "daily");
    assert_eq!(after.next_due.unwrap().as_seconds(), START + 7 * HOUR + DAY);
    assert_eq!((after.late, after.error), (None, None));
    assert_eq!(after.deliveries[0].state, "sent");
    // Its document is on the page of reports.
    let page = monitor.report("scheduled-daily").unwrap();
    assert!(
        page.starts_with("<!") && page.contains("scraper1"),
        "{}",
        &page[..200]
    );
    assert!(monitor.report("scheduled-other").is_err());
    running.stop().unwrap();
    drop(monitor);
    // Not again after a restart.
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the service again", || monitor.readiness().is_ready);
    set(&world, 8 * HOUR);
    world.tick(60);
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(sent(&world).len(), 1);
    assert!(monitor.report("scheduled-daily").is_ok());
    running.stop().unwrap();
}

#[test]
fn a_report_that_was_missed_is_sent_once_and_says_so() {
    let mut world = World::new();
    configure(&mut world, "channels = ['out']\nzone = 'Europe/Berlin'");
    world.write(600);
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the service", || monitor.readiness().is_ready);
    running.stop().unwrap();
    drop(monitor);
    // Three mornings pass.
    set(&world, 3 * DAY);
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    world.tick(60);
    until("the late report", || !sent(&world).is_empty());
    let title = sent(&world)[0]["title"].as_str().unwrap().to_owned();
    let told =
        "(due on 2026-03-06 08:00 Europe/Berlin, sent late because the service was not running)";
    assert!(title.ends_with(told), "{title}");
    world.tick(60);
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(sent(&world).len(), 1);
    let after = schedule(&monitor, "daily");
    assert!(after.late.unwrap().contains("2026-03-06 08:00"));
    assert!(
        monitor
            .report("scheduled-daily")
            .unwrap()
            .contains("sent late because")
    );
    // It covers the days before the one on which it was due, not those until today.
    let period = after.period.unwrap();
    assert_eq!(period.from.as_seconds(), START - 5 * DAY);
    assert_eq!(period.to.as_seconds(), START + 3 * DAY);
    running.stop().unwrap();
}

#[test]
fn a_channel_that_fails_is_retried_and_keeps_nobody() {
    let mut world = World::new();
    let missing = world.dir.path().join("not/there/yet.jsonl");
    configure(&mut world, "channels = ['broken', 'out']");
    world.config += &format!("\n[channels.broken]\ntype = 'file'\npath = {missing:?}\n");
    world.write(600);
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the service", || monitor.readiness().is_ready);
    set(&world, 8 * HOUR + 30);
    until("the other channel", || !sent(&world).is_empty());
    until("the failure", || {
        schedule(&monitor, "daily").deliveries[0].has_failed
    });
    let state = schedule(&monitor, "daily").deliveries[0].state.clone();
    assert!(
        state.contains("tried again") && state.contains("cannot write"),
        "{state}"
    );
    let told = |monitor: &Monitor| monitor.service().unwrap().problems.join("\n");
    until("the problem", || {
        told(&monitor).contains("the report daily to broken")
    });
    std::fs::create_dir_all(missing.parent().unwrap()).unwrap();
    until("the second attempt", || {
        world.tick(20);
        missing.exists() && schedule(&monitor, "daily").deliveries[0].sent_at.is_some()
    });
    assert_eq!(sent(&world).len(), 1);
    until("the end of the problem", || {
        !told(&monitor).contains("the report daily")
    });
    running.stop().unwrap();
}

#[test]
fn scrapers_and_sites_and_the_period_select() {
    let mut world = World::new();
    world.write(600);
    world.fleet.skip(2 * DAY);
    world.write(600);
    let names = [
        "scrapers = ['scraper1']",
        "sites = ['site2.example.com']",
        "since = '7d'",
        "since = '1d'",
    ];
    for (number, keys) in names.iter().enumerate() {
        world.config += &format!(
            "[[monitor.reports]]\nname = 'r{number}'\ncron = '0 8 * * *'\nchannels = ['out']\n{keys}\n"
        );
    }
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the service", || monitor.readiness().is_ready);
    set(&world, 2 * DAY + 8 * HOUR + 30);
    until("four reports", || sent(&world).len() == 4);
    let page = |number: usize| monitor.report(&format!("scheduled-r{number}")).unwrap();
    let (scraper, site, week, day) = (page(0), page(1), page(2), page(3));
    assert!(scraper.contains("scraper1") && !scraper.contains("scraper2"));
    assert!(site.contains("scraper2") && !site.contains("scraper1"));
    for page in [&week, &day] {
        assert!(page.contains("scraper0") && page.contains("scraper2"));
    }
    assert!(week.contains("2026-03-04") && !day.contains("2026-03-04 00"));
    running.stop().unwrap();
}

#[test]
fn nothing_in_the_period_is_said() {
    let mut world = World::new();
    configure(&mut world, "channels = ['out']\nsince = '1d'");
    world.write(600);
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the service", || monitor.readiness().is_ready);
    set(&world, 5 * DAY + 8 * HOUR + 30);
    until("the report", || !sent(&world).is_empty());
    let title = sent(&world)[0]["title"].as_str().unwrap().to_owned();
    assert!(
        title.contains("Nothing was logged from 2026-03-08 to 2026-03-09"),
        "{title}"
    );
    running.stop().unwrap();
}
