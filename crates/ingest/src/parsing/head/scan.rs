//! Iterates over a line's parts: words, groups in brackets, and the separators between them.

use super::level::{bracketed_letter, letter, level};
use super::names::is_place;
use super::part::Part;
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::Date;

/// Maximum length of a part in brackets, in bytes.
pub(super) const LONGEST_GROUP: usize = 100;

/// Iterates over a line's parts.
pub(super) struct Scan<'l> {
    pub(super) line: &'l str,
    pub(super) at: usize,
    /// Number of open brackets around the current part.
    pub(super) open: usize,
}

/// The time behind the name of a thread in one bracket: `[MainThread::2026-03-04 11:22:33] INFO:`.
fn behind_thread(inside: &str) -> Option<&str> {
    const LONGEST_NAME: usize = 40;
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let name = inside.bytes().take_while(|b| is_part(b)).count();
    let rest = inside[name..].strip_prefix("::")?;
    let is_dated = || stamp(rest).is_some_and(|(time, _)| time.date != Date::None);
    ((1..=LONGEST_NAME).contains(&name) && is_dated()).then_some(rest)
}

impl<'l> Scan<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self {
            line,
            at: 0,
            open: 0,
        }
    }

    pub(super) fn rest(&self) -> &'l str {
        &self.line[self.at..]
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.line.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// Skips the separators between parts and returns them.
    pub(super) fn skip_between(&mut self) -> &'l str {
        let before = self.at;
        let bytes = self.line.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'|' | b';' | b',' | b'=' | b'*' | b'!' | b'~' | b'#' | b'>'
                | b'-' | b':' | b'/' => {}
                b']' | b')' | b'}' => self.open = self.open.saturating_sub(1),
                0xe3 if self.rest().starts_with('】') => {
                    self.open = self.open.saturating_sub(1);
                    self.at += '】'.len_utf8() - 1;
                }
                _ => break,
            }
            self.at += 1;
        }
        &self.line[before..self.at]
    }

    /// Enters a bracket that contains a time or a level.
    pub(super) fn enter(&mut self) {
        while let Some(inside) = self.rest().strip_prefix(['[', '(', '<', '{', '【']) {
            let inside = inside.trim_start_matches(' ');
            let is_known = stamp(inside).is_some()
                || level(inside, true).is_some()
                || letter(inside).is_some()
                || bracketed_letter(inside).is_some();
            let behind_thread = if is_known {
                None
            } else {
                behind_thread(inside)
            };
            if !is_known && behind_thread.is_none() {
                return;
            }
            self.at = self.line.len() - behind_thread.unwrap_or(inside).len();
            self.open += 1;
        }
    }

    /// A group in brackets, which may contain other groups.
    pub(super) fn group(&mut self) -> Option<Part<'l>> {
        let open = self.byte(self.at);
        let close = match open {
            b'[' => b']',
            b'(' => b')',
            b'{' => b'}',
            b'<' => b'>',
            _ => return None,
        };
        let rest = &self.line.as_bytes()[self.at..];
        let mut depth = 0;
        for (place, byte) in rest.iter().enumerate().take(LONGEST_GROUP) {
            if *byte == open {
                depth += 1;
            } else if *byte == close {
                depth -= 1;
                if depth == 0 {
                    let text = self.line[self.at + 1..self.at + place].trim();
                    self.at += place + 1;
                    return Some(Part {
                        text,
                        in_brackets: true,
                        is_ended: true,
                    });
                }
            }
        }
        None
    }

    /// A word, up to a delimiter.
    pub(super) fn word(&mut self) -> Option<Part<'l>> {
        let begin = self.at;
        let bytes = self.line.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            let next = self.byte(self.at + 1);
            let ends = match byte {
                b' ' | b'\t' | b'|' | b';' | b',' | b']' | b')' | b'}' | b'[' | b'"' | b'\''
                | b'=' => true,
                // `a::b`, `walk.py:31` and `walk:page:31` are single words.
                b':' => {
                    let is_path = next == b':' || (self.at > begin && bytes[self.at - 1] == b':');
                    let is_one =
                        is_path || next.is_ascii_digit() || is_place(&self.line[self.at + 1..]);
                    !is_one || (next == b':' && self.byte(self.at + 2) == b' ')
                }
                _ => false,
            };
            if ends {
                break;
            }
            self.at += 1;
        }
        let text = &self.line[begin..self.at];
        if text.is_empty() {
            return None;
        }
        let rest = &self.line[self.at..];
        let is_ended = matches!(
            rest.as_bytes(),
            [b'\t' | b'|' | b';' | b':' | b']' | b')' | b'}' | b',', ..]
                | [b' ', b' ' | b'[' | b'(' | b'{' | b'<' | b':', ..]
                | [b' ', b'-' | b'|', b' ', ..]
        );
        Some(Part {
            text,
            in_brackets: false,
            is_ended,
        })
    }
}
