//! Entry points for fuzz targets: internal parts that are not visible in records.

use dragline_schema::{Position, Problem, ProblemKind, Record, Sink, SourceFile};
use jiff::tz::TimeZone;

use crate::decoder::{Decoder, Fate};
use crate::framing::envelope::{self, Habits};
use crate::options::ReadOptions;
use crate::parsing::head::{self, Layouts};
use crate::parsing::time::{self, Calendar};
use crate::parsing::{duration, literal, logfmt, pairs};

/// Parses line headers with and without layouts learned from earlier lines: the results must be equal.
///
/// # Panics
/// If they differ.
pub fn layouts(text: &str) {
    let mut layouts = Layouts::default();
    for line in text.lines() {
        assert_eq!(layouts.head(line), head::head(line), "{line:?}");
    }
}

/// Unwraps envelopes around lines, nested ones too: the content must never be longer than the envelope.
///
/// # Panics
/// If it is.
pub fn envelopes(text: &str) {
    let (mut habits, calendar) = (Habits::default(), Calendar::default());
    for line in text.lines() {
        let mut inside = line.to_owned();
        for _ in 0..4 {
            let opened = envelope::open(&inside, &mut habits, &TimeZone::UTC, &calendar);
            let Some(opened) = opened else { break };
            assert!(opened.text.len() <= inside.len(), "{inside:?}");
            let text = opened.text.into_owned();
            inside = text;
        }
        let _ = envelope::before_record(line);
        let _ = envelope::is_record(line);
    }
}

/// Parses a text with every parser for values in text: Python literals, pairs, durations, times.
pub fn literals(text: &str) {
    let _ = literal::parse_dict(text);
    let _ = logfmt::fields(text);
    let _ = pairs::pairs(text).count();
    let _ = pairs::named(text);
    let _ = duration::milliseconds(text);
    if let Some((_, length)) = time::stamp(text) {
        assert!(text.is_char_boundary(length), "{text:?}");
        assert!(
            time::may_hold_clock(text) || length < text.len() || is_seconds(text),
            "{text:?}"
        );
    }
}

/// Whether a text starts with seconds since 1970.
fn is_seconds(text: &str) -> bool {
    text.bytes().take_while(u8::is_ascii_digit).count() >= 10
}

/// Reads lines of a file, and checks that each is accounted for.
///
/// # Panics
/// If a line was lost without a problem being reported.
pub fn ledger(text: &[u8]) {
    let mut decoder = Decoder::new("fuzz", &ReadOptions::default());
    let mut counts = Counts::default();
    decoder.begin_file(None, false);
    let mut lines = 0;
    for line in text.split(|byte| *byte == b'\n') {
        lines += 1;
        let at = Position {
            line: lines,
            ..Position::default()
        };
        decoder.line(line, at, true, &mut counts);
    }
    decoder.end_file(&mut counts);
    let ledger = decoder.ledger();
    assert_eq!(ledger.lines(), lines);
    let owed = ledger.count(Fate::Record) + ledger.count(Fate::Bad);
    let told = counts.records + counts.lost + decoder.repeated();
    assert!(told >= owed, "{told} of {owed}");
    assert!(counts.lost >= ledger.count(Fate::Bad));
}

#[derive(Default)]
struct Counts {
    records: u64,
    lost: u64,
}

impl Sink for Counts {
    fn file(&mut self, _: &SourceFile) {}
    fn record(&mut self, _: &Record<'_>, _: Position) {
        self.records += 1;
    }
    fn problem(&mut self, problem: &Problem<'_>) {
        let is_lost = problem.kind.is_lost_line() || problem.kind == ProblemKind::NulBytes;
        self.lost += u64::from(is_lost);
    }
}
