//! The parts of a head.

use super::level::{is_capital, is_lower};

/// A part that is neither a time nor a level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'l> {
    pub(super) text: &'l str,
    pub(super) in_brackets: bool,
    /// Whether the text after it marks the end of a head part: more than one blank, or a separator.
    pub(super) is_ended: bool,
}

/// A level and its position.
pub(super) struct Found<'l> {
    pub(super) text: &'l str,
    pub(super) length: usize,
    pub(super) at: usize,
    /// Whether it is clearly separated from other words.
    pub(super) is_sure: bool,
}

impl Found<'_> {
    /// Whether the level makes a head without a time.
    pub(super) fn stands_alone(&self, parts: &[Part<'_>], line: &str) -> bool {
        let behind = &line[self.at + self.text.len()..];
        if parts.is_empty() {
            let is_bracketed = line.starts_with(['[', '(', '<', '{']);
            let is_named = behind.starts_with(':')
                || behind.starts_with(" -")
                || behind.starts_with('\t')
                || behind.starts_with('|');
            return if is_capital(self.text) {
                is_bracketed
                    || is_named
                    || behind.starts_with([' ', '[', '|', '/', ';', ','])
                    || behind.is_empty()
            } else {
                // winston's `info: message`, `[error] message`.
                is_bracketed
                    || (behind.starts_with(": ") && self.text.len() > 3 && is_lower(self.text))
            };
        }
        // `shop.fetch - INFO - message`, `[main] INFO shop.Crawler - message`.
        let is_capital = is_capital(self.text);
        let all = parts.iter().all(|part| {
            part.in_brackets || part.is_ended || part.text.bytes().all(|b| b.is_ascii_digit())
        });
        let is_bracketed = parts.iter().any(|part| part.in_brackets);
        // winston's `[Fetcher] info: message`.
        let is_labelled = matches!(parts, [label] if label.in_brackets)
            && behind.starts_with(": ")
            && self.text.len() > 3
            && is_lower(self.text);
        is_labelled || (is_capital && all && (self.is_sure || is_bracketed))
    }
}
