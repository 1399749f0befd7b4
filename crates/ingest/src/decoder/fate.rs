//! Accounts for every line.
//!
//! No line is lost silently: the code that handles a line returns its fate, which is entered here. A line is or
//! starts a record, is part of the open record, belongs to an envelope, is blank, or is a bad line, which is
//! reported.

use dragline_schema::{Position, ProblemKind, Sink};

use crate::framing::report;

/// What a line turned out to be. For a line with several parts, the highest fate of any part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// The line is blank.
    Blank,
    /// The line belongs to an envelope, or is a progress bar that was overwritten.
    Around,
    /// Part of an open record, crash or object.
    Part,
    /// Also a part, but judged only by its form: it is indented, or the text before it announced more text.
    Loose,
    /// The line is a record, or starts a record or a crash.
    Record,
    /// The format is unknown. The line was reported.
    Bad,
}

/// Minimum number of loose lines to report, if they are most of a file.
const MANY: u64 = 20;

/// Minimum number of lines of a second handler to report.
const MANY_DOUBLED: u64 = 5;

/// The fates of a file's lines.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: [u64; Fate::Bad as usize + 1],
    /// The first loose line.
    first: Option<Position>,
    /// Number of crashes that the preceding record also contains.
    pub(super) repeated: u64,
    /// Number of lines that a second handler wrote, and the first of them.
    doubled: u64,
    first_doubled: Option<Position>,
}

impl Ledger {
    pub(crate) fn enter(&mut self, fate: Fate, at: Position) {
        self.counts[fate as usize] += 1;
        if fate == Fate::Loose {
            self.first.get_or_insert(at);
        }
    }

    /// Enters a line that a second handler wrote.
    pub(super) fn doubled(&mut self, at: Position) {
        self.doubled += 1;
        self.first_doubled.get_or_insert(at);
    }

    /// Number of lines.
    pub(crate) fn lines(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Number of lines with this fate.
    pub(crate) fn count(&self, fate: Fate) -> u64 {
        self.counts[fate as usize]
    }

    /// Reports a file that two handlers wrote, and one in which most lines were treated as parts of records only because of their form.
    pub(super) fn note(&self, sink: &mut dyn Sink) {
        if self.doubled >= MANY_DOUBLED {
            let detail = format!(
                "{} lines repeat the line before them: two handlers write the same messages; each counts once",
                self.doubled
            );
            report(sink, ProblemKind::DoubledLines, self.first_doubled, &detail);
        }
        let loose = self.count(Fate::Loose);
        let all = self.lines();
        if loose >= MANY && 2 * loose > all - self.count(Fate::Blank) {
            let detail = format!(
                "{loose} of {all} lines were read as continuations of the records before them: they are indented or \
                 follow an unfinished text; if they are records, describe their format with [[dialects]]"
            );
            report(sink, ProblemKind::MostlyParts, self.first, &detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::Decoder;
    use crate::options::ReadOptions;
    use dragline_schema::{Problem, Record, SourceFile};
    use proptest::prelude::*;

    /// Counts records and problems.
    #[derive(Default)]
    struct Counts {
        records: u64,
        lost: u64,
        kinds: Vec<ProblemKind>,
    }

    impl Sink for Counts {
        fn file(&mut self, _: &SourceFile) {}
        fn record(&mut self, _: &Record<'_>, _: Position) {
            self.records += 1;
        }
        fn problem(&mut self, problem: &Problem<'_>) {
            self.lost += u64::from(problem.kind.is_lost_line());
            self.kinds.push(problem.kind);
        }
    }

    fn read(lines: &[String]) -> (Decoder, Counts) {
        let mut decoder = Decoder::new("a", &ReadOptions::default());
        let mut counts = Counts::default();
        decoder.begin_file(None, false);
        for (line, text) in (1..).zip(lines) {
            let at = Position {
                line,
                ..Position::default()
            };
            decoder.line(text.as_bytes(), at, true, &mut counts);
        }
        decoder.end_file(&mut counts);
        (decoder, counts)
    }

    #[test]
    fn lines_that_only_look_like_parts_are_told_where_they_are_most_of_a_file() {
        let told = |line: &str| {
            let mut lines = vec!["2026-03-04 11:22:33 INFO shop: it begins".to_owned()];
            lines.extend((0..30).map(|n| format!("{line}{n}")));
            let (decoder, counts) = read(&lines);
            assert_eq!(decoder.ledger().lines(), 31);
            counts.kinds.contains(&ProblemKind::MostlyParts)
        };
        assert!(told("    saved item "));
        assert!(!told("    at src/main.rs:"));
        assert!(!told("    status: "));
        assert!(!told("2026-03-04 11:22:33 INFO shop: item "));
    }

    const LINES: &str = "(2026-03-04 11:22:33,123 (INFO|ERROR) shop: (item saved|it failed|settings:|\\{'a': 1,)|\
        INFO:shop:fetched|ERROR x|Traceback \\(most recent call last\\):|  File \"a.py\", line 3, in f|KeyError: 'x'|\
        \\{\"level\":\"info\",\"time\":1772623353,\"msg\":\"x\"\\}|\\{\"a\":1\\}|\\{\"message\":\"Traceback \\(most recent call last\\):\",\"time\":1772623353\\}|\\{|\\}|\\[|  \"level\": \"info\",|\
        shop-1  \\| (INFO x: y|  part|\\{\"msg\":\"x\"\\})|2026-03-04T11:22:33\\.1Z std(out|err) [FP] (a|INFO x: y|\\{\"msg\":\"x\")|\
        Mar 04 11:22:33 box app\\[7\\]: (INFO x: y|words)|panic: x|goroutine 1|\tat a\\.b|Error: x|    at f \\(a\\.js:1:2\\)|\
        thread 'main' panicked at a\\.rs:1:2:|2026-03-04 11:22:33 \\[scrapy\\.core\\.engine\\] INFO: (Spider opened|Dumping Scrapy stats:)|\
         50%\\|##  \\| 5/10|a\rb\rINFO x: y|START RequestId: 1|level=info msg=x ts=1|  indented|words|||\\PC{0,12})";

    proptest! {
        #[test]
        fn every_line_is_accounted_for(lines in prop::collection::vec(LINES, 0..24)) {
            let (decoder, counts) = read(&lines);
            let ledger = decoder.ledger();
            prop_assert_eq!(ledger.lines(), lines.len() as u64);
            // Each bad line was reported. Each record line was emitted as a record, or finally reported.
            prop_assert!(counts.lost >= ledger.count(Fate::Bad), "{:?}", lines);
            let told = counts.records + counts.lost + decoder.repeated();
            let owed = ledger.count(Fate::Record) + ledger.count(Fate::Bad);
            prop_assert!(told >= owed, "{} of {} in {:#?}", told, owed, lines);
        }
    }
}
