//! Every page, without a browser.

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
