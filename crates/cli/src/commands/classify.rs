//! `dragline classify`: labels lines from standard input.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;
use dragline_classifier::RuleSet;
use dragline_schema::{Classify as _, Verdict};
use serde_json::json;

use crate::args::RulesArgs;

/// The keys that are added, or replaced where a line has them.
const LABELS: [&str; 5] = [
    "error_category",
    "error_sub_category",
    "error_severity",
    "error_rule",
    "error_runner_up",
];

/// `dragline classify`
pub(crate) fn classify(args: &RulesArgs) -> anyhow::Result<()> {
    let rules = super::rules::compiled(args)?;
    let mut input = std::io::BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    let mut is_first = true;
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.context("cannot read standard input")? == 0 {
            break;
        }
        let mut text = line.strip_suffix(b"\n").unwrap_or(&line);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        if std::mem::take(&mut is_first) {
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        writeln!(output, "{}", labelled(&rules, text))
            .context("cannot write to standard output")?;
        // Whoever follows a log waits for each line; a file comes in full buffers.
        if input.buffer().is_empty() {
            output.flush().context("cannot write to standard output")?;
        }
    }
    output.flush().context("cannot write to standard output")
}

/// The line as an object, with what it was found to be. What an object has is passed on as it is
/// written; any other line becomes the `error_message`.
fn labelled(rules: &RuleSet, line: &[u8]) -> String {
    let shown = String::from_utf8_lossy(line);
    // Bytes that are no UTF-8 are this line's fault, not what it tells of.
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
    // Whoever reads it on need not know of texts that were cut within a character.
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
