//! Extracts an error from the lines of a text record that has no traceback: a type in the message, reasons and
//! causes on the following lines, or a drawn box.

use dragline_schema::{Event, Record};

use crate::framing::crash;

/// The type and the message of the error that a record's text describes.
pub(super) fn told_error<'t>(first: &'t str, rest: &'t str) -> Option<(&'t str, &'t str)> {
    let of_fields = labelled(rest).or_else(|| of_dagster(rest));
    if let Some(told) = of_fields.or_else(|| of_symfony(first)) {
        return Some(told);
    }
    // The exception may be alone on the next line.
    let behind = rest.lines().next().and_then(crash::error_line);
    let split = || Some(crash::split_type(first)).filter(|(name, _)| is_type(name));
    let told = behind.filter(|(name, _)| is_type(name));
    let told = told.or_else(|| crash::error_line(first)).or_else(split);
    // `Exception: NoMethodError: message`
    let told = told.map(|told| match (told.0, crash::error_line(told.1)) {
        ("Exception" | "Error", Some(inner)) => inner,
        _ => told,
    });
    let told = told.or_else(|| crash::behind_mark(first, rest));
    told.or_else(|| crash::error_within(first))
        .or_else(|| type_within(first))
        .or_else(|| bracketed(first))
        .or_else(|| shown_at_end(first))
        .or_else(|| named_at_end(first))
}

/// `Error thrown while running command "x". Message: "…" ["exception" => App\Exception\Refused { …},…]`: the context
/// below Symfony's console.
fn of_symfony(text: &str) -> Option<(&str, &str)> {
    let (message, rest) = text.split_once(" [\"exception\" => ")?;
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\\');
    let class = &rest[..rest.bytes().take_while(|b| is_part(*b)).count()];
    let name = class.rsplit('\\').next().filter(|name| !name.is_empty())?;
    let told = message
        .split_once("Message: \"")
        .map_or(message, |(_, told)| told);
    Some((name, told.strip_suffix('"').unwrap_or(told)))
}

/// `failed to parse https://…: KeyError('price')`: an exception as Python shows it, at the end.
fn shown_at_end(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_end().strip_suffix(')')?;
    let open = inner.find("Error(").map(|at| at + "Error".len());
    let open = open.or_else(|| Some(inner.find("Exception(")? + "Exception".len()))?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let begin = inner[..open].trim_end_matches(is_part).len();
    let message = inner[open + 1..].trim_end_matches(',');
    let is_alone = begin == 0 || inner[..begin].ends_with([' ', ':']);
    (is_alone && is_type(&inner[begin..open])).then_some((&inner[begin..open], message))
}

/// `undefined method 'text' for nil (NoMethodError)`: Ruby's full message, the type at its end.
fn named_at_end(text: &str) -> Option<(&str, &str)> {
    let (message, name) = text.trim_end().strip_suffix(')')?.rsplit_once(" (")?;
    let (name, _) = crash::error_line(name).filter(|(_, rest)| rest.is_empty())?;
    Some((name, message))
}

/// `page https://… failed: MissingElement: message`: a type in a name of several words, between colons.
fn type_within(text: &str) -> Option<(&str, &str)> {
    let mut colons = text.match_indices(": ").map(|(at, _)| at);
    let mut before = colons.next()?;
    for at in colons {
        let name = &text[before + 2..at];
        let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if is_name && is_type(name) {
            return Some((name, text[at + 2..].trim()));
        }
        before = at;
    }
    None
}

/// `Could not fetch https://…: [AttributeError] 'NoneType' object has no attribute 'start'`.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    text.match_indices('[').find_map(|(at, _)| {
        let is_apart = at == 0 || text[..at].ends_with(' ');
        let (name, message) = text[at + 1..].split_once(']').filter(|_| is_apart)?;
        let (name, _) = crash::error_line(name).filter(|(_, rest)| rest.is_empty())?;
        Some((name, message.trim_start_matches([' ', ':', '-'])))
    })
}

/// The type and the message of an error that only a record's message describes.
pub(super) fn complete(record: &mut Record<'_>) {
    let Event::ScraperError(error) = &mut record.event else {
        return;
    };
    if error.error_type.is_some() || error.error_message.is_some() || error.traceback.is_some() {
        return;
    }
    let message = record.message.as_deref().unwrap_or_default();
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    if let Some((error_type, message)) = told_error(first, rest) {
        error.error_type = Some(error_type.to_owned().into());
        error.error_message = Some(message.to_owned().into());
    }
}

