//! Every page, without a browser.

use std::time::Duration;

use dragline_web::Backend as _;

use crate::client::get;
use crate::fleet::Fleet;
use crate::start;

/// The address of every kind of page, of the first scraper.
pub(crate) const PAGES: [&str; 24] = [
    "/",
    "/?from=7d",
    "/scrapers",
    "/scrapers?sort=requests&verdict=healthy",
    "/scraper?scraper_id=shop-0&site=shop-0.example.com",
    "/sites",
    "/site?site=shop-0.example.com",
    "/runs",
    "/runs?outcome=killed",
    "/run?scraper_id=shop-0&site=shop-0.example.com&run_id=2026-12-01-0000",
    "/compare?scraper_id=shop-0&site=shop-0.example.com&run_id=2026-12-01-0000&other=2026-12-01-0001",
    "/errors",
    "/errors?category=network",
    "/errors/c8a491736c67364b",
    "/lines?file=logs/shop.20261201T000000Z.jsonl&line=1841&offset=390292",
    "/events?event_type=request",
    "/alerts",
    "/health",
    "/health/shop",
    "/explore",
    "/explore/dragline_response_time_seconds",
    "/findings",
    "/findings/shop-0-open",
    "/reports",
];

#[test]
fn every_page_answers() {
    for count in [0, 1, 14, 1_000] {
        let (server, _fleet) = start(Fleet::new(count));
        for page in PAGES {
            let response = get(server.address(), page);
            let is_of_a_scraper = ["shop-0", "c8a491", "/lines", "dragline_"]
                .iter()
                .any(|part| page.contains(part))
                || page == "/health/shop";
            if count == 0 && is_of_a_scraper {
                continue;
            }
            assert_eq!(
                response.status,
                200,
                "{page} of {count}: {}",
                response.text()
            );
        }
    }
}

#[test]
fn a_snapshot_stands_alone() {
    for fleet in [Fleet::new(0), Fleet::new(14), Fleet::hostile()] {
        let page = dragline_web::snapshot(&fleet, Duration::from_mins(5)).unwrap();
        for part in [
            "<script",
            "<link",
            "<form method",
            " src=\"",
            "<img",
            "@import",
            "url(",
        ] {
            assert!(!page.contains(part), "{part}");
        }
        assert!(
            page.contains("<style>") && page.contains("http-equiv=\"refresh\" content=\"300\"")
        );
        // Two intervals after it was made.
        let now = fleet.now();
        let (made, stale) = (now.to_string(), now.plus_micros(600_000_000).to_string());
        let (_, told) = page.split_once("A copy of").unwrap();
        let (told, _) = told.split_once("out of date").unwrap();
        assert!(told.contains(&made) && told.contains(&stale), "{told}");
    }
}

#[test]
fn lists_can_be_downloaded() {
    let (server, _fleet) = start(Fleet::new(14));
    for (page, table) in [
        ("/scrapers", "scrapers"),
        ("/runs?site=shop-0.example.com", "runs"),
        ("/errors?from=7d", "errors"),
        ("/alerts", "alerts"),
        ("/explore/dragline_items_total", "metric"),
    ] {
        let text = get(server.address(), page).text();
        let link = text
            .split('"')
            .find(|part| part.starts_with(&format!("/api/v1/export/{table}")));
        let link = link
            .unwrap_or_else(|| panic!("{page}"))
            .replace("&amp;", "&");
        let file = get(server.address(), &link);
        assert_eq!(file.status, 200, "{link}: {}", file.text());
        assert!(
            file.header("content-disposition")
                .is_some_and(|name| name.contains(table)),
            "{link}"
        );
    }
}

#[test]
fn figures_lead_to_the_lines_that_they_count() {
    let (server, _fleet) = start(Fleet::new(2));
    let page = |address: &str| get(server.address(), address).text();
    let run = page("/run?scraper_id=shop-0&site=shop-0.example.com&run_id=2026-12-01-0000");
    assert!(
        run.contains("event_type=product_processed%2Carticle_stored"),
        "{run}"
    );
    // The kinds are put together, and the title does not say that a page is all.
    let lines = page("/events?event_type=product_processed,article_stored");
    assert!(lines.contains("<h1 class=\"\">"), "{lines}");
    assert!(lines.contains("product_processed</td>") && lines.contains("article_stored</td>"));
    let requests = page("/events?event_type=request");
    let title = requests.split("<title>").nth(1).unwrap();
    assert!(
        title.contains("of them shown") || title.starts_with("The first 100 request lines"),
        "{}",
        &title[..80]
    );
}

#[test]
fn what_is_over_cannot_be_marked() {
    let (server, _fleet) = start(Fleet::new(2));
    let page = |address: &str| get(server.address(), address).text();
    assert!(page("/findings/shop-0-open").contains("Mark as mended"));
    let list = page("/findings?open=false");
    let over = list
        .split('"')
        .find(|part| part.starts_with("/findings/"))
        .unwrap();
    let over = page(over);
    assert!(over.contains("over") && !over.contains("Mark as mended"));
    assert!(!over.contains("over since –"));
}
