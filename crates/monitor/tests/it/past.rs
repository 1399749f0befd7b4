//! Windows that lie in the past are answered with what was kept of them.

use std::sync::Arc;

use dragline_schema::Timestamp;
use dragline_web::model::ScraperVerdict;
use dragline_web::{Backend, Scope, ScraperKey, ScraperQuery, Window};

use crate::world::{START, World, until};

const DAY: i64 = 86_400;
/// Number of days on which something was logged.
const DAYS: i64 = 130;

#[test]
fn a_week_in_the_past_has_numbers() {
    let mut world = World::new();
    for _ in 0..DAYS {
        world.write(120);
        world.fleet.skip(DAY);
    }
    world.write(300);
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the analysis of what is stored", || {
        let scrapers = monitor.scrapers(&ScraperQuery::default()).unwrap();
        let judged = scrapers
            .items
            .iter()
            .filter(|one| one.verdict != ScraperVerdict::NoData);
        monitor.readiness().is_ready && judged.count() == 3
    });
    let key = ScraperKey {
        scraper_id: Some("scraper1".to_owned()),
        site: Some("site1.example.com".to_owned()),
    };
    // Of the last weeks there are hours, of the months before there are days. From midnight and from within a day;
    // before and after a restart, when nothing of it is in memory.
    let weeks = [DAYS - 14, DAYS - 60, DAYS - 120].map(|first| first * DAY);
    let windows = weeks
        .into_iter()
        .flat_map(|first| [0, 40_000].map(|more| week(first + more)));
    let windows: Vec<Window> = windows.collect();
    for window in &windows {
        check(&*monitor, &key, *window);
    }
    running.stop().unwrap();
    drop(monitor);
    let running = world.start();
    let monitor = Arc::clone(running.monitor());
    until("the service again", || monitor.readiness().is_ready);
    for window in &windows {
        check(&*monitor, &key, *window);
    }
    running.stop().unwrap();
}

fn week(first: i64) -> Window {
    let from = Timestamp::from_seconds(START + first);
    Window {
        from,
        to: from.plus_micros(7 * DAY * 1_000_000),
    }
}

fn check(monitor: &dyn Backend, key: &ScraperKey, window: Window) {
    let overview = monitor.overview(window).unwrap();
    let requests = |figures: &[dragline_web::model::Figure]| {
        let found = figures.iter().find(|figure| figure.metric == "requests");
        found.and_then(|figure| figure.value)
    };
    let all = requests(&overview.figures).unwrap_or_else(|| panic!("{window:?}: {overview:?}"));
    let scraper = monitor.scraper(key, window).unwrap();
    let one = requests(&scraper.figures).unwrap_or_else(|| panic!("{window:?}"));
    assert!(one > 0.0 && all > one, "{window:?}: {all} {one}");
    // 120 lines a day, seven of ten of them requests.
    let days = window.seconds() as f64 / DAY as f64;
    assert!((all / days - 84.0).abs() < 25.0, "{window:?}: {all}");
    let points = |series: &[dragline_web::model::Series]| {
        let lines = series.iter().flat_map(|series| &series.lines);
        lines.flat_map(|line| &line.values).flatten().count()
    };
    assert!(
        points(&overview.series) > 0 && points(&scraper.series) > 0,
        "{window:?}"
    );
    let site = monitor.site("site1.example.com", window).unwrap();
    assert_eq!(requests(&site.figures), Some(one), "{window:?}");
    assert!(!site.status_codes.is_empty(), "{window:?}");
    let scope = Scope {
        scraper_id: key.scraper_id.clone(),
        site: None,
    };
    let errors = monitor.errors(&scope, window).unwrap();
    assert!(
        errors.total.is_some_and(|total| total > 0),
        "{window:?}: {errors:?}"
    );
    assert!(
        !errors.by_category.is_empty() && !errors.layers.is_empty(),
        "{window:?}"
    );
}
