//! UTF-16 with a byte order mark, as Windows PowerShell's `>` writes it, converted to UTF-8.
//!
//! Other programs append their bytes to such files. A line of text in another encoding is recognised where a line
//! begins: UTF-16 never has sixteen printable ASCII bytes in a row there. It is passed on as it is, and reported once.

use std::io::{self, BufRead, Read};

/// Number of bytes at a line's start that decide whether it is UTF-16.
const DECISIVE: usize = 16;

/// Whether a file starts with a mark of UTF-16. The mark of UTF-32 starts in the same way.
pub(crate) fn begins(head: &[u8]) -> bool {
    (head.starts_with(b"\xff\xfe") && !head.starts_with(b"\xff\xfe\0\0"))
        || head.starts_with(b"\xfe\xff")
}

/// The text of a file in UTF-16.
pub(crate) struct Utf16 {
    reader: Box<dyn BufRead + Send>,
    /// Whether the most significant byte comes first; `None` until the mark was read.
    is_big: Option<bool>,
    /// Bytes that are not converted yet.
    held: Vec<u8>,
    /// Converted text, unread from `at` on.
    text: Vec<u8>,
    at: usize,
    place: Place,
    /// Whether bytes in another encoding follow the text and are about to be reported.
    tells: bool,
    has_told: bool,
    has_ended: bool,
}

/// Where the next bytes are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the start of a line.
    Start,
    /// Within a line.
    Within,
    /// Within a line in another encoding.
    Other,
}

impl Utf16 {
    pub(crate) fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self {
            reader,
            is_big: None,
            held: Vec::new(),
            text: Vec::new(),
            at: 0,
            // The mark is at the start of the first line.
            place: Place::Within,
            tells: false,
            has_told: false,
            has_ended: false,
        }
    }

    /// Converts the next bytes. All text was read.
    fn convert(&mut self) -> io::Result<()> {
        if !self.has_ended {
            let more = self.reader.fill_buf()?;
            let length = more.len();
            self.held.extend_from_slice(more);
            self.reader.consume(length);
            self.has_ended = length == 0;
        }
        self.text.clear();
        self.at = 0;
        if self.is_big.is_none() && self.held.len() > 1 {
            self.is_big = Some(self.held.starts_with(b"\xfe\xff"));
        }
        let taken = self.convert_held();
        self.held.drain(..taken);
        if self.has_ended && !self.tells && !self.held.is_empty() {
            self.held.clear();
            self.text.extend_from_slice("\u{fffd}".as_bytes());
        }
        Ok(())
    }

    /// Converts the held bytes as far as they decide. Returns how many were converted.
    fn convert_held(&mut self) -> usize {
        let mut at = 0;
        loop {
            let rest = &self.held[at..];
            if self.place == Place::Start {
                if rest.len() < DECISIVE && !self.has_ended {
                    return at;
                }
                let is_other = is_other(rest);
                if is_other && !self.has_told {
                    (self.tells, self.has_told) = (true, true);
                    return at;
                }
                self.place = if is_other {
                    Place::Other
                } else {
                    Place::Within
                };
            }
            if self.place == Place::Other {
                let end = memchr::memchr(b'\n', rest).map(|end| end + 1);
                self.text
                    .extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
                let Some(end) = end else {
                    return self.held.len();
                };
                at += end;
                self.place = Place::Start;
                continue;
            }
            let Some((c, length)) = self.next_char(rest) else {
                return at;
            };
            at += length;
            self.text
                .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            if c == '\n' {
                self.place = Place::Start;
            }
        }
    }

    /// The first character, and its length in bytes. `None` if more bytes are needed.
    fn next_char(&self, bytes: &[u8]) -> Option<(char, usize)> {
        let unit = |at: usize| {
            let pair = [*bytes.get(at)?, *bytes.get(at + 1)?];
            Some(if self.is_big == Some(true) {
                u16::from_be_bytes(pair)
            } else {
                u16::from_le_bytes(pair)
            })
        };
        let first = unit(0)?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let second = unit(2);
        if is_high && second.is_none() && !self.has_ended {
            return None;
        }
        let units = [Some(first), second.filter(|_| is_high)];
        let decoded = char::decode_utf16(units.into_iter().flatten()).next()?;
        let c = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
        Some((c, c.len_utf16() * 2))
    }
}

/// Whether a line starts with text in another encoding.
fn is_other(line: &[u8]) -> bool {
    let start = &line[..line.len().min(DECISIVE)];
    start.len() > 3
        && start
            .iter()
            .all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

impl Read for Utf16 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.at == self.text.len() {
            if std::mem::take(&mut self.tells) {
                let why = "the file begins in UTF-16 and continues in another encoding";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if self.has_ended && self.held.is_empty() {
                return Ok(0);
            }
            self.convert()?;
        }
        let read = (self.text.len() - self.at).min(buffer.len());
        buffer[..read].copy_from_slice(&self.text[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str, is_big: bool) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        let pair = |unit: u16| {
            if is_big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        units.flat_map(pair).collect()
    }

    /// The text, and the number of errors.
    fn read(bytes: &[u8], capacity: usize) -> (String, usize) {
        let reader = io::BufReader::with_capacity(capacity, io::Cursor::new(bytes.to_vec()));
        let mut source = Utf16::new(Box::new(reader));
        let (mut text, mut errors, mut buffer) = (Vec::new(), 0, [0; 7]);
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return (String::from_utf8(text).unwrap(), errors),
                Ok(read) => text.extend_from_slice(&buffer[..read]),
                Err(_) => errors += 1,
            }
        }
    }

    #[test]
    fn other_encodings_behind_it_are_passed_on_and_told() {
        let other = "a line that another program wrote\nand one more of these\n";
        let mixed = [
            &bytes("one\n", false),
            other.as_bytes(),
            &bytes("two\n", false)[2..],
        ]
        .concat();
        for capacity in [3, 64, 4096] {
            let (text, errors) = read(&mixed, capacity);
            assert_eq!(text, format!("\u{feff}one\n{other}two\n"));
            assert_eq!(errors, 1);
        }
        let (text, _) = read(&[&bytes("one\n", false)[..], b"\0\xd8x\0\n"].concat(), 4);
        assert_eq!(text, "\u{feff}one\n\u{fffd}x\u{fffd}");
        assert!(!begins(b"\xff\xfe\0\0") && !begins(b"{}") && begins(b"\xfe\xff\0a"));
    }

    proptest! {
        #[test]
        fn text_stays_as_it_is(text in "[a😀é€ \n]{0,60}", is_big: bool, capacity in 1usize..20) {
            let (read, errors) = read(&bytes(&text, is_big), capacity.max(2));
            prop_assert_eq!(read, format!("\u{feff}{text}"));
            prop_assert_eq!(errors, 0);
        }
    }
}
