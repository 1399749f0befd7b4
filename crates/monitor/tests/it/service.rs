//! The whole service over real logs, with the clock in the hands of the test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline_monitor::service::Monitor;
use dragline_schema::Timestamp;
use dragline_web::model::ScraperVerdict;
use dragline_web::{
    AlertQuery, Backend, ErrorQuery, EventQuery, Page, Place, RunQuery, Scope, ScraperQuery,
};

use crate::world::{START, World, until};

#[test]
fn lines_become_pages_and_alerts_and_survive_a_restart() {
    let mut world = World::new();
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    world.write(2_000);
    let scrapers = |monitor: &Monitor| monitor.scrapers(&ScraperQuery::default()).unwrap();
    until("the analysis of three scrapers", || {
        monitor.readiness().is_ready
            && scrapers(&monitor)
                .items
                .iter()
                .filter(|one| one.verdict != ScraperVerdict::NoData)
                .count()
                == 3
    });
    // The clock goes on when the rules were evaluated, or else slowly: on a busy machine it would leave the errors behind
    // before they are judged.
    let (mut judged, mut ticked) = (None, Instant::now());
    until("an alert", || {
        let last = monitor.watch().unwrap().evaluated_until;
        if last != judged || ticked.elapsed() > Duration::from_millis(500) {
            (judged, ticked) = (last, Instant::now());
            world.tick(1);
        }
        monitor.alert_summary().unwrap().active >= 3
    });
    // Alerts of one rule share a notice.
    until("a notice", || !world.notices().is_empty());
    let alert = monitor
        .alerts(&AlertQuery::default())
        .unwrap()
        .items
        .remove(0);
    assert!(
        alert.alert.summary.ends_with("logs errors"),
        "{}",
        alert.alert.summary
    );
    assert!(
        alert.evidence[0].contains("ConnectionError"),
        "{:?}",
        alert.evidence
    );
    let taken = monitor
        .acknowledge(&alert.alert.id.short(), "alex")
        .unwrap();
    assert_eq!(taken.acknowledged.unwrap().by, "alex");
    check_pages(&monitor, &world);
    let fired: Vec<Timestamp> = firing(&monitor);
    let sent = world.notices().len();
    running.stop().unwrap();
    drop(monitor);

    // Pages are answered while what was measured is still to be loaded.
    let monitor = world.open();
    let loading = "earlier measurements are being loaded".to_owned();
    assert!(monitor.readiness().reasons.contains(&loading));
    assert!(monitor.overview(world.window()).is_ok());
    assert_eq!(firing(&monitor), fired);

    // After a restart nothing fires again and nothing is repeated, and the same is known.
    let running = monitor.start().unwrap();
    until("the second analysis", || monitor.readiness().is_ready);
    for _ in 0..5 {
        world.tick(2);
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(firing(&monitor), fired);
    assert_eq!(world.notices().len(), sent, "{:?}", world.notices());
    let alert = monitor.alert(&alert.alert.id.short()).unwrap();
    assert_eq!(alert.record.acknowledged.unwrap().by, "alex");
    check_pages(&monitor, &world);
    running.stop().unwrap();
}

/// What the follower reads is stored while it still catches up.
#[test]
fn what_was_written_before_the_start_is_judged_once() {
    let mut world = World::new();
    world.config = "[monitor]\ncommit_every = \"50ms\"".to_owned();
    world.write(3_000);
    let errors = world.fleet.errors();
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("an alert of each scraper", || {
        monitor.alert_summary().unwrap().active == 3
    });
    let alerts = monitor.alerts(&AlertQuery::default()).unwrap().items;
    for alert in alerts {
        let scraper = alert.alert.id.labels.get("scraper_id").unwrap().to_owned();
        let value = alert.alert.value.unwrap();
        // All errors are of the last ten minutes; the alert tells how many there were when it was judged.
        assert!(
            value > 20.0 && value <= errors[&scraper] as f64,
            "{scraper}: {value} of {}",
            errors[&scraper]
        );
    }
    running.stop().unwrap();
}

fn firing(monitor: &Monitor) -> Vec<Timestamp> {
    let mut fired: Vec<Timestamp> = monitor
        .alerts(&AlertQuery::default())
        .unwrap()
        .items
        .iter()
        .map(|one| one.alert.fired_at)
        .collect();
    fired.sort();
    fired
}

fn check_pages(monitor: &Monitor, world: &World) {
    let window = world.window();
    let overview = monitor.overview(window).unwrap();
    assert_eq!(overview.alerts_firing, 3);
    assert!(
        overview.active_runs_total >= 1 && overview.active_runs_total <= 3,
        "{}",
        overview.active_runs_total
    );
    // Of each active run it is said when it ends, or why that is not known.
    for run in &overview.active_runs {
        assert!(
            run.forecast.is_some() != run.no_forecast.is_some(),
            "{run:?}"
        );
    }
    let scope = Scope {
        scraper_id: Some("scraper1".to_owned()),
        site: None,
    };
    let errors = monitor.errors(&scope, window).unwrap();
    let query = EventQuery {
        scope: scope.clone(),
        run_id: None,
        level: Some(dragline_schema::Level::Error),
        event_type: None,
        text: None,
        window,
        page: Page::first(1_000),
    };
    let lines = monitor.events(&query).unwrap();
    // The number and the lines behind it agree.
    assert_eq!(errors.total, Some(lines.items.len() as u64));
    let place = &lines.items[3].place;
    let around = monitor.lines_around(place, 2, 2).unwrap();
    assert_eq!(around.lines.len(), 5);
    assert_eq!(
        around
            .lines
            .iter()
            .find(|line| line.is_target)
            .unwrap()
            .text,
        lines.items[3].text
    );
    // The groups of a scraper count its errors, and not the fleet's.
    let of_scope = |scope: &Scope| {
        let groups = monitor.error_groups(&ErrorQuery {
            scope: scope.clone(),
            category: None,
            severity: None,
            state: None,
            search: None,
            window,
            page: Page::default(),
        });
        let groups = groups.unwrap().items;
        groups.iter().map(|group| group.count).sum::<u64>()
    };
    let own = of_scope(&scope);
    assert!(own > 0 && own < of_scope(&Scope::default()), "{own}");
    let groups = monitor.error_groups(&ErrorQuery {
        scope: Scope::default(),
        category: None,
        severity: None,
        state: None,
        search: None,
        window,
        page: Page::default(),
    });
    assert_eq!(groups.unwrap().items.len(), 1);
    let runs = monitor.runs(&RunQuery::default()).unwrap();
    assert!(runs.items.len() >= 9, "{}", runs.items.len());
    let key = &runs.items.last().unwrap().key;
    assert_eq!(
        monitor.run(key).unwrap().summary.numbers.requests,
        runs.items.last().unwrap().numbers.requests
    );
    let outside = Place {
        file: "/etc/passwd".to_owned(),
        line: Some(1),
        offset: 0,
    };
    assert!(monitor.lines_around(&outside, 1, 1).is_err());
    let state = Place {
        file: world
            .dir
            .path()
            .join("logs/../state/dragline.db")
            .display()
            .to_string(),
        line: Some(1),
        offset: 0,
    };
    assert!(monitor.lines_around(&state, 1, 1).is_err());
}

#[test]
fn a_bad_configuration_keeps_the_old_one() {
    let world = World::new();
    let dir = world.dir.path().to_owned();
    let clock = Arc::new(|| Timestamp::from_seconds(START));
    let reload = Box::new(|| Err("dragline.toml:3: there is no such key".to_owned()));
    let monitor = Monitor::open(
        vec![dir.display().to_string()],
        World::settings(&dir, ""),
        reload,
        clock,
    )
    .unwrap();
    let error = monitor.read_configuration().unwrap_err();
    assert!(
        error.contains("unchanged") && error.contains("dragline.toml:3"),
        "{error}"
    );
    assert_eq!(monitor.settings().alert_rules.len(), 1);
    let problems = monitor.service().unwrap().problems;
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("no such key")),
        "{problems:?}"
    );
}
