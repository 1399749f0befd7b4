//! Counts allocations: an event that is like those before it makes none, on no thread.
//!
//! A program of its own, because it counts everything that the process allocates.

#![allow(
    unsafe_code,
    reason = "an allocator that counts is unsafe by its trait"
)]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use dragline_logging::{Action, Config, ConsoleMode, Run, layer};
use tracing_subscriber::prelude::*;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs itself once more for the console, with a standard error that everything is written to.
#[test]
fn a_steady_event_allocates_nothing() {
    const SHOWN: &str = "DRAGLINE_TEST_CONSOLE";
    if std::env::var_os(SHOWN).is_some() {
        return count(ConsoleMode::Compact);
    }
    count(ConsoleMode::Off);
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .env(SHOWN, "1")
        .stderr(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "with the console: {said}");
}

fn count(console: ConsoleMode) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path())
        .name("shop")
        .console(console)
        .flush_interval(Duration::from_hours(1));
    let (layer, guard) = layer(&config).unwrap();
    let url: url::Url = "https://shop.example.com/p/1".parse().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let run = Run::start("shop", "shop.example.com");
        let page = tracing::info_span!("page", page = 3, kind = "listing");
        let events = |count: u64| {
            for n in 0..count {
                run.in_scope(|| {
                    page.in_scope(|| {
                        tracing::info!(
                            n,
                            url = "https://shop.example.com/p?page=3",
                            ratio = 0.5,
                            ok = true,
                            "read page {n}"
                        );
                        tracing::debug!(page = n, debug = ?(n, "x"), "the event's own page wins");
                    });
                });
                run.request(&url)
                    .status(200)
                    .elapsed(Duration::from_millis(87))
                    .bytes(18_234)
                    .log();
                run.product("p1").price(12.5).log(Action::Added);
                // Before the console's buffer is full, which costs a message.
                if n % 100 == 0 {
                    guard.flush().unwrap();
                }
            }
        };
        // The first rounds make files and grow buffers. The queue's buffer doubles whenever more
        // lines wait in it than ever before, which a busy machine decides: it can do that only a
        // few times, while an event that allocates does it in every round.
        let rounds: Vec<u64> = std::iter::repeat_with(|| {
            let before = ALLOCATIONS.load(SeqCst);
            events(2_000);
            guard.flush().unwrap();
            ALLOCATIONS.load(SeqCst) - before
        })
        .take(8)
        .skip(1)
        .collect();
        assert!(
            rounds.contains(&0) && rounds.iter().sum::<u64>() < 20,
            "allocations in rounds of 8,000 events: {rounds:?}"
        );
        run.finish();
    });
}
