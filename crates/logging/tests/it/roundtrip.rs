//! Whatever is written is read back by the reader.

use dragline_ingest::{ReadOptions, discover, read_family};
use dragline_schema::{Position, Problem, Record, Sink, SourceFile};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Log,
    LogOutside,
    Roll,
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => Just(Step::Log),
        4 => Just(Step::LogOutside),
        1 => Just(Step::Roll),
        1 => Just(Step::Flush),
    ]
}

/// Lines in the order of the files: run, number, thread and its count.
#[derive(Default)]
struct Collected {
    lines: Vec<(String, u64, String)>,
    problems: usize,
}

impl Sink for Collected {
    fn file(&mut self, _file: &SourceFile) {}
    fn record(&mut self, record: &Record<'_>, _at: Position) {
        let run = record.run_id.as_deref().unwrap_or_default().to_owned();
        let message = record.message.as_deref().unwrap_or_default().to_owned();
        self.lines.push((run, record.seq.unwrap(), message));
    }
    fn problem(&mut self, _problem: &Problem<'_>) {
        self.problems += 1;
    }
}

proptest! {
    // Each case writes files in several threads.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_interleaving_reads_back_complete_and_in_order(
        threads in proptest::collection::vec(proptest::collection::vec(step(), 0..60), 1..4),
        max_file_bytes in 300u64..5_000,
        queue_bytes in 200usize..4_000,
    ) {
        let patience = dragline_logging::Patience::FOREVER;
        let dir = record(
            |config| config.max_file_bytes(max_file_bytes).queue_bytes(queue_bytes).queue_patience(patience),
            |guard| play(&threads, guard),
        );
        let found = discover(&[dir.path().to_str().unwrap().to_owned()]).unwrap();
        let mut collected = Collected::default();
        for family in found.families.iter().filter(|family| !family.is_error_copy) {
            read_family(family, &ReadOptions::default(), &mut collected);
        }
        prop_assert_eq!(collected.problems, 0);
        prop_assert!(found.skipped.is_empty());
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (run, seq, message) in &collected.lines {
            let next = next.entry(run.clone()).or_default();
            prop_assert_eq!(*seq, *next);
            *next += 1;
            let (thread, count) = message.split_once(' ').unwrap_or((message, "0"));
            let expected = counts.entry(format!("{run} {thread}")).or_default();
            prop_assert_eq!(count.parse::<usize>().unwrap_or(0), *expected, "{}", message);
            *expected += usize::from(message.contains(' '));
        }
        let logged = threads.iter().flatten().filter(|step| matches!(step, Step::Log | Step::LogOutside));
        prop_assert_eq!(collected.lines.len(), logged.count());
    }
}

fn play(threads: &[Vec<Step>], guard: &Guard) {
    std::thread::scope(|scope| {
        for (thread, steps) in threads.iter().enumerate() {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    let run =
                        tracing::info_span!("run", scraper_id = "s", site = "t", run_id = thread);
                    let (mut inside, mut outside) = (0, 0);
                    for step in steps {
                        match step {
                            Step::Log => {
                                run.in_scope(|| tracing::info!("{thread} {inside}"));
                                inside += 1;
                            }
                            Step::LogOutside => {
                                tracing::error!("{thread} {outside}");
                                outside += 1;
                            }
                            Step::Roll => guard.roll(),
                            Step::Flush => guard.flush().unwrap(),
                        }
                    }
                });
            });
        }
    });
}
