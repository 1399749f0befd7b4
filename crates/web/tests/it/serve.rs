//! A server to look at.

use std::time::Duration;

use dragline_web::{Role, Token, WebConfig};

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
    let mut config = WebConfig::default();
    if number("DRAGLINE_WEB_TOKENS", 0) > 0 {
        let token = Token::generate().unwrap();
        println!("{}", token.reveal());
        config.tokens.push(token.entry("alex", Role::Act));
    }
    let (server, _fleet) = crate::start_with(fleet, config);
    println!("{}", server.url());
    std::thread::sleep(Duration::from_secs(number("DRAGLINE_WEB_SECONDS", 60)));
}
