//! Parses tracebacks and stack traces into type, message, causes and the user's own function.

use dragline_schema::Cause;

use crate::framing::crash::{self, split_type};

/// A parsed traceback.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Traceback<'t> {
    pub(crate) error_type: &'t str,
    pub(crate) message: &'t str,
    /// Outermost first.
    pub(crate) causes: Vec<Cause<'t>>,
    /// The innermost function that is not in a library.
    pub(crate) function: Option<&'t str>,
}

/// Parses a Python traceback, or a JavaScript or Java stack trace; `None` if the text is neither.
pub(crate) fn parse(text: &str) -> Option<Traceback<'_>> {
    if text.contains("Traceback (most recent call last)") {
        python(text)
    } else if text
        .lines()
        .skip(1)
        .any(|line| line.trim_start().starts_with("at "))
    {
        Some(stack(text))
    } else {
        None
    }
}

/// Parses a Python traceback. Chained exceptions are listed root cause first; the last one is the one raised.
fn python(text: &str) -> Option<Traceback<'_>> {
    // A logger may indent the whole traceback.
    let is_first = |line: &&str| {
        line.contains("Traceback (most recent call last)") && !line.contains("+ Exception Group")
    };
    let indent = text
        .lines()
        .find(is_first)
        .map_or("", |line| &line[..line.len() - line.trim_start().len()]);
    let mut raised: Vec<(&str, &str)> = Vec::new();
    let mut function = None;
    let mut frames_of = None;
    let mut inside = false;
    let mut is_group = false;
    for line in text.lines() {
        let line = line.strip_prefix(indent).unwrap_or(line);
        // rich draws a box around the frames.
        let bare = line.trim_start_matches(['|', '+', ' ', '>', '\t', '╭', '─']);
        let begun = bare.strip_prefix("Exception Group ").unwrap_or(bare);
        if begun.starts_with("Traceback (most recent call last)") {
            is_group |= begun.len() < bare.len();
            inside = true;
            frames_of = None;
        } else if let Some(member) = group_member(line).filter(|_| is_group && inside) {
            inside = false;
            raised.push(split_type(member));
            function = function.or(frames_of);
        } else if let Some(frame) = bare.strip_prefix("File \"").filter(|_| inside) {
            if let Some(name) = user_function(frame) {
                frames_of = Some(name);
            }
        } else if inside
            && !line.trim().is_empty()
            && !line.starts_with([' ', '>', '|', '\t', '╭', '╰', '│'])
            && !line.starts_with("--- <exception caught here>")
        {
            inside = false;
            raised.push(split_type(line));
            function = frames_of;
        }
    }
    if is_group {
        // In a group, the group itself comes first, then its members.
        raised.reverse();
    }
    let (error_type, message) = raised.pop()?;
    let causes = raised
        .into_iter()
        .rev()
        .map(|(error_type, message)| Cause {
            error_type: error_type.into(),
            error_message: message.into(),
        })
        .collect();
    Some(Traceback {
        error_type,
        message,
        causes,
        function,
    })
}

/// The text right after the bar that precedes each line of an exception group.
fn group_member(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("| ")?;
    (!rest.is_empty() && !rest.starts_with([' ', '|', '+'])).then_some(rest)
}

/// The function in `path", line N, in NAME`, unless the path is in a library.
fn user_function(frame: &str) -> Option<&str> {
    let (path, rest) = frame.split_once('"')?;
    let library = ["site-packages", "dist-packages", "/lib/python", "<frozen "];
    if library.iter().any(|part| path.contains(part)) {
        return None;
    }
    rest.rsplit_once(" in ").map(|(_, name)| name.trim())
}

/// The errors that an `AggregateError` lists in `[errors]: [`.
fn errors_within(text: &str) -> Vec<Cause<'_>> {
    const MOST: usize = 8;
    let Some((_, list)) = text.split_once("[errors]: [") else {
        return Vec::new();
    };
    let told = list
        .lines()
        .filter_map(|line| crash::error_line(line.trim()));
    told.take(MOST)
        .map(|(error_type, message)| Cause {
            error_type: error_type.into(),
            error_message: message.into(),
        })
        .collect()
}

/// The error's `name` property, as Node prints it after the stack: `  name: 'TimeoutError'`.
fn member_name(text: &str) -> Option<&str> {
    let behind = &text[text.find("{\n")?..];
    let mut lines = behind
        .lines()
        .filter_map(|line| line.strip_prefix("  name: '"));
    let (name, _) = lines.next()?.split_once('\'')?;
    let is_type = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_type.then_some(name)
}

