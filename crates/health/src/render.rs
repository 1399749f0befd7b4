//! The report as a table of at most 80 columns.

use std::fmt::Write as _;

use dragline_schema::Timestamp;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::condition::{show, show_duration};
use crate::field::Field;
use crate::report::{CheckReport, Report};
use crate::result::Status;

/// Columns of the table.
const WIDTH: usize = 80;
const STATUS: usize = 13;
const NAME: usize = 20;
const SINCE: usize = 10;
const DETAIL: usize = WIDTH - STATUS - NAME - SINCE;

impl Report {
    /// The report for people, as plain text without colours. Lines have at most 80 columns.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "Health: {}", self.status.name());
        let _ = writeln!(text, "{}", self.summarise());
        for notice in &self.notices {
            text.push('\n');
            let since = show_since(self.generated_at, notice.since);
            for line in wrap(&format!("{} (since: {since})", notice.message), WIDTH) {
                let _ = writeln!(text, "{line}");
            }
        }
        if self.checks.is_empty() {
            text.push_str("\nNo checks are configured; add [[health.checks]] to dragline.toml.\n");
            return text;
        }
        text.push('\n');
        push_row(
            &mut text,
            ["STATUS", "CHECK", "SINCE"],
            &["DETAIL".to_owned()],
        );
        let mut checks: Vec<_> = self.checks.iter().collect();
        checks.sort_by_key(|check| std::cmp::Reverse(check.status));
        for check in checks {
            let since = check
                .since
                .map(|since| show_since(self.generated_at, since));
            let since = since.unwrap_or_else(|| "-".to_owned());
            let details = wrap(&describe(check), DETAIL);
            push_row(
                &mut text,
                [check.status.name(), &check.name, &since],
                &details,
            );
        }
        text
    }

    fn summarise(&self) -> String {
        let count = |status| {
            self.checks
                .iter()
                .filter(|check| check.status == status)
                .count()
        };
        let order = [
            Status::Critical,
            Status::Degraded,
            Status::Inconclusive,
            Status::Healthy,
        ];
        let counts: Vec<_> = order
            .into_iter()
            .map(|status| (count(status), status.name()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let time = self.generated_at.to_jiff().strftime("%Y-%m-%d %H:%M UTC");
        if counts.is_empty() {
            return time.to_string();
        }
        format!("{time} · {}", counts.join(", "))
    }
}

fn show_since(now: Timestamp, since: Timestamp) -> String {
    match now.since(since) {
        ..1_000_000 => "now".to_owned(),
        micros => show_duration(micros as f64 / 1e6),
    }
}

/// What a reader needs to know about a check.
fn describe(check: &CheckReport) -> String {
    let mut parts = Vec::new();
    let values = summarise_values(check);
    if !values.is_empty() {
        parts.push(values);
    }
    let is_good = check.status == Status::Healthy && check.last_result == Status::Healthy;
    match &check.message {
        Some(message) if !is_good || parts.is_empty() => parts.insert(0, message.clone()),
        None if parts.is_empty() && check.checked_at.is_none() => {
            parts.push("not checked yet".to_owned());
        }
        _ => {}
    }
    let differs = check.last_result != check.status && check.last_result != Status::Inconclusive;
    if differs && check.results_in_a_row > 0 && check.results_needed > 1 {
        parts.push(format!(
            "last result {}, {} of {} in a row",
            check.last_result.name(),
            check.results_in_a_row,
            check.results_needed
        ));
    }
    parts.join("; ")
}

/// The numbers that people look at first.
fn summarise_values(check: &CheckReport) -> String {
    let shown = |field: Field, before: &str, after: &str| {
        let value = check.values.get(&field)?;
        Some(format!("{before}{}{after}", show(field, *value)))
    };
    let parts = [
        shown(Field::Status, "status ", ""),
        shown(Field::ResponseTime, "", ""),
        shown(Field::FreePercent, "", " free"),
        shown(Field::CertificateDays, "certificate ", " days"),
        shown(Field::Requests, "", " requests"),
        shown(Field::FailedPercent, "", " failed"),
        shown(Field::Age, "age ", ""),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn push_row(text: &mut String, cells: [&str; 3], details: &[String]) {
    let [status, name, since] = cells;
    let mut line = pad(status, STATUS);
    line.push_str(&pad(&cut(name, NAME - 2), NAME));
    line.push_str(&pad(since, SINCE));
    let mut details = details.iter();
    line.push_str(details.next().map_or("", String::as_str));
    let _ = writeln!(text, "{}", line.trim_end());
    for detail in details {
        let _ = writeln!(text, "{}{detail}", " ".repeat(STATUS + NAME + SINCE));
    }
}

fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// Cuts a text to a width, with a mark.
fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if text.width() <= width {
        return text;
    }
    let mut cut = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += columns(c);
        if used > width {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// Breaks a text into lines of a width, at spaces where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = clean(text);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word.to_owned();
        // A line of combining marks alone has no width.
        if let Some(line) = lines.last_mut().filter(|line| !line.is_empty()) {
            if line.width() + 1 + word.width() <= width {
                line.push(' ');
                line.push_str(&word);
                continue;
            }
            lines.push(String::new());
        }
        while word.width() > width {
            let split = split_at_width(&word, width);
            let rest = word.split_off(split);
            replace_last(&mut lines, word);
            lines.push(String::new());
            word = rest;
        }
        replace_last(&mut lines, word);
    }
    lines
}

fn replace_last(lines: &mut [String], text: String) {
    if let Some(line) = lines.last_mut() {
        *line = text;
    }
}

/// The most columns that a character adds to a text. The selector of emoji presentation has no width of its own and
/// widens the symbol before it.
fn columns(c: char) -> usize {
    match c {
        '\u{fe0f}' => 1,
        _ => c.width().unwrap_or(0),
    }
}

/// Byte at which the first `width` columns end; at least one character.
fn split_at_width(word: &str, width: usize) -> usize {
    let mut used = 0;
    for (index, c) in word.char_indices() {
        used += columns(c);
        if used > width && index > 0 {
            return index;
        }
    }
    word.len()
}

/// Replaces what would move a terminal's cursor or the direction of its text.
fn clean(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if is_hidden(c) { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_word_is_lost(text in "\\PC{0,200}", width in 4usize..60) {
            let lines = wrap(&text, width);
            for line in &lines {
                prop_assert!(line.width() <= width, "{line:?}");
            }
            let squeeze = |text: &str| text.replace(' ', "");
            prop_assert_eq!(squeeze(&lines.concat()), squeeze(&clean(&text)));
            prop_assert!(cut(&text, width).width() <= width);
        }
    }

    #[test]
    fn a_word_without_width_is_kept() {
        assert_eq!(wrap("\u{11d3c} abc", 4), ["\u{11d3c} abc"]);
        assert_eq!(wrap("\u{11d3c} abcd", 4), ["\u{11d3c}", "abcd"]);
    }

    #[test]
    fn a_symbol_that_is_widened_fits() {
        assert_eq!(
            wrap("\u{1f56f}\u{fe0f}abc", 4),
            ["\u{1f56f}\u{fe0f}ab", "c"]
        );
        assert_eq!(cut("\u{1f56f}\u{fe0f}abc", 4), "\u{1f56f}\u{fe0f}a…");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a [2Jb c d");
    }
}
