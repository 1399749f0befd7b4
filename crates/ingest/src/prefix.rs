//! What containers' runtimes and platforms put around the lines of a program.
//!
//! Kubernetes writes `2026-03-04T11:22:33.123456789Z stdout F ` (CRI), Docker
//! `{"log":"…\n","stream":"stdout","time":"…"}` (json-file), `docker compose logs` `name-1  | `,
//! `kubectl logs --prefix` `[pod/name/container] `, and platforms a time before what is JSON. Long
//! lines come in pieces.

use std::borrow::Cow;

use dragline_schema::{Level, Timestamp};

use crate::json::{Object, scalar};

/// A container's name, and the blanks behind it, have fewer bytes.
const LONGEST_NAME: usize = 100;

/// A line as its program wrote it.
#[derive(Debug, PartialEq)]
pub(crate) struct Unwrapped<'l> {
    pub(crate) text: Cow<'l, str>,
    /// When the runtime took it.
    pub(crate) time: Option<Timestamp>,
    /// Whether the line goes on in the next one of the same stream.
    pub(crate) is_piece: bool,
    /// Whether it was written to standard error: the two streams are cut apart from each other.
    pub(crate) is_stderr: bool,
}

/// Takes everything off that stands around a line.
pub(crate) fn unwrap(line: &str) -> Unwrapped<'_> {
    let mut unwrapped = Unwrapped {
        text: Cow::Borrowed(line),
        time: None,
        is_piece: false,
        is_stderr: false,
    };
    let mut line = line;
    loop {
        if line.starts_with('{') {
            docker(line, &mut unwrapped);
            return unwrapped;
        }
        // Most lines have nothing around them, and their first byte tells.
        let behind = match line.as_bytes().first() {
            Some(b'0'..=b'9') => kubernetes(line, &mut unwrapped)
                .or_else(|| time(line, &mut unwrapped))
                .or_else(|| compose(line)),
            Some(b'[') => kubectl(line),
            Some(first) if first.is_ascii_graphic() => compose(line),
            _ => None,
        };
        let Some(behind) = behind else {
            return unwrapped;
        };
        unwrapped.text = Cow::Borrowed(behind);
        line = behind;
    }
}

/// The line in an object of Docker's: it has nothing but the line, the stream and the time.
fn docker(line: &str, unwrapped: &mut Unwrapped<'_>) {
    if !line.starts_with("{\"log\":\"") {
        return;
    }
    let Some(object) = Object::parse(line) else {
        return;
    };
    let field = |name: &str| {
        let field = object.fields.iter().find(|(key, _)| key == name)?;
        scalar(field.1)?.into_text()
    };
    let (Some(log), Some(stream)) = (field("log"), field("stream")) else {
        return;
    };
    unwrapped.is_stderr = stream == "stderr";
    unwrapped.is_piece = !log.ends_with('\n');
    unwrapped.text = Cow::Owned(log.trim_end_matches(['\n', '\r']).to_owned());
    unwrapped.time = field("time").and_then(|time| Timestamp::parse(&time).ok());
}

fn kubernetes<'l>(line: &'l str, unwrapped: &mut Unwrapped<'_>) -> Option<&'l str> {
    let (time, rest) = line.split_once(' ')?;
    let (stream, rest) = rest.split_at_checked("stdout ".len())?;
    let is_stderr = match stream {
        "stdout " => false,
        "stderr " => true,
        _ => return None,
    };
    let (tag, rest) = rest.split_at_checked(2)?;
    let is_piece = match tag {
        "F " => false,
        "P " => true,
        _ => return None,
    };
    unwrapped.time = Some(is_time(time).then(|| Timestamp::parse(time).ok())??);
    unwrapped.is_piece = is_piece;
    unwrapped.is_stderr = is_stderr;
    Some(rest)
}

fn compose(line: &str) -> Option<&str> {
    let bar = memchr::memchr(b'|', &line.as_bytes()[..line.len().min(LONGEST_NAME)])?;
    let rest = line[bar + 1..].strip_prefix(' ')?;
    let name = line[..bar].trim_end_matches(' ');
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_name = !name.is_empty() && name.chars().all(is_part);
    // `ERROR | message` is somebody's format, and no container is called so.
    (is_name && Level::from_word(name).is_none()).then_some(rest)
}

fn kubectl(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("[pod/")?.split_once("] ")?;
    name.contains('/').then_some(rest)
}

fn time<'l>(line: &'l str, unwrapped: &mut Unwrapped<'_>) -> Option<&'l str> {
    let (time, rest) = line.split_once(' ')?;
    if !rest.starts_with('{') || !is_time(time) {
        return None;
    }
    unwrapped.time = Timestamp::parse(time).ok().or(unwrapped.time);
    Some(rest)
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefixes_of_containers() {
        for (line, rest) in [
            (
                "2026-03-04T11:22:33.123456789Z stdout F {\"a\":1}",
                Some("{\"a\":1}"),
            ),
            (
                "2026-03-04T11:22:33.123456789Z stderr P ERROR x",
                Some("ERROR x"),
            ),
            (
                "shop-1  | 2026-03-04 11:22:33,123 INFO shop: x",
                Some("2026-03-04 11:22:33,123 INFO shop: x"),
            ),
            ("shop-1  | ", Some("")),
            ("[pod/shop-7f/main] {\"a\":1}", Some("{\"a\":1}")),
            ("2026-03-04T11:22:33.123Z {\"a\":1}", Some("{\"a\":1}")),
            ("2026-03-04 11:22:33.353 | INFO     | a:b:3 - x", None),
            ("a table | of words", None),
            ("ERROR | the page is gone", None),
            ("[pod] x", None),
            ("", None),
        ] {
            let text = unwrap(line).text;
            assert_eq!(text, rest.unwrap_or(line), "{line}");
        }
    }

    #[test]
    fn a_runtime_says_when_and_cuts_long_lines() {
        let time = Timestamp::parse("2026-03-04T11:22:33.5Z").ok();
        for (line, text, is_piece) in [
            (
                r#"{"log":"INFO a\n","stream":"stdout","time":"2026-03-04T11:22:33.5Z"}"#,
                "INFO a",
                false,
            ),
            (
                r#"{"log":"half a","stream":"stderr","time":"2026-03-04T11:22:33.5Z"}"#,
                "half a",
                true,
            ),
            (
                "2026-03-04T11:22:33.500000000Z stdout P half a",
                "half a",
                true,
            ),
        ] {
            let unwrapped = unwrap(line);
            assert_eq!(
                (&*unwrapped.text, unwrapped.time, unwrapped.is_piece),
                (text, time, is_piece)
            );
        }
        let other = r#"{"log":"INFO a","level":"info"}"#;
        assert_eq!(unwrap(other).text, other);
    }
}