/// Parses a stack trace: `Type: message`, then `at …` lines, then optionally `caused by: Type: message` and more.
fn stack(text: &str) -> Traceback<'_> {
    let is_frame = |line: &str| line.trim_start().starts_with("at ");
    let head_end = text
        .match_indices('\n')
        .find(|(at, _)| is_frame(text[at + 1..].lines().next().unwrap_or_default()))
        .map_or(text.len(), |(at, _)| at);
    let head = crash::behind_version(text[..head_end].trim_start());
    let (first, more) = head.split_once('\n').unwrap_or((head, ""));
    // Skip what runtimes print before the type.
    let (error_type, message) = match crash::error_line(first) {
        Some(told) if more.is_empty() => told,
        _ => match split_type(head) {
            ("", whole) => crash::error_within(first).unwrap_or(("", whole)),
            told => told,
        },
    };
    // Playwright's call log is not part of the message.
    let message = message.split("\nCall log:").next().unwrap_or(message);
    let error_type = match error_type {
        "" | "Error" => member_name(text).unwrap_or(error_type),
        known => known,
    };
    let causes: Vec<Cause<'_>> = text
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            let lower = line.get(..10)?.to_ascii_lowercase();
            (lower == "caused by:" || lower.starts_with("[cause]:"))
                .then(|| line.split_once(':').map(|(_, cause)| split_type(cause)))?
        })
        .map(|(error_type, message)| Cause {
            error_type: error_type.into(),
            error_message: message.trim_end_matches('{').trim().into(),
        })
        .collect();
    let causes = if causes.is_empty() {
        errors_within(text)
    } else {
        causes
    };
    let function = text
        .lines()
        .filter(|line| is_frame(line))
        .find(|line| !line.contains("node_modules") && !line.contains("node:"))
        .and_then(|line| {
            let frame = line.trim().strip_prefix("at ")?;
            let frame = frame.strip_prefix("async ").unwrap_or(frame);
            frame.split_once(" (").map(|(name, _)| name)
        });
    Traceback {
        error_type,
        message,
        causes,
        function,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_exceptions_has_its_members_as_causes() {
        let text = "  + Exception Group Traceback (most recent call last):\n  |   File \"/srv/a.py\", line 3, in stock\n  |     raise ExceptionGroup('x')\n  | ExceptionGroup: stock is incomplete (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File \"/srv/a.py\", line 9, in one\n    | ValueError: no number\n    +---------------- 2 ----------------\n    | Traceback (most recent call last):\n    |   File \"/srv/a.py\", line 12, in two\n    | KeyError: 'in_stock'\n    +------------------------------------\n";
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.error_type, "ExceptionGroup");
        assert_eq!(parsed.message, "stock is incomplete (2 sub-exceptions)");
        assert_eq!(parsed.function, Some("stock"));
        let causes: Vec<&str> = parsed
            .causes
            .iter()
            .map(|cause| &*cause.error_type)
            .collect();
        assert_eq!(causes, ["ValueError", "KeyError"]);
    }

    #[test]
    fn a_chained_python_traceback() {
        let text = r#"Traceback (most recent call last):
  File "/srv/venv/lib/python3.11/site-packages/httpx/_transports.py", line 60, in map
    yield
           ^^^^^^^^^
httpcore.ReadTimeout: The read operation timed out

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/scrapers/shop.py", line 45, in fetch
    response = client.get(url)
  File "/srv/venv/lib/python3.11/site-packages/httpx/_client.py", line 9, in get
    raise
httpx.HTTPStatusError: Client error '403 Forbidden' for url 'http://x/'
For more information check: https://example.com/403"#;
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.error_type, "httpx.HTTPStatusError");
        assert_eq!(
            parsed.message,
            "Client error '403 Forbidden' for url 'http://x/'"
        );
        assert_eq!(parsed.function, Some("fetch"));
        assert_eq!(parsed.causes.len(), 1);
        assert_eq!(parsed.causes[0].error_type, "httpcore.ReadTimeout");
    }

    #[test]
    fn logurus_drawn_traceback() {
        let text = "Page failed\nTraceback (most recent call last):\n\n> File \"/srv/shop.py\", line 102, in main\n    items += product(path)\n    │        └ '/product/75'\n\nAttributeError: 'NoneType' object has no attribute 'strip'\n";
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.error_type, "AttributeError");
        assert_eq!(parsed.function, Some("main"));
    }

    #[test]
    fn a_node_stack_with_a_cause() {
        let text = "TypeError: fetch failed\n    at node:internal/deps/undici:1:2\n    at async get (file:///srv/shop.mjs:44:24)\ncaused by: Error: read ECONNRESET\n    at TCP.onRead (node:net:1:1)";
        let parsed = parse(text).unwrap();
        assert_eq!(
            (parsed.error_type, parsed.message),
            ("TypeError", "fetch failed")
        );
        assert_eq!(parsed.function, Some("get"));
        assert_eq!(parsed.causes[0].error_type, "Error");
        assert_eq!(parsed.causes[0].error_message, "read ECONNRESET");
    }

    #[test]
    fn plain_words_are_no_traceback() {
        assert_eq!(parse("it failed\nbadly"), None);
        assert_eq!(
            split_type("could not open: the file"),
            ("", "could not open: the file")
        );
        assert_eq!(split_type("KeyError: 'price'"), ("KeyError", "'price'"));
        assert_eq!(
            split_type("asyncio.exceptions.TimeoutError"),
            ("asyncio.exceptions.TimeoutError", "")
        );
    }
}
