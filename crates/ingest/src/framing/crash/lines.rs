//! Recognizes single lines of crashes: frames, messages that continue, and the line with the error.

/// Whether a line belongs to an open crash, judging by its text.
pub(crate) fn is_more(line: &str) -> bool {
    is_chain(line) || is_more_of_message(line) || is_frame(line)
}

/// Lines of an exception's message after the first.
pub(super) fn is_more_of_message(bare: &str) -> bool {
    const WORDS: [&str; 30] = [
        // ChromeDriver's causes.
        "from ",
        "╔",
        "║",
        "╚",
        "Stack backtrace:",
        "Stack Trace:",
        "Stack trace:",
        "Stack (most recent call last)",
        "\"\"\"",
        "--- End of logging error",
        "Last message",
        "State: ",
        "Logged from file",
        "Call stack:",
        "Message: ",
        "Arguments: ",
        "Call log:",
        "For more information",
        "Stacktrace:",
        "#",
        "(Session info",
        "[SQL:",
        "(Background on",
        "[parameters:",
        "HINT:",
        "DETAIL:",
        "LINE ",
        "=====",
        "Backtrace:",
        "The above exception",
    ];
    WORDS.iter().any(|words| bare.starts_with(words)) || is_of_selenium(bare)
}

/// What Selenium writes between the message of an error and its stack.
pub(crate) fn is_of_selenium(bare: &str) -> bool {
    const WORDS: [&str; 10] = [
        "Build info: version: ",
        "System info: os.name: ",
        "System info: host: ",
        "Driver info: ",
        "Capabilities {",
        "Session ID: ",
        "Element: [[",
        "Command: [",
        "Host info: host: ",
        "For documentation on this error, ",
    ];
    WORDS.iter().any(|words| bare.starts_with(words))
}

/// A stack frame.
pub(crate) fn is_frame(bare: &str) -> bool {
    bare.strip_prefix("at ")
        .is_some_and(|rest| !rest.is_empty())
}

/// ``shop.rb:3:in `page'``, also in a line with the cause of an error.
pub(crate) fn is_ruby_frame(bare: &str) -> bool {
    bare.split_once(".rb:").is_some_and(|(place, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        !place.contains(' ') && digits > 0 && rest[digits..].starts_with(":in ")
    })
}

/// `/srv/app.js:12`: the source position that threw, in Node's format.
pub(super) fn is_script_place(bare: &str) -> bool {
    let Some((path, line)) = bare.trim_end().rsplit_once(':') else {
        return false;
    };
    let is_script = [".js", ".mjs", ".cjs", ".ts", ".mts"]
        .iter()
        .any(|end| path.ends_with(end));
    is_script && !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()) && !path.contains(' ')
}

