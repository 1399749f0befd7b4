//! What is shown while the program runs.

use std::io::{IsTerminal as _, Write as _};

use crate::config::ConsoleMode;
use crate::text::{Style, render};

/// Shows lines on standard error, each at once: what a crash leaves there is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console(Style);

impl Console {
    /// The console of a mode; `None` when nothing is shown there.
    pub(crate) fn new(mode: ConsoleMode) -> Option<Self> {
        let is_terminal = std::io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let human = Style::Human {
            colour: is_terminal && !no_color,
        };
        match mode {
            ConsoleMode::Off | ConsoleMode::Json => None,
            ConsoleMode::Auto if is_terminal => Some(Self(human)),
            ConsoleMode::Human => Some(Self(human)),
            ConsoleMode::Auto | ConsoleMode::Compact => Some(Self(Style::Full)),
        }
    }

    /// Shows a line, given in its two pieces.
    pub(crate) fn write(self, head: &[u8], tail: &[u8]) {
        let text = render(&[head, tail].concat(), self.0);
        // Nobody reads it: so be it.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
