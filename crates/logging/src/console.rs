//! The console output while the program runs.
//!
//! The caller passes the line of the log file to an [`Outlet`]; its thread renders the line as text.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tracing::Level;

use crate::complain::complain;
use crate::config::{Config, ConsoleLevel, ConsoleMode};
use crate::outlet::{Outlet, Sink};
use crate::text::{Renderer, Style};

/// Size up to which lines are written together. Pipes keep writes of this size together.
const PIECE: usize = 4096;

/// What is shown on standard error, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsolePlan {
    style: Style,
    /// The lowest level that is shown.
    least: Level,
    /// Whether the starts and ends of runs are shown whatever their level.
    shows_bounds: bool,
}

/// What is known about standard error.
#[derive(Clone, Copy, Debug)]
struct Terminal {
    is_terminal: bool,
    has_colours: bool,
}

impl ConsolePlan {
    /// The plan for a configuration; `None` when nothing is shown on standard error.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = Terminal {
            is_terminal: io::stderr().is_terminal(),
            has_colours: !is_dumb && !is_set("NO_COLOR"),
        };
        Self::choose(config, terminal)
    }

    fn choose(config: &Config, terminal: Terminal) -> Option<Self> {
        let Terminal {
            is_terminal,
            has_colours,
        } = terminal;
        let human = Style::Human {
            colour: is_terminal && has_colours,
        };
        let style = match config.console {
            ConsoleMode::Off | ConsoleMode::Json => return None,
            ConsoleMode::Human => human,
            ConsoleMode::Auto if is_terminal => human,
            ConsoleMode::Auto | ConsoleMode::Compact => Style::Full,
        };
        // Somebody collects what a pipe gets, and has it twice if the files have it, too.
        let is_copy = config.console == ConsoleMode::Auto && !is_terminal && config.files;
        let (least, shows_bounds) = match config.console_level {
            ConsoleLevel::From(level) => (level, false),
            ConsoleLevel::Auto if is_copy => (Level::WARN, true),
            ConsoleLevel::Auto => (Level::TRACE, true),
        };
        Some(Self {
            style,
            least,
            shows_bounds,
        })
    }
}

/// Shows lines on standard error until it is closed.
#[derive(Debug)]
pub(crate) struct Console {
    plan: ConsolePlan,
    outlet: Outlet,
}

impl Console {
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(plan: ConsolePlan) -> io::Result<Self> {
        let outlet = Outlet::start(Screen {
            renderer: Renderer::new(plan.style),
            text: Vec::new(),
        })?;
        Ok(Self { plan, outlet })
    }

    /// Shows a line, given as head and tail, if its level is shown. `is_bound`: it starts or ends a run.
    pub(crate) fn write(&self, level: Level, is_bound: bool, head: &[u8], tail: &[u8]) {
        if level <= self.plan.least || (is_bound && self.plan.shows_bounds) {
            self.outlet.push(&[head, tail]);
        }
    }

    pub(crate) fn outlet(&self) -> &Outlet {
        &self.outlet
    }
}

/// Standard error, as text for people.
struct Screen {
    renderer: Renderer,
    text: Vec<u8>,
}

impl Sink for Screen {
    fn write(&mut self, lines: &[u8], written: &AtomicU64) -> io::Result<()> {
        self.text.clear();
        let lines = lines.split_inclusive(|byte| *byte == b'\n');
        for (rendered, line) in (0..).zip(lines) {
            let start = self.text.len();
            self.renderer.push(line, &mut self.text);
            if self.text.len() > PIECE && start > 0 {
                write_patiently(&self.text[..start])?;
                written.store(rendered, Relaxed);
                self.text.drain(..start);
            }
        }
        write_patiently(&self.text)
    }

    fn note(&self, dropped: u64) -> Option<String> {
        Some(format!(
            "dragline: {dropped} lines are not shown here, because nobody read them in time\n"
        ))
    }
}

/// Writes to standard error. Its lock is held for one call only, so that the program's own messages get
/// their turn.
pub(crate) fn write_patiently(mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match io::stderr().write(text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => text = &text[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another process made the stream non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Standard output, as it is.
pub(crate) struct Stdout;

impl Sink for Stdout {
    fn write(&mut self, lines: &[u8], _written: &AtomicU64) -> io::Result<()> {
        let mut stream = io::stdout().lock();
        let result = stream.write_all(lines).and_then(|()| stream.flush());
        result.inspect_err(|error| {
            complain(&format!(
                "cannot write to standard output: {error}; no more lines are written there"
            ));
        })
    }

    /// A gap in the numbers shows it.
    fn note(&self, _dropped: u64) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(config: &Config, is_terminal: bool) -> Option<(Style, Level, bool)> {
        let terminal = Terminal {
            is_terminal,
            has_colours: true,
        };
        let plan = ConsolePlan::choose(config, terminal)?;
        Some((plan.style, plan.least, plan.shows_bounds))
    }

    #[test]
    fn a_pipe_gets_warnings_and_the_bounds_of_runs_unless_it_is_all_there_is() {
        let colour = Style::Human { colour: true };
        let config = Config::default;
        let all = Level::TRACE;
        assert_eq!(plan(&config(), true), Some((colour, all, true)));
        assert_eq!(
            plan(&config(), false),
            Some((Style::Full, Level::WARN, true))
        );
        assert_eq!(
            plan(&config().files(false), false),
            Some((Style::Full, all, true))
        );
        let compact = config().console(ConsoleMode::Compact);
        assert_eq!(plan(&compact, false), Some((Style::Full, all, true)));
        let human = config().console(ConsoleMode::Human);
        assert_eq!(
            plan(&human, false),
            Some((Style::Human { colour: false }, all, true))
        );
        assert_eq!(
            plan(&compact.console_level(Level::ERROR), false),
            Some((Style::Full, Level::ERROR, false))
        );
        assert_eq!(
            plan(&config().console_level(Level::INFO), false),
            Some((Style::Full, Level::INFO, false))
        );
        assert_eq!(plan(&config().console(ConsoleMode::Json), true), None);
        assert_eq!(plan(&config().console(ConsoleMode::Off), true), None);
    }

    #[test]
    fn colours_need_a_terminal_that_has_them() {
        let style = |is_terminal, has_colours| {
            let terminal = Terminal {
                is_terminal,
                has_colours,
            };
            let human = Config::default().console(ConsoleMode::Human);
            ConsolePlan::choose(&human, terminal).unwrap().style
        };
        assert_eq!(style(true, true), Style::Human { colour: true });
        assert_eq!(style(true, false), Style::Human { colour: false });
        assert_eq!(style(false, true), Style::Human { colour: false });
    }
}
