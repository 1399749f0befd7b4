//! Progress bars, which do not end their lines.

use crate::parsing::head;

/// Whether a text is a progress bar's.
pub(crate) fn is_bar(text: &str) -> bool {
    text.contains("%|")
        || (text.contains("━") && text.contains('%'))
        || (text.contains("it/s") && text.contains('['))
        || text.contains("s/it]")
}

/// What a program wrote behind a progress bar that was not ended.
pub(crate) fn behind_bar(line: &str) -> &str {
    // Most lines have neither.
    if memchr::memchr2(b'|', b']', line.as_bytes()).is_none() {
        return line;
    }
    if !line.contains("%|") && !line.contains("it/s]") && !line.contains("s/it]") {
        return line;
    }
    // The bar ends with what it counts a second.
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