/// Dagster's error of a step: its own, the one of the program, and the stacks of both.
fn of_dagster(rest: &str) -> Option<(&str, &str)> {
    let bare = rest.trim_start();
    if !bare.starts_with("dagster.") || !rest.contains("\nStack Trace:") {
        return None;
    }
    let errors = rest.lines().filter_map(crash::error_line);
    let mut errors =
        errors.filter(|(name, message)| !name.starts_with("dagster.") && !message.is_empty());
    errors.next()
}

/// tslog's form of an error: ` TypeError  message`, before the line `error stack:`.
fn labelled(rest: &str) -> Option<(&str, &str)> {
    let (line, behind) = rest.trim_start_matches('\n').split_once('\n')?;
    let (label, message) = line.strip_prefix(' ')?.split_once("  ")?;
    let is_label = !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_label && behind.starts_with("error stack:")).then_some((label, message))
}

/// An error message with the reasons on the following lines: lines after a colon, as Go's `errors.Join` writes
/// them, or the causes of anyhow and eyre (`Caused by:`, one per line).
pub(super) fn reasons(first: &str, rest: &str) -> Option<String> {
    const MOST: usize = 4;
    let bare = rest.trim_start();
    let causes = bare.strip_prefix("Caused by:\n");
    let listed = first.trim_end().ends_with(':').then_some(bare);
    let lines = causes.or(listed)?.lines().map(str::trim);
    let lines = lines.take_while(|line| !line.is_empty() && !line.starts_with("at "));
    let cause = |line: &str| {
        let (number, cause) = line.split_once(": ").unwrap_or(("", line));
        let is_number = causes.is_some() && number.bytes().all(|b| b.is_ascii_digit());
        let told = if is_number { cause } else { line };
        told.trim_start_matches(['*', '-', ' ']).to_owned()
    };
    let reasons: Vec<String> = lines.take(MOST).map(cause).collect();
    let sign = if causes.is_some() { ": " } else { " " };
    (!reasons.is_empty()).then(|| format!("{}{sign}{}", first.trim_end(), reasons.join(": ")))
}

/// The text of a drawn box after a record whose first line ends with a colon.
pub(super) fn boxed(first: &str, rest: &str) -> Option<String> {
    if !first.trim_end().ends_with(':') || !rest.starts_with(['┌', '╭', '╔', '│', '┃']) {
        return None;
    }
    let frame = |c: char| c.is_whitespace() || ('\u{2500}'..='\u{257f}').contains(&c) || c == '×';
    let lines = rest.lines().map(|line| line.trim_matches(frame));
    let words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Whether a word before a colon is an error type: `KeyError`, `shop.Refused`, not `Progress`.
fn is_type(word: &str) -> bool {
    let has_hump = word
        .bytes()
        .zip(word.bytes().skip(1))
        .any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase());
    !word.is_empty() && (has_hump || word.contains('.') || word == "Error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_stands_between_colons() {
        for (text, expected) in [
            (
                "page https://shop.test/p/1 failed: MissingElement: no `.price`",
                Some(("MissingElement", "no `.price`")),
            ),
            (
                "trouble with 'https://shop.test/p/1': KeyError: 'price'",
                Some(("KeyError", "'price'")),
            ),
            (
                "Failed to parse https://shop.test/p/1: KeyError('price')",
                Some(("KeyError", "'price'")),
            ),
            (
                "undefined method 'text' for nil (NoMethodError)",
                Some(("NoMethodError", "undefined method 'text' for nil")),
            ),
            (
                "Error thrown while running \"x\". Message: \"no\" [\"exception\" => App\\ClientException { …}]",
                Some(("ClientException", "no")),
            ),
            (
                "Could not fetch https://shop.test/p/1: [AttributeError] 'NoneType' object has no attribute 'start'",
                Some((
                    "AttributeError",
                    "'NoneType' object has no attribute 'start'",
                )),
            ),
            ("progress: Books: 12 of 40", None),
            ("failed: no answer", None),
        ] {
            assert_eq!(told_error(text, ""), expected, "{text}");
        }
    }
}
