//! `dragline classify`: classifies lines of standard input.

use std::io::{BufRead, Write as _};

use anyhow::Context as _;
use dragline_classifier::RuleSet;
use dragline_report::render;
use dragline_schema::{Classify as _, Verdict};
use serde_json::json;

use crate::args::RulesArgs;
use crate::output::tell;
use crate::session::Session;

/// Keys that are added, or replaced if a line has them.
const LABELS: [&str; 5] = [
    "error_category",
    "error_sub_category",
    "error_severity",
    "error_rule",
    "error_runner_up",
];

/// Maximum length of a line, in bytes; longer lines are cut.
const MAX_LINE: usize = 8 << 20;
/// Number of bytes of a cut line that are passed on.
const SHOWN_OF_CUT: usize = 64 << 10;

/// `dragline classify`
pub(crate) fn classify(args: &RulesArgs) -> anyhow::Result<()> {
    let rules = Session::open(args)?.rules;
    let mut input = std::io::BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    let mut number = 0u64;
    while let Some(end) = read_line(&mut input, &mut line).context("cannot read standard input")? {
        number += 1;
        let mut text = line.strip_suffix(b"\r").unwrap_or(&line);
        if number == 1 {
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        if end == End::Cut {
            tell(&format!(
                "line {number} has more than {} MiB: only its beginning was classified",
                MAX_LINE >> 20
            ));
            text = &text[..text.len().min(SHOWN_OF_CUT)];
        }
        let labelled = labelled(&rules, text);
        writeln!(output, "{}", render::clean_json(&labelled))
            .context("cannot write to standard output")?;
        // A reader of a followed log waits for each line; a file fills the buffer.
        if input.buffer().is_empty() {
            output.flush().context("cannot write to standard output")?;
        }
    }
    output.flush().context("cannot write to standard output")
}

/// Whether a line was read completely.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Whole,
    /// The line exceeds the maximum length; the remainder was skipped.
    Cut,
}

/// Reads the next line without its line feed; `None` at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<End>> {
    line.clear();
    let mut end = None;
    loop {
        let held = input.fill_buf()?;
        if held.is_empty() {
            return Ok(end);
        }
        let feed = held.iter().position(|byte| *byte == b'\n');
        let piece = &held[..feed.unwrap_or(held.len())];
        let room = MAX_LINE.saturating_sub(line.len()).min(piece.len());
        line.extend_from_slice(&piece[..room]);
        end = match end {
            Some(End::Cut) => end,
            _ if room < piece.len() => Some(End::Cut),
            _ => Some(End::Whole),
        };
        let taken = piece.len() + usize::from(feed.is_some());
        input.consume(taken);
        if feed.is_some() {
            return Ok(end);
        }
    }
}

/// Returns the line as a JSON object with its classification. The members of an object are passed on
/// unchanged; any other line becomes the `error_message`.
fn labelled(rules: &RuleSet, line: &[u8]) -> String {
    let shown = String::from_utf8_lossy(line);
    // Invalid UTF-8 is not part of the message, so it must not influence the classification.
    let read = match std::str::from_utf8(line) {
        Ok(_) => shown.clone(),
        Err(_) => shown.replace('\u{fffd}', "?").into(),
    };
    let fields = dragline_ingest::members(&shown);
    let verdict = if fields.is_some() {
        let record = dragline_ingest::decode_error(&read);
        let text = record
            .as_ref()
            .and_then(dragline_schema::Record::error_text);
        rules.classify(&text.unwrap_or_default())
    } else {
        rules.classify(&RuleSet::error_of_text(&read))
    };
    let mut members: Vec<String> = match fields {
        Some(fields) => fields
            .into_iter()
            .filter(|(key, _)| !LABELS.contains(&&**key))
            .map(|(key, value)| format!("{}:{value}", json!(key)))
            .collect(),
        None => vec![format!("\"error_message\":{}", json!(shown))],
    };
    members.extend(labels(&verdict));
    let line = format!("{{{}}}", members.join(","));
    // Remove lone surrogates of texts that were cut within a character, so that the output is valid JSON.
    dragline_ingest::without_lone_surrogates(&line).unwrap_or(line)
}

fn labels(verdict: &Verdict<'_>) -> impl Iterator<Item = String> {
    let values = [
        json!(verdict.category),
        json!(verdict.sub_category),
        json!(verdict.severity),
        json!(verdict.rule),
        json!(verdict.runner_up),
    ];
    let pairs = LABELS.into_iter().zip(values);
    pairs.map(|(key, value)| format!("\"{key}\":{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_lines_and_none_is_endless() {
        let long = [b"x".repeat(MAX_LINE + 7), b"\nlast".to_vec()].concat();
        let text = [b"one\n\n".to_vec(), long].concat();
        let mut input = std::io::BufReader::with_capacity(1000, &*text);
        let (mut line, mut read) = (Vec::new(), Vec::new());
        while let Some(end) = read_line(&mut input, &mut line).unwrap() {
            read.push((line.len(), end));
        }
        let expected = [
            (3, End::Whole),
            (0, End::Whole),
            (MAX_LINE, End::Cut),
            (4, End::Whole),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn a_line_is_passed_on_as_it_is_written() {
        let rules = RuleSet::shipped();
        let line = r#"{"id":12345678901234567890123,"a":1.0,"a":2, "error_category":"x","msg":"connect ECONNREFUSED"}"#;
        let told = labelled(&rules, line.as_bytes());
        let expected = r#"{"id":12345678901234567890123,"a":1.0,"a":2,"msg":"connect ECONNREFUSED","error_category":"network""#;
        assert!(told.starts_with(expected), "{told}");
    }

    #[test]
    fn bytes_that_are_no_text_are_not_what_is_told_of() {
        let rules = RuleSet::shipped();
        let told = labelled(&rules, b"all is w\xffll");
        assert!(told.contains("\"error_category\":\"unknown\""), "{told}");
        assert!(told.contains("all is w\u{fffd}ll"), "{told}");
    }
}
