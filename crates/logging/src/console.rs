//! The console output while the program runs.

use std::io::IsTerminal as _;
use std::time::Duration;

use crate::config::ConsoleMode;
use crate::outlet::{Outlet, Stream};
use crate::text::{Style, render};

/// Shows lines on standard error immediately, until standard error is closed.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    style: Style,
    outlet: Outlet,
}

impl Console {
    /// The console for a mode; `None` when the mode shows nothing on standard error.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn new(mode: ConsoleMode) -> std::io::Result<Option<Self>> {
        let is_terminal = std::io::stderr().is_terminal();
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let human = Style::Human {
            colour: is_terminal && !is_dumb && !is_set("NO_COLOR"),
        };
        let style = match mode {
            ConsoleMode::Off | ConsoleMode::Json => return Ok(None),
            ConsoleMode::Human => human,
            ConsoleMode::Auto if is_terminal => human,
            ConsoleMode::Auto | ConsoleMode::Compact => Style::Full,
        };
        let outlet = Outlet::start(Stream::Err)?;
        Ok(Some(Self { style, outlet }))
    }

    /// Shows a line, given as head and tail.
    pub(crate) fn write(&self, head: &[u8], tail: &[u8]) {
        let text = render(&[head, tail].concat(), self.style);
        self.outlet.push(text.as_bytes());
    }

    /// Waits until everything is shown, at most for `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        self.outlet.flush(patience);
    }
}
