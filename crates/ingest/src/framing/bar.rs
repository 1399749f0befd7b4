//! Progress bars, which do not end their lines.

use crate::parsing::head;

/// Whether a text is part of a progress bar.
pub(crate) fn is_bar(text: &str) -> bool {
    text.contains("%|")
        || (text.contains("━") && text.contains('%'))
        || (text.contains("it/s") && text.contains('['))
        || text.contains("s/it]")
}

/// The record that a program wrote after an unfinished progress bar, on the same line.
pub(crate) fn behind_bar(line: &str) -> &str {
    // Fast path: most lines contain neither character.
    if memchr::memchr2(b'|', b']', line.as_bytes()).is_none() {
        return line;
    }
    if !line.contains("%|") && !line.contains("it/s]") && !line.contains("s/it]") {
        return line;
    }
    // The bar ends with its rate per second.
    let Some(end) = ["it/s]", "s/it]", "B/s]", "?it/s]"]
        .iter()
        .filter_map(|end| Some(line.rfind(end)? + end.len()))
        .max()
    else {
        return line;
    };
    let behind = &line[end..];
    let is_record = head::head(behind).is_some() || behind.starts_with('{');
    if is_record { behind } else { line }
}
