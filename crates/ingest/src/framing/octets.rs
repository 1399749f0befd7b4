//! Syslog over TCP with octet counting (RFC 6587): the length of each message precedes it. A line may hold several
//! messages, and a message may span several lines.

use dragline_schema::Position;

/// Maximum size of a message.
const MAX_MESSAGE: usize = 1 << 20;

/// An unfinished message.
pub(crate) struct Octets {
    pub(crate) at: Position,
    text: String,
    /// Number of bytes still missing.
    left: usize,
}

impl Octets {
    /// Whether a line starts with a length and a message.
    pub(crate) fn begins(line: &str) -> bool {
        counted(line).is_some()
    }

    /// The messages that a line completes, and the unfinished one at its end.
    pub(crate) fn take(
        open: Option<Self>,
        line: &str,
        at: Position,
    ) -> (Vec<String>, Option<Self>) {
        let mut whole = Vec::new();
        let mut rest = line;
        if let Some(mut open) = open {
            let part = line.get(..open.left.min(line.len())).unwrap_or(line);
            open.push(part);
            if open.left > 0 {
                return (whole, Some(open));
            }
            whole.push(open.text);
            rest = &line[part.len()..];
        }
        while let Some((length, text)) = counted(rest) {
            let Some(message) = text.get(..length) else {
                let mut open = Self {
                    at,
                    text: String::new(),
                    left: length,
                };
                open.push(text);
                if open.left > 0 {
                    return (whole, Some(open));
                }
                whole.push(open.text);
                return (whole, None);
            };
            whole.push(message.to_owned());
            rest = &text[length..];
        }
        if !rest.trim().is_empty() {
            whole.push(rest.to_owned());
        }
        (whole, None)
    }

    /// Appends a line, or the part of it that belongs to this message.
    fn push(&mut self, line: &str) {
        if self.text.len() + line.len() < MAX_MESSAGE {
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(line);
        }
        // The line end counts, too.
        self.left = self.left.saturating_sub(line.len() + 1);
    }

    /// The text received so far.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// `123 <14>1 …`: the length, and the text after it.
fn counted(line: &str) -> Option<(usize, &str)> {
    let is_digit = |b: &&u8| b.is_ascii_digit();
    let digits = line.bytes().take(8).take_while(|b| is_digit(&b)).count();
    let (length, rest) = line.split_at(digits);
    if !rest.starts_with(' ') {
        return None;
    }
    let text = &rest[1..];
    let priority = text.strip_prefix('<')?.split_once('>')?.0;
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let is_one = is_number(length, 7) && is_number(priority, 3);
    is_one.then_some(())?;
    Some((length.parse().ok()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_out() {
        let at = Position::default();
        let (whole, open) = Octets::take(None, "7 <14>one8 <14>four", at);
        assert_eq!(whole, ["<14>one", "<14>four"]);
        assert!(open.is_none());
        let (whole, open) = Octets::take(None, "7 <14>one11 <14>two", at);
        assert_eq!(whole, ["<14>one"]);
        let (whole, open) = Octets::take(open, "lin7 <14>six", at);
        assert_eq!(whole, ["<14>two\nlin", "<14>six"]);
        assert!(open.is_none());
        // A message may include its line end.
        let (whole, open) = Octets::take(None, "8 <14>one", at);
        assert_eq!((whole, open.is_none()), (vec!["<14>one".to_owned()], true));
        for other in ["12 items", "12 <b>x", "<14>x", "1234567890 <14>x"] {
            assert!(!Octets::begins(other), "{other}");
        }
    }
}