/// `Page.goto`: the name of a method, which Playwright writes before a failure. It is not an error type.
fn is_method(name: &str) -> bool {
    name.split_once('.').is_some_and(|(class, method)| {
        class.starts_with(|c: char| c.is_ascii_uppercase())
            && method.starts_with(|c: char| c.is_ascii_lowercase())
            && method.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Splits `Type: message`. If there is no type, the entire text is the message.
pub(crate) fn split_type(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (left, right) = text
        .split_once(": ")
        .unwrap_or((text.trim_end_matches(':'), ""));
    let is_name = left.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && left
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '$'))
        && left.contains(|c: char| c.is_uppercase() || c == '.')
        && !is_method(left);
    if is_name {
        (left, right.trim())
    } else {
        ("", text)
    }
}

/// The type and message of a line `Type: message`.
pub(crate) fn error_line(line: &str) -> Option<(&str, &str)> {
    if let Some(told) = behind_type(line) {
        return Some(told);
    }
    let line = behind_version(without_words(line));
    // Node's format for an error with properties.
    let line = line.strip_prefix('[').unwrap_or(line);
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')))
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let last = name.rsplit(['.', '$']).next().unwrap_or_default();
    let is_type = last.starts_with(|c: char| c.is_ascii_uppercase())
        && ["Error", "Exception", "Interrupt", "Failure", "Rejection"]
            .iter()
            .any(|end| last.ends_with(end));
    // `Error [ERR_X]: message`
    let rest = match rest.strip_prefix(" [") {
        Some(coded) => coded.split_once(']').map_or(rest, |(_, rest)| rest),
        None => rest,
    };
    match rest.as_bytes() {
        [] => (is_type && name.len() > "Exception".len()).then_some((name, "")),
        [b':', ..] => is_type.then(|| (name, rest[1..].trim())),
        _ => None,
    }
}

/// `page failed TypeError: message`: the error at the end of a text.
pub(crate) fn error_within(text: &str) -> Option<(&str, &str)> {
    text.match_indices(": ").find_map(|(at, _)| {
        let begin = text[..at].rfind([' ', '|', '(', '[']).map(|at| at + 1)?;
        // `503 Server Error: …` are the words of a status.
        let is_status = ["Client ", "Server "]
            .iter()
            .any(|w| text[..begin].ends_with(w));
        error_line(&text[begin..]).filter(|(name, _)| name.len() == at - begin && !is_status)
    })
}

/// Ruby's message over several lines: the source position, a mark below it, and the type after the mark.
pub(crate) fn behind_mark<'t>(first: &'t str, rest: &'t str) -> Option<(&'t str, &'t str)> {
    let marked = rest
        .lines()
        .take(6)
        .find(|line| line.trim_start().starts_with('^'))?;
    let name = marked.trim_end().strip_suffix(')')?.rsplit_once("^ (")?.1;
    error_line(name).map(|(name, _)| (name, first))
}

/// Removes the version of the program before an error: `[v0.21.1835.0] Jackett.Common.IndexerException: message`.
pub(crate) fn behind_version(line: &str) -> &str {
    let behind = || {
        let (version, rest) = line.strip_prefix("[v")?.split_once("] ")?;
        let is_version = version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        is_version.then_some(rest)
    };
    behind().unwrap_or(line)
}

/// Removes what runtimes write before an uncaught error.
pub(super) fn without_words(line: &str) -> &str {
    const WORDS: [&str; 6] = [
        "Uncaught ",
        "Unhandled exception. ",
        "Unhandled Exception: ",
        "PHP Fatal error:  Uncaught ",
        "PHP Fatal error: Uncaught ",
        "Fatal error: Uncaught ",
    ];
    let of_thread = || {
        let (_, rest) = line
            .strip_prefix("Exception in thread \"")?
            .split_once("\" ")?;
        Some(rest)
    };
    let bare = WORDS.iter().find_map(|words| line.strip_prefix(words));
    bare.or_else(of_thread).unwrap_or(line)
}

/// Errors with their type in parentheses: Elixir's `** (Type) message`, Ruby's ``shop.rb:3:in `f': message (Type)``.
pub(super) fn behind_type(line: &str) -> Option<(&str, &str)> {
    let is_type = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':'))
    };
    if let Some(rest) = line.strip_prefix("** (") {
        let (name, message) = rest.split_once(") ")?;
        return is_type(name).then_some((name, message.trim()));
    }
    let (place, rest) = line.split_once(".rb:")?;
    let (place_in, told) = rest.split_once("': ")?;
    let (message, name) = told.trim_end().strip_suffix(')')?.rsplit_once(" (")?;
    let is_ruby = !place.contains(' ') && place_in.contains(":in ") && is_type(name);
    is_ruby.then_some((name, message))
}

pub(super) fn is_of_v8(line: &str) -> bool {
    const WORDS: [&str; 9] = [
        "<---",
        "FATAL ERROR",
        "[",
        "-----",
        "Aborted",
        "Trace/breakpoint",
        "Security context",
        "====",
        "npm ERR!",
    ];
    let bare = line.trim_start();
    bare.is_empty()
        || WORDS.iter().any(|words| bare.starts_with(words))
        || bare.split_once(": ").is_some_and(|(number, rest)| {
            number.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with("0x")
                || rest.starts_with("builtin")
        })
        || line.starts_with([' ', '\t'])
}

pub(super) fn is_chain(bare: &str) -> bool {
    bare.starts_with("During handling of the above exception")
        || bare.starts_with("The above exception was the direct cause")
        || bare.starts_with("The above exception was caused by")
}
