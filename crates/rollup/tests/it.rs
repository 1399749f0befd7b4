//! The laws of the rollup: any split and any order give the same result.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use dragline_rollup::{ErrorLabel, Finished, Limits, Rollup};
use dragline_schema::{
    Dialect, ErrorCategory, Event, Level, Position, Problem, ProblemKind, ProductProcessed, Record,
    Request, RunSummary, ScraperEnd, Severity, SourceFile, Timestamp,
};
use proptest::prelude::*;

/// One thing that a reader hands over.
#[derive(Debug, Clone)]
struct Seen {
    file: u8,
    minute: i64,
    run: Option<u8>,
    what: u8,
    number: u16,
}

fn seen() -> impl Strategy<Value = Seen> {
    (
        0u8..3,
        0i64..60_000,
        proptest::option::of(0u8..3),
        0u8..8,
        0u16..600,
    )
        .prop_map(|(file, minute, run, what, number)| Seen {
            file,
            minute,
            run,
            what,
            number,
        })
}

fn observe(rollup: &mut Rollup, index: usize, seen: &Seen) {
    begin(rollup, seen);
    observe_line(rollup, index, seen);
}

fn begin(rollup: &mut Rollup, seen: &Seen) {
    let path = format!("f{}.jsonl", seen.file);
    let source = SourceFile {
        path,
        content_id: u64::from(seen.file),
        modified: None,
    };
    rollup.begin_file(&format!("family{}", seen.file % 2), &source);
}

fn observe_line(rollup: &mut Rollup, index: usize, seen: &Seen) {
    let at = Position {
        member: 0,
        line: index as u64 + 1,
        offset: index as u64 * 100,
    };
    if seen.what == 7 {
        let kind = ProblemKind::BadLine;
        return rollup.observe_problem(&Problem {
            kind,
            at: Some(at),
            detail: "?",
        });
    }
    let url = format!("http://h{}.example/p", seen.number % 5);
    let event = match seen.what {
        0 | 1 => Event::Request(Request {
            url: Some(url.into()),
            status_code: (seen.number >= 100).then_some(seen.number),
            response_time_ms: Some(f64::from(seen.number) + 0.5),
            bytes: Some(u64::from(seen.number)),
            ..Request::default()
        }),
        2 => Event::ProductProcessed(ProductProcessed {
            action: Some(["found", "saved", "failed"][usize::from(seen.number % 3)].into()),
            ..ProductProcessed::default()
        }),
        3 => Event::ScraperEnd(ScraperEnd {
            status: Some(["success", "failed"][usize::from(seen.number % 2)].into()),
            requests_made: Some(u64::from(seen.number)),
            ..ScraperEnd::default()
        }),
        4 => Event::Summary(Box::new(RunSummary {
            finish_reason: Some("finished".into()),
            requests: Some(u64::from(seen.number)),
            ..RunSummary::default()
        })),
        _ => Event::Log,
    };
    let is_error = seen.what == 5;
    let record = Record {
        timestamp: Some(Timestamp::from_seconds(1_772_000_000 + seen.minute * 60)),
        level: Some(if is_error { Level::Error } else { Level::Info }),
        scraper_id: seen.run.map(|run| format!("s{}", run % 2).into()),
        run_id: seen.run.map(|run| format!("r{run}").into()),
        writer_id: Some("w".into()),
        seq: Some(index as u64),
        event,
        dialect: if seen.file == 2 {
            Dialect::Dragline
        } else {
            Dialect::Json
        },
        ..Record::default()
    };
    let template = format!("error {}", seen.number % 4);
    let label = ErrorLabel {
        group: u64::from(seen.number % 4),
        category: ErrorCategory::Network,
        sub_category: "timeout",
        severity: Severity::ALL[usize::from(seen.number) % 4],
        rule: None,
        error_type: "E",
        template: &template,
        message: &template,
    };
    rollup.observe(&record, at, is_error.then_some(&label));
}

fn rollup<'s>(all: impl IntoIterator<Item = (usize, &'s Seen)>) -> Rollup {
    limited(Limits::default(), all)
}

fn limited<'s>(limits: Limits, all: impl IntoIterator<Item = (usize, &'s Seen)>) -> Rollup {
    let mut rollup = Rollup::with_limits(limits);
    for (index, seen) in all {
        observe(&mut rollup, index, seen);
    }
    rollup
}

