//! Consoles whose lines depend on lines before them: rich prints a time only when it changes, npm's `debug` the time
//! since the last message only behind its last line.

use dragline_schema::{Dialect, Position};

use super::{Begun, Text, When, of_head};
use crate::framing::lines::append;
use crate::parsing::head;
use crate::parsing::time::stamp::Stamp;

/// A console that prints the time only when it changes, like rich's.
#[derive(Clone, Copy)]
pub(super) struct Console {
    /// The column of its levels, or of its messages if it prints no levels.
    pub(super) column: usize,
    pub(super) has_level: bool,
    /// The column at which long messages continue on the next line.
    pub(super) message_at: usize,
    /// The last time printed.
    pub(super) when: Stamp,
}

/// The rest of a line that is indented by exactly `column` spaces.
pub(super) fn behind_blanks(line: &str, column: usize) -> Option<&str> {
    let (blanks, rest) = line.split_at_checked(column)?;
    let is_apart = !rest.is_empty() && !rest.starts_with(' ');
    (is_apart && blanks.bytes().all(|b| b == b' ')).then_some(rest)
}

impl Console {
    /// Starts a record from a line without a time, which has the previous line's time.
    pub(super) fn record(&self, rest: &str, at: Position) -> Option<Begun> {
        let mut begun = if self.has_level {
            let head =
                head::head(rest).filter(|head| head.time.is_none() && !head.level.is_empty())?;
            of_head(&head, rest, at)
        } else {
            Begun::plain(rest, at)
        };
        let has_place = begun.without_place(true);
        begun.when = Some(When::Stamp(self.when));
        begun.is_console = true;
        (self.has_level || has_place).then_some(begun)
    }
}

/// A line that npm's `debug` writes on a terminal: `  shop:fetch message +12ms`.
pub(super) struct Named<'l> {
    name: &'l str,
    text: &'l str,
    /// Whether the message ends here.
    is_end: bool,
}

impl<'l> Named<'l> {
    /// Reads a line. `is_known` says whether an earlier line of the file certainly was one.
    fn of(line: &'l str, is_known: bool) -> Option<Self> {
        let rest = line.strip_prefix("  ")?;
        // Fast path: most indented lines are indented further.
        if !rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '@') {
            return None;
        }
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = word.trim_end_matches(':');
        let is_part = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':' | b'/' | b'@' | b'.')
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '@')
            && name.bytes().all(is_part)
            && (is_known || word.contains(':'));
        let text = text.trim_end();
        let end = text.rfind('+').filter(|at| is_since(&text[at + 1..]));
        let end = end.filter(|at| *at == 0 || text[..*at].ends_with(' '));
        let is_one = is_name && (end.is_some() || (is_known && word.contains(':')));
        is_one.then(|| Self {
            name,
            text: end.map_or(text, |at| text[..at].trim_end()),
            is_end: end.is_some(),
        })
    }
}

/// `12ms`, `3s`, `2m`, `1h`, `4d`
fn is_since(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && matches!(&text[digits..], "ms" | "s" | "m" | "h" | "d")
}

/// How a line belongs to a console of `debug`'s.
pub(crate) enum Debug {
    /// It continues the open record, which has taken it.
    Part,
    /// It starts a record.
    Begun(Box<Begun>),
}

impl Text {
    /// Reads a line that npm's `debug` wrote on a terminal.
    pub(crate) fn debug(&mut self, line: &str, at: Position) -> Option<Debug> {
        let named = Named::of(line, self.has_debug)?;
        self.has_debug |= named.is_end;
        if let Some(pending) = &mut self.pending
            && pending.awaits_end
            && pending.logger.as_deref() == Some(named.name)
        {
            pending.awaits_end = !named.is_end;
            pending.takes(named.text);
            append(&mut pending.text, named.text, super::MAX_RECORD);
            return Some(Debug::Part);
        }
        let mut begun = Begun::new(Dialect::Text, None, "", Some(named.name), named.text, at);
        begun.awaits_end = !named.is_end;
        Some(Debug::Begun(Box::new(begun)))
    }

    /// Takes a line that has the open record's head, and behind it a part of the record: some loggers repeat the head
    /// before each line of a stack.
    pub(crate) fn take_headed(&mut self, head: &head::Head<'_>, line: &str) -> bool {
        let Some(pending) = &mut self.pending else {
            return false;
        };
        // A field of the name `error`.
        if pending.lists_fields && head.time.is_none() && head.message.is_empty() {
            pending.takes(line);
            append(&mut pending.text, line, super::MAX_RECORD);
            return true;
        }
        let is_same = head.time.is_none()
            && pending.when.is_none()
            && pending.level == head.level
            && pending.logger.as_deref() == head.logger;
        let bare = head.body.trim_start();
        let is_indented = bare.len() < head.body.len();
        let is_part = crate::framing::crash::is_frame(bare)
            || (is_indented
                && crate::framing::crash::error_line(bare).is_some()
                && pending.text.contains("\n    at "));
        if !is_same || !is_indented || !is_part {
            return false;
        }
        pending.takes(head.body);
        append(&mut pending.text, head.body, super::MAX_RECORD);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_debug_are_known_by_their_ends() {
        let read = |line, is_known| {
            Named::of(line, is_known).map(|named| (named.name, named.text, named.is_end))
        };
        assert_eq!(
            read("  shop:http GET / +12ms", false),
            Some(("shop:http", "GET /", true))
        );
        assert_eq!(
            read("  shop: Cluster +2s", false),
            Some(("shop", "Cluster", true))
        );
        assert_eq!(
            read("  shop:http     at f", true),
            Some(("shop:http", "    at f", false))
        );
        for other in [
            "  shop:http GET /",
            "  a + 12ms",
            "    at f +1ms",
            "  Shop x +1ms",
            "  x +1msec",
        ] {
            assert_eq!(read(other, false), None, "{other}");
        }
    }
}
