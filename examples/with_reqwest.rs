//! A scraper with tokio and reqwest: `cargo run -p dragline-examples --bin with-reqwest`.
//!
//! Each page is a task of its own; every task is in the run. The logs are in `logs/`, or where
//! `DRAGLINE_DIR` says.

mod site;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use dragline::{Action, Run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _logs = dragline::init(dragline::Config::from_env()?)?;
    let address = site::serve().await?;
    scrape(&format!("http://{address}"), 30).await
}

#[dragline::monitored(scraper = "with-reqwest", site = base.trim_start_matches("http://"), record(pages))]
async fn scrape(base: &str, pages: u32) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let run = Run::current();
    let tasks: Vec<_> = (0..pages)
        .map(|page| {
            let (client, run, url) = (client.clone(), run.clone(), format!("{base}/p/{page}"));
            // A task starts outside of every span: it gets a scope of its own.
            tokio::spawn(async move { run.within(fetch(&run, &client, &url)).await })
        })
        .collect();
    let mut found = 0;
    for task in tasks {
        found += u32::from(task.await?);
    }
    tracing::info!(found, "all pages read");
    anyhow::ensure!(found > 0, "no page had a product");
    Ok(())
}

/// Reads a page; gives whether a product was on it.
async fn fetch(run: &Run, client: &reqwest::Client, url: &str) -> bool {
    let started = Instant::now();
    let answer = match client.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => {
            run.request(url).elapsed(started.elapsed()).log();
            run.error(&error).url(url).log();
            return false;
        }
    };
    let status = answer.status().as_u16();
    let wait = answer.headers().get("retry-after");
    let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
    let body = answer.text().await.unwrap_or_default();
    let mut request = run
        .request(url)
        .status(status)
        .elapsed(started.elapsed())
        .bytes(body.len() as u64);
    if let Some(wait) = wait.map(Duration::from_secs) {
        request = request.retry_after(wait);
        run.rate_limited_at(url, wait, "429");
    }
    request.log();
    match price_of(&body) {
        Ok(price) if status == 200 => {
            run.product(url).url(url).price(price).log(Action::Added);
            true
        }
        Ok(_) => false,
        Err(error) => {
            run.error_text("PriceMissing", format!("{error:#}"))
                .url(url)
                .log();
            false
        }
    }
}

fn price_of(body: &str) -> anyhow::Result<f64> {
    let (_, rest) = body.split_once("<b>").context("no <b> on the page")?;
    let (price, _) = rest.split_once("</b>").context("<b> has no end")?;
    price
        .parse()
        .with_context(|| format!("{price:?} is no price"))
}
