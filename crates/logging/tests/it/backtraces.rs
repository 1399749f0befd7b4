//! Backtraces of errors: in a process of their own, because the setting applies to all of it.

use super::*;
use crate::faults::child_command;

/// The function that a backtrace names.
#[inline(never)]
fn price_of_page(run: &Run) {
    let error = std::io::Error::other("no price");
    run.error(&error).log();
    run.error_text("Odd", "an odd page").log();
    run.error(&error).traceback("my own").log();
}

pub(crate) fn fails(dir: &Path) {
    let config = Config::new(dir).name("shop").backtraces(true);
    let (layer, guard) = layer(&config).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let run = Run::start("shop", "a.example");
        price_of_page(&run);
        let panics = || panic!("an odd price");
        assert!(std::panic::catch_unwind(panics).is_err());
    });
    drop(guard);
}

#[test]
fn an_error_has_the_backtrace_of_the_call_that_records_it() {
    let dir = tempfile::tempdir().unwrap();
    let output = child_command("backtraces", dir.path()).output().unwrap();
    assert!(output.status.success());
    let objects = objects(dir.path());
    let errors = objects
        .iter()
        .filter(|line| line["event_type"] == "scraper_error");
    let traces: Vec<&str> = errors
        .map(|line| line["traceback"].as_str().unwrap())
        .collect();
    let [error, text, own, panic] = traces[..] else {
        panic!("{traces:?}");
    };
    for trace in [error, text] {
        let first = trace.lines().next().unwrap();
        assert!(
            first.starts_with("   0: ") && first.ends_with("price_of_page"),
            "{trace}"
        );
        assert!(!trace.contains("lang_start"), "{trace}");
    }
    assert_eq!(own, "my own");
    assert!(
        panic.starts_with("at ") && panic.contains("\n   0: "),
        "{panic}"
    );
    assert!(
        !panic.contains("panic_fmt") && !panic.contains("exit.rs"),
        "{panic}"
    );
}

#[test]
fn without_the_setting_there_is_none() {
    let dir = record(|config| config, price_without);
    assert!(objects(dir.path())[1].get("traceback").is_none());
}

fn price_without(_: &Guard) {
    let run = Run::start("shop", "a.example");
    run.error_text("Odd", "an odd page").log();
}
