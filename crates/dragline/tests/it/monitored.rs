use std::fmt::Debug;
use std::future::Future;

use dragline::{Config, Run, layer};
use serde_json::Value;
use tracing_subscriber::prelude::*;

/// What a program logs.
fn logged(program: impl FnOnce()) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path())
        .name("t")
        .symlink(false)
        .error_copy(false)
        .panic_hook(false);
    let (layer, guard) = layer(&config).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), program);
    drop(guard);
    let file = std::fs::read_dir(dir.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn status(lines: &[Value]) -> (&str, &str) {
    let end = lines
        .iter()
        .find(|line| line["event_type"] == "scraper_end")
        .unwrap();
    (
        end["status"].as_str().unwrap(),
        end["finish_reason"].as_str().unwrap_or(""),
    )
}

fn error(lines: &[Value]) -> &Value {
    lines
        .iter()
        .find(|line| line["event_type"] == "scraper_error")
        .unwrap()
}

#[derive(Debug, thiserror::Error)]
#[error("no page")]
struct NoPage(#[source] std::io::Error);

type Outcome<T> = Result<T, NoPage>;

#[dragline::monitored(scraper = "shop", site = base, record(pages))]
async fn scrape<'b>(base: &'b str, pages: u32) -> Outcome<&'b str> {
    tokio::task::yield_now().await;
    tracing::info!("inside");
    Run::current().product("p").log(dragline::Action::Added);
    if pages == 0 {
        Err(NoPage(std::io::Error::other("the socket is gone")))?;
    }
    Ok(base)
}

#[test]
fn an_async_function_is_a_run() {
    let lines = logged(|| assert_eq!(block_on(scrape("a.example", 3)).unwrap(), "a.example"));
    assert_eq!(
        lines[0]["config"],
        serde_json::json!({"function": "scrape", "pages": "3"})
    );
    assert!(
        lines
            .iter()
            .all(|line| line["scraper_id"] == "shop" && line["site"] == "a.example")
    );
    assert_eq!(lines[1]["message"], "inside");
    assert_eq!(status(&lines), ("success", ""));
    assert_eq!(lines.last().unwrap()["products_added"], 1);
}

#[test]
fn an_err_fails_the_run_with_its_causes() {
    let lines = logged(|| assert!(block_on(scrape("a.example", 0)).is_err()));
    assert_eq!(status(&lines), ("failed", "no page"));
    let error = error(&lines);
    assert_eq!(error["function"], "scrape");
    assert_eq!(error["causes"][0]["error_message"], "the socket is gone");
}

#[test]
fn a_future_that_is_dropped_is_cancelled() {
    let lines = logged(|| {
        block_on(async {
            let mut future = Box::pin(scrape("a.example", 3));
            std::future::poll_fn(|context| {
                assert!(future.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        });
    });
    assert_eq!(status(&lines).0, "cancelled");
}

#[dragline::monitored(
    scraper = "shop",
    site = "a.example",
    run_id = format!("run-{pages}"),
    config = serde_json::json!({"pages": pages, "proxy": "eu"}),
    record(name)
)]
fn configured(name: &str, pages: u32) -> usize {
    name.len()
}

#[test]
fn the_callers_id_and_configuration_are_recorded_with_the_function() {
    let lines = logged(|| assert_eq!(configured("x", 3), 1));
    assert_eq!(lines[0]["run_id"], "run-3");
    assert_eq!(
        lines[0]["config"],
        serde_json::json!({"function": "configured", "name": "\"x\"", "pages": 3, "proxy": "eu"})
    );
}

struct Shop {
    pages: Vec<u32>,
}

impl Shop {
    /// Documented, generic, with a receiver that changes.
    #[dragline::monitored(scraper = "shop", site = format!("{}.example", self.pages.len()))]
    pub fn next<T>(&mut self, take: impl FnOnce(u32) -> T) -> Option<T>
    where
        T: Debug + Clone,
    {
        if self.pages.is_empty() {
            return None;
        }
        let page = self.pages.pop()?;
        Some(take(page))
    }

    #[dragline::monitored(scraper = "shop", site = "s", run_id = "mine")]
    fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.pages.iter().copied()
    }

    #[dragline::monitored(scraper = "shop", site = "s")]
    fn boxed(self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err(std::io::Error::other("boxed"))?
    }
}

#[dragline::monitored(scraper = "shop", site = "s")]
fn with_anyhow() -> anyhow::Result<()> {
    let inner = std::io::Error::other("inner");
    Err(anyhow::Error::new(inner).context("outer"))
}

#[dragline::monitored(scraper = "shop", site = "s")]
fn with_text() -> Result<u32, String> {
    Err("just text".to_owned())
}

#[derive(Debug)]
struct Silent;

#[dragline::monitored(scraper = "shop", site = "s")]
fn with_debug() -> Result<(), Silent> {
    Err(Silent)
}

#[dragline::monitored(scraper = "shop", site = "s")]
fn with_box() -> Result<(), Box<dyn std::error::Error>> {
    Err(NoPage(std::io::Error::other("the socket is gone")))?
}

#[dragline::monitored(scraper = "shop", site = "s", record(r#type))]
fn panics_not(r#type: u32) -> u32 {
    #![allow(clippy::let_and_return)]
    let kind = r#type;
    kind
}

#[dragline::monitored(scraper = "shop", site = "s")]
fn panics(page: u32) {
    assert!(page < 3, "page {page}");
}

#[test]
fn methods_generics_and_any_return_type_work() {
    let lines = logged(|| {
        let mut shop = Shop { pages: vec![1, 2] };
        assert_eq!(shop.next(|page| page * 2), Some(4));
        assert_eq!(shop.all().sum::<u32>(), 1);
        assert!(shop.boxed().is_err());
    });
    assert_eq!(lines[0]["site"], "2.example");
    assert_eq!(lines[2]["run_id"], "mine");
    assert_eq!(error(&lines)["error_message"], "boxed");
    let statuses: Vec<&Value> = lines
        .iter()
        .filter(|l| l["event_type"] == "scraper_end")
        .map(|l| &l["status"])
        .collect();
    assert_eq!(statuses, ["success", "success", "failed"]);
}

#[test]
fn errors_of_every_kind_are_told() {
    let lines = logged(|| assert!(with_anyhow().is_err()));
    assert_eq!(error(&lines)["error_message"], "outer");
    assert_eq!(error(&lines)["causes"][0]["error_message"], "inner");
    let lines = logged(|| assert!(with_text().is_err()));
    assert_eq!(error(&lines)["error_message"], "just text");
    assert_eq!(status(&lines).0, "failed");
    let lines = logged(|| assert!(with_debug().is_err()));
    assert_eq!(error(&lines)["error_message"], "Silent");
    assert_eq!(status(&lines).0, "failed");
    let lines = logged(|| assert!(with_box().is_err()));
    assert_eq!(error(&lines)["error_type"], "NoPage");
    assert_eq!(
        error(&lines)["causes"][0]["error_message"],
        "the socket is gone"
    );
    let lines = logged(|| assert_eq!(panics_not(3), 3));
    assert_eq!(lines[0]["config"]["type"], "3");
    let lines = logged(|| assert!(std::panic::catch_unwind(|| panics(7)).is_err()));
    assert_eq!(status(&lines).0, "panicked");
    let lines = logged(|| panics(1));
    assert_eq!(status(&lines).0, "success");
}
