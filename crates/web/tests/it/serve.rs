//! A server to look at.

use std::time::Duration;

use crate::fleet::Fleet;

/// `DRAGLINE_WEB_SCRAPERS=14 DRAGLINE_WEB_SECONDS=600 cargo test -p dragline-web --test it serve -- --ignored --nocapture`
#[test]
#[ignore = "a server to look at, for as long as DRAGLINE_WEB_SECONDS says"]
fn serve() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let fleet = match number("DRAGLINE_WEB_SCRAPERS", 14) {
        666 => Fleet::hostile(),
        count => Fleet::new(count as usize),
    };
    let (server, _fleet) = crate::start(fleet);
    println!("{}", server.url());
    std::thread::sleep(Duration::from_secs(number("DRAGLINE_WEB_SECONDS", 60)));
}
