//! Runs inside and beside one another, and outside of any.

use super::*;

fn of_run<'o>(objects: &'o [Value], run_id: &str) -> Vec<&'o Value> {
    objects
        .iter()
        .filter(|line| line["run_id"] == run_id)
        .collect()
}

#[test]
fn an_inner_run_has_its_own_events_and_counts() {
    let dir = record(
        |config| config,
        |_| {
            let outer = Run::builder("shop", "a.example").run_id("outer").start();
            outer.in_scope(|| {
                let inner = Run::builder("shop", "b.example").run_id("inner").start();
                inner.in_scope(|| {
                    tracing::info!("inside");
                    Run::current().product("p").log(Action::Added);
                });
                Run::current().product("q").log(Action::Saved);
                inner.finish();
            });
            outer.finish();
            outer.finish(); // Once is enough.
        },
    );
    let objects = objects(dir.path());
    let inner = of_run(&objects, "inner");
    assert!(inner.iter().all(|line| line["site"] == "b.example"));
    assert!(inner.iter().any(|line| line["message"] == "inside"));
    assert_eq!(inner.last().unwrap()["products_added"], 1);
    let outer = of_run(&objects, "outer");
    assert_eq!(outer.last().unwrap()["products_saved"], 1);
    assert_eq!(outer.last().unwrap()["products_added"], 0);
    assert_eq!(outer.len(), 3);
}

#[test]
fn outside_of_any_run_events_carry_none() {
    let dir = record(
        |config| config,
        |_| {
            let nobody = Run::current();
            assert_eq!(nobody.run_id(), "");
            nobody.request("https://a.example/").status(200).log();
            nobody.finish();
        },
    );
    let objects = objects(dir.path());
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["event_type"], "request");
    assert!(objects[0].get("run_id").is_none());
}

#[test]
fn a_future_that_is_dropped_cancels_and_one_that_panics_panicked() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let dir = record(
        |config| config.panic_hook(true),
        |_| {
            let scrape = |run_id: &str| {
                let run = Run::builder("shop", "a.example").run_id(run_id).start();
                async move {
                    run.within(async {
                        tracing::info!("on it");
                        tokio::task::yield_now().await;
                        assert_eq!(Run::current().run_id(), "panics", "as a scraper would");
                        panic!("as a scraper would");
                    })
                    .await;
                }
            };
            runtime.block_on(async {
                let mut dropped = Box::pin(scrape("dropped"));
                std::future::poll_fn(|context| {
                    assert!(dropped.as_mut().poll(context).is_pending());
                    std::task::Poll::Ready(())
                })
                .await;
                assert_eq!(
                    Run::current().run_id(),
                    "",
                    "the scope is left between polls"
                );
                drop(dropped);
            });
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                runtime.block_on(scrape("panics"));
            }));
            assert!(caught.is_err());
        },
    );
    let objects = objects(dir.path());
    let status = |run_id| of_run(&objects, run_id).last().unwrap()["status"].clone();
    assert_eq!(status("dropped"), "cancelled");
    assert_eq!(status("panics"), "panicked");
    // The panic is recorded, and counted.
    assert_eq!(
        of_run(&objects, "panics").last().unwrap()["errors_count"],
        1
    );
}

#[test]
fn run_ids_are_unique_even_in_one_second() {
    let clock = clock("2026-03-04T11:22:33Z");
    let mut ids = std::collections::BTreeSet::new();
    let _ = record(
        |config| config,
        |_| {
            for _ in 0..2_000 {
                let run = Run::builder("s", "t").clock(clock.clone()).start();
                assert!(run.run_id().starts_with("20260304T112233Z-"));
                assert!(ids.insert(run.run_id().to_owned()));
            }
        },
    );
}

#[test]
fn every_handle_may_be_the_last() {
    for _ in 0..50 {
        let dir = record(
            |config| config,
            |_| {
                let run = Run::start("s", "t");
                let dispatch = tracing::dispatcher::get_default(Clone::clone);
                std::thread::scope(|scope| {
                    for _ in 0..4 {
                        let (run, dispatch) = (run.clone(), dispatch.clone());
                        scope.spawn(move || {
                            tracing::dispatcher::with_default(&dispatch, || drop(run));
                        });
                    }
                    drop(run);
                });
            },
        );
        let ends = objects(dir.path());
        assert_eq!(
            ends.iter()
                .filter(|line| line["event_type"] == "scraper_end")
                .count(),
            1
        );
    }
}

#[test]
fn what_an_author_counts_and_measures_is_in_the_run_end() {
    let dir = record(
        |config| config,
        |_| {
            let run = Run::builder("shop", "a.example").run_id("r").start();
            run.count("captchas", 3);
            run.count("captchas", 1);
            run.gauge("budget", 0.9);
            run.gauge("budget", 0.7);
            run.gauge("nothing", f64::NAN);
            run.count("", 1);
            for nth in 0..200 {
                run.count(format!("many {nth}"), 1);
            }
            run.finish();
        },
    );
    let objects = objects(dir.path());
    let stats = &objects.last().unwrap()["stats"];
    assert_eq!(
        (&stats["captchas"], &stats["budget"]),
        (&4.into(), &0.7.into())
    );
    assert_eq!(stats.as_object().unwrap().len(), 100);
    assert!(stats.get("nothing").is_none() && stats.get("").is_none());
}

/// Every typed method takes whatever is a text, owned or borrowed.
#[test]
fn texts_may_be_urls_strings_and_others() {
    let dir = record(
        |config| config,
        |_| {
            let run = Run::start("shop", "a.example");
            let url: url::Url = "https://a.example/p?q=1".parse().unwrap();
            let text = url.to_string();
            let shared: Arc<str> = text.as_str().into();
            let cow = std::borrow::Cow::from(text.as_str());
            run.request("https://a.example/p?q=1").log();
            run.request(text.clone()).log();
            run.request(&text).log();
            run.request(&url)
                .method(&"GET".to_owned())
                .proxy(&url)
                .log();
            run.request(url.clone()).status(200).log();
            run.request(&*shared).log();
            run.request(shared.clone()).log();
            run.request(cow.clone()).error_type(&cow).log();
            run.product(url.clone()).url(&url).log(Action::Added);
            run.product(&url)
                .fields_missing(vec![text.clone()])
                .log(Action::Saved);
            run.article(&url).url(&text).language(&text).log();
            run.duplicate(&url, None);
            run.duplicate(text.clone(), None);
            run.search(&text, 3, None);
            run.database(&text).table(&text).log();
            run.rate_limited_at(&url, Duration::ZERO, &text);
            run.rate_limited_at(url.clone(), Duration::ZERO, text.clone());
            run.error_text(&text, text.clone())
                .url(&url)
                .function(&text)
                .traceback(&text)
                .context(&url, 1)
                .log();
            run.count(&text, 1);
            run.gauge(text.clone(), 1.0);
            run.finish_with(&url);
        },
    );
    let objects = objects(dir.path());
    let typed = &objects[1..];
    assert_eq!(typed.len(), 19);
    for line in typed {
        assert!(
            line.to_string().contains("https://a.example/p?q=1"),
            "{line}"
        );
    }
    assert_eq!(typed[10]["url"], typed[0]["url"]);
}
