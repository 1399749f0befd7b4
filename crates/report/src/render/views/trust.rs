//! Data quality: what was read and what could not be read.

use std::collections::{BTreeMap, BTreeSet};

use super::super::document::{Align, Document, Tone};
use super::super::words::{bytes, count, plural};
use crate::model::Trust;

/// Maximum number of locations shown per kind of problem.
const MOST_PLACES: usize = 20;

pub(super) fn trust_line(trust: &Trust) -> String {
    // What is followed line by line has no size.
    let size = match trust.bytes {
        0 => String::new(),
        size => format!(" ({})", bytes(size)),
    };
    format!(
        "{} from {}{size}; {}.",
        plural(trust.events, "event"),
        plural(trust.files, "file"),
        unread_of(trust).unwrap_or_else(|| "everything could be read".to_owned())
    )
}

pub(super) fn unread_of(trust: &Trust) -> Option<String> {
    let count_of = |kinds: &[&str]| -> u64 {
        let matching = trust
            .problems
            .iter()
            .filter(|problem| kinds.contains(&problem.kind.as_str()));
        matching.map(|problem| problem.count).sum()
    };
    // A file can have several problems; it counts once.
    let files_of = |kinds: &[&str]| -> u64 {
        let matching = trust
            .problems
            .iter()
            .filter(|problem| kinds.contains(&problem.kind.as_str()));
        matching
            .map(|problem| &problem.file)
            .collect::<BTreeSet<_>>()
            .len() as u64
    };
    let files = files_of(&["unreadable_file", "binary_file"]);
    let cut = files_of(&["truncated_file", "corrupt_file"]);
    let holes = count_of(&["nul_bytes"]);
    let timeless = count_of(&["no_timestamp"]);
    let estimated = count_of(&["estimated_time"]);
    let ambiguous = count_of(&["ambiguous_date"]);
    let parts: Vec<String> = [
        (files, "file", "could not be read"),
        (cut, "archive", "could not be read to the end"),
        (trust.bad_lines, "line", "could not be read"),
        (holes, "hole", "of NUL bytes in place of lines"),
        (timeless, "event", "without a readable time"),
        (
            estimated,
            "event",
            "without a time, which is estimated from the file's name",
        ),
        (
            ambiguous,
            "event",
            "with an ambiguous order of day and month (use --date-order)",
        ),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(n, noun, what)| format!("{} {what}", plural(n, noun)))
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn trust(trust: &Trust, document: &mut Document) {
    document.heading("Data quality");
    let dialects: Vec<String> = trust
        .dialects
        .iter()
        .map(|(name, n)| format!("{name} {}", count(*n)))
        .collect();
    let read = if dialects.is_empty() {
        "nothing".to_owned()
    } else {
        dialects.join(", ")
    };
    let mut sentences = vec![format!("Events by dialect: {read}.")];
    if trust.missing_seq > 0 {
        sentences.push(format!(
            "{} missing according to the sequence numbers.",
            plural(trust.missing_seq, "line")
        ));
    }
    if trust.unclassified_errors > 0 {
        sentences.push(format!(
            "{}.",
            plural(trust.unclassified_errors, "unclassified error")
        ));
    }
    document.text(Tone::Plain, sentences.join(" "));
    let headers = [
        (Align::Left, "problem"),
        (Align::Right, "count"),
        (Align::Cut, "first location"),
        (Align::Cut, "detail"),
    ];
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let shown = trust.problems.iter().filter(|problem| {
        let seen = kinds.entry(&problem.kind).or_default();
        *seen += 1;
        *seen <= MOST_PLACES
    });
    let rows = shown.map(|problem| {
        let first = match problem.line {
            Some(line) => format!("{}:{line}", problem.file),
            None => problem.file.clone(),
        };
        let tone = match problem.kind.as_str() {
            "not_a_log" | "duplicate_file" | "empty_file" => Tone::Muted,
            _ => Tone::Warning,
        };
        (
            tone,
            vec![
                problem.kind.replace('_', " "),
                count(problem.count),
                first,
                problem.detail.clone(),
            ],
        )
    });
    document.table(&headers, rows.collect());
    for (kind, count) in kinds {
        if count > MOST_PLACES {
            let (more, kind) = (count - MOST_PLACES, kind.replace('_', " "));
            let sentence = format!("{more} more locations of {kind}; --format json lists all.");
            document.text(Tone::Muted, sentence);
        }
    }
    if trust.bad_lines > 0 {
        let sentence = "Lines in an unknown format that are records can be described with [[dialects]] in dragline.toml (docs/reading.md).";
        document.text(Tone::Muted, sentence);
    }
    for note in &trust.notes {
        document.text(Tone::Muted, note.clone());
    }
}