fn finish(rollup: Rollup) -> Finished {
    rollup.finish(Timestamp::from_seconds(1_800_000_000))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn merging_the_parts_in_any_order_gives_the_whole(
        all in proptest::collection::vec((seen(), 0u8..3), 0..120),
    ) {
        let whole = finish(rollup(all.iter().map(|(seen, _)| seen).enumerate()));
        let part = |which: u8| {
            let members = all.iter().enumerate().filter(move |(_, (_, part))| *part == which);
            rollup(members.map(|(index, (seen, _))| (index, seen)))
        };
        let merge = |mut a: Rollup, b: Rollup| { a.merge(b); a };
        // Commutative and associative.
        let left = merge(merge(part(0), part(1)), part(2));
        let right = merge(part(2), merge(part(1), part(0)));
        let with_empty = merge(Rollup::default(), merge(merge(part(1), part(2)), part(0)));
        prop_assert_eq!(finish(left), whole.clone());
        prop_assert_eq!(finish(right), whole.clone());
        prop_assert_eq!(finish(with_empty), whole);
    }

    /// A part can be taken out of a rollup between any two lines of a file.
    #[test]
    fn parts_that_are_taken_add_up_to_the_whole(
        all in proptest::collection::vec((seen(), any::<bool>()), 0..120),
        few in 1usize..5,
    ) {
        let limits = Limits { sources: few, ..Limits::default() };
        let (mut whole, mut rest) = (Rollup::with_limits(limits), Rollup::with_limits(limits));
        let mut parts = Rollup::with_limits(limits);
        let mut file = None;
        for (index, (seen, is_taken)) in all.iter().enumerate() {
            if file != Some(seen.file) {
                file = Some(seen.file);
                begin(&mut whole, seen);
                begin(&mut rest, seen);
            }
            observe_line(&mut whole, index, seen);
            observe_line(&mut rest, index, seen);
            if *is_taken {
                parts.merge(rest.take_part());
            }
        }
        parts.merge(rest);
        prop_assert_eq!(finish(parts), finish(whole));
    }

    /// Beyond a limit, the result is coarser, but as independent of the order.
    #[test]
    fn limits_do_not_depend_on_the_order_either(
        all in proptest::collection::vec((seen(), any::<bool>()), 0..120),
        few in 1usize..5,
        by_sources: bool,
    ) {
        let limits = if by_sources {
            Limits { sources: few, ..Limits::default() }
        } else {
            Limits { buckets: few * 8, sketches: few * 3, ..Limits::default() }
        };
        let whole = finish(limited(limits, all.iter().map(|(seen, _)| seen).enumerate()));
        let part = |which: bool| {
            let members = all.iter().enumerate().filter(move |(_, (_, part))| *part == which);
            limited(limits, members.map(|(index, (seen, _))| (index, seen)))
        };
        let mut merged = part(true);
        merged.merge(part(false));
        prop_assert_eq!(finish(merged), whole.clone());
        let sum = |finished: &Finished| finished.runs.iter().map(|run| run.counters.events).sum::<u64>();
        prop_assert_eq!(sum(&whole), sum(&finish(rollup(all.iter().map(|(seen, _)| seen).enumerate()))));
    }

    #[test]
    fn what_is_encoded_is_what_is_decoded(
        all in proptest::collection::vec(seen(), 0..60),
        noise in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut whole = rollup(all.iter().enumerate());
        let mut decoded = Rollup::decode(&whole.encode()).unwrap();
        // It goes on where it was.
        for (index, seen) in all.iter().enumerate() {
            observe(&mut whole, index, seen);
            observe(&mut decoded, index, seen);
        }
        prop_assert_eq!(finish(decoded), finish(whole));
        let _ = Rollup::decode(&noise);
    }

    #[test]
    fn the_activity_adds_up_to_the_runs(all in proptest::collection::vec(seen(), 0..120)) {
        let finished = finish(rollup(all.iter().enumerate()));
        for (index, run) in finished.runs.iter().enumerate() {
            let rows = finished.activity.iter().filter(|row| row.run == index);
            let (mut requests, mut errors, mut events) = (0, 0, 0);
            for row in rows {
                requests += row.counters.requests;
                errors += row.counters.errors;
                events += row.counters.events;
            }
            prop_assert_eq!(requests, run.counters.requests);
            prop_assert_eq!(errors, run.counters.errors);
            prop_assert_eq!(events, run.counters.events);
        }
        let events: u64 = finished.runs.iter().map(|run| run.counters.events).sum();
        prop_assert_eq!(events, finished.dialects.values().sum::<u64>());
        let grouped: u64 = finished.groups.iter().map(|row| row.group.count).sum();
        let errors: u64 = finished.runs.iter().map(|run| run.counters.errors).sum();
        prop_assert_eq!(grouped, errors);
    }
}

/// A run of seconds and one of months: buckets are as narrow as they may be, whatever came first.
#[test]
fn buckets_widen_with_the_period() {
    for (days, minutes) in [(0, 1), (13, 1), (20, 5), (100, 15), (500, 60), (2000, 1440)] {
        let at = |day: i64| Seen {
            file: 0,
            minute: day * 1440,
            run: None,
            what: 6,
            number: 0,
        };
        let finished = finish(rollup([(0, &at(0)), (1, &at(days)), (2, &at(days / 2))]));
        assert_eq!(finished.bucket_micros, minutes * 60_000_000, "{days} days");
        assert_eq!(
            finished
                .activity
                .iter()
                .map(|row| row.counters.events)
                .sum::<u64>(),
            3
        );
    }
}
