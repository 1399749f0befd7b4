//! Functions as runs: `cargo run -p dragline --example monitored`.
//!
//! One function succeeds and one fails; the attribute records the start and the end of both runs. The
//! logs are in `logs/`, or in the directory that `DRAGLINE_DIR` names.

use dragline::{Action, Run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _logs = dragline::init(dragline::Config::from_env()?)?;
    let stored = shop(3)?;
    println!("{stored} products stored");
    if let Err(error) = news("front page") {
        println!("the news scraper failed: {error}");
    }
    println!("The log is in logs/; read it with `dragline report logs/`.");
    Ok(())
}

#[dragline::monitored(scraper = "shop", site = "shop.example.com", record(pages))]
fn shop(pages: u32) -> Result<u32, ParseError> {
    let run = Run::current();
    for page in 0..pages {
        let url = format!("https://shop.example.com/p/{page}");
        run.request(&url).status(200).log();
        run.product(format!("p{page}"))
            .url(&url)
            .price(price("12.50")?)
            .log(Action::Added);
        tracing::info!(page, "page read"); // carries the run
    }
    Ok(pages)
}

#[dragline::monitored(scraper = "news", site = "news.example.org")]
fn news(page: &str) -> Result<(), ParseError> {
    tracing::info!(page, "reading");
    price("tomorrow")?;
    Ok(())
}

/// A text that is not a valid price.
#[derive(Debug, thiserror::Error)]
#[error("invalid price {text:?}")]
struct ParseError {
    text: String,
    source: std::num::ParseFloatError,
}

fn price(text: &str) -> Result<f64, ParseError> {
    text.parse().map_err(|source| ParseError {
        text: text.to_owned(),
        source,
    })
}
