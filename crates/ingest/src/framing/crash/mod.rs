//! Recognizes the lines that a program writes when it crashes: Python tracebacks, JavaScript and Java stacks, Rust
//! and Go panics, V8 fatal errors.
//!
//! These lines have no record head, so the reader must know where they start and end. A traceback ends with its
//! exception, and continues if another exception followed from it. A stack ends where no frame follows.

mod lines;

use dragline_schema::{Level, Position};

use crate::framing::lines::append;

pub(crate) use self::lines::{
    behind_mark, behind_version, error_line, error_within, is_frame, is_more, is_of_selenium,
    is_ruby_frame, split_type,
};
use self::lines::{
    behind_type, is_chain, is_more_of_message, is_of_v8, is_script_place, without_words,
};

/// Maximum size of a crash's text. Further lines are read but not kept.
const MAX_CRASH: usize = 1 << 20;
/// Maximum number of quoted lines before the line with the error.
const MOST_QUOTED: usize = 12;

/// The runtime or the format of a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Python,
    /// Java and JavaScript: a type, a message, and lines that start with `at`.
    Stack,
    /// Node quotes the throwing source line before the error.
    Quoted,
    V8,
    Rust,
    Go,
    /// Python's `faulthandler`, innermost call first.
    Fault,
}

/// The part of the crash that the current line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Lines before the traceback or the error.
    Before,
    /// The frames.
    Frames,
    /// After the line with the error.
    Told,
    /// A blank line after the error.
    Apart,
    /// After the line that announces another exception.
    Chained,
}

/// A crash whose lines are still being collected.
#[derive(Debug)]
pub(crate) struct Crash {
    pub(crate) text: String,
    pub(crate) at: Position,
    extent: Extent,
}

/// Determines how many lines belong to a crash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    kind: Kind,
    place: Place,
    /// Number of blanks before its first line. A logger may indent the entire crash.
    indent: usize,
    lines: usize,
    /// Number of brackets that are open in the message.
    open: i32,
    /// Whether a record logged the crash. If so, its message may continue with lines of any kind.
    is_logged: bool,
    /// Whether something took the blanks before the frames of a Python traceback.
    is_dedented: bool,
    /// Whether the last line was such a frame, so that the next one is its source.
    is_at_frame: bool,
}

impl Crash {
    /// The crash that a line starts.
    pub(crate) fn begin(line: &str, at: Position) -> Option<Self> {
        Some(Self {
            extent: Extent::begin(line)?,
            text: line.to_owned(),
            at,
        })
    }

    /// Consumes the next line if it belongs to the crash.
    pub(crate) fn go_on(&mut self, line: &str) -> bool {
        let is_own = self.extent.takes(line);
        if is_own {
            self.extent.append(&mut self.text, line, MAX_CRASH);
        }
        is_own
    }

    /// Whether all its lines belong to it, whatever they look like.
    pub(crate) fn is_sure(&self) -> bool {
        self.extent.is_sure()
    }

    /// How far it goes.
    pub(crate) fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Whether it may be a handled exception that a record logged: only Python tracebacks qualify.
    pub(crate) fn may_be_handled(&self) -> bool {
        self.extent.kind == Kind::Python && is_traceback(self.text.trim_start())
    }

    /// Whether a traceback begins where Python enters the program or a thread, so that nothing in it caught the
    /// exception.
    pub(crate) fn is_from_outside(&self) -> bool {
        is_from_outside(&self.text)
    }

    /// The crash that a record's text contains, which did not log it.
    pub(crate) fn within(text: String, at: Position) -> Option<Self> {
        let extent = Extent::begin(text.lines().next()?)?;
        Some(Self { text, at, extent })
    }

    /// Whether only the lines before a crash were found, and no crash.
    pub(crate) fn is_prelude(&self) -> bool {
        self.extent.kind == Kind::Python && self.extent.place == Place::Before
    }

    /// The severity. A program that writes only an error may continue to run.
    pub(crate) fn level(&self) -> Level {
        let first = self.text.lines().next().unwrap_or_default();
        let is_uncaught = without_words(first).len() < first.len()
            || behind_type(first).is_some()
            || self.text.contains("Exception in thread")
            || self.text.contains("Uncaught");
        match self.extent.kind {
            Kind::Stack if !is_uncaught && !self.text.contains("Node.js v") => Level::Error,
            _ => Level::Critical,
        }
    }

    /// Whether the program cannot have gone on; Python's tracebacks may be printed by a program that does.
    pub(crate) fn ends_program(&self) -> bool {
        self.extent.kind != Kind::Python && self.level() == Level::Critical
    }

    /// The error's type and message, for texts that are not a traceback or a stack.
    pub(crate) fn told(&self) -> (&str, &str) {
        let first = self.text.lines().next().unwrap_or_default();
        match self.extent.kind {
            Kind::Rust => {
                let second = self.text.lines().nth(1).unwrap_or_default();
                let old = first
                    .split_once("panicked at '")
                    .and_then(|(_, m)| m.rsplit_once('\''));
                ("panic", old.map_or(second, |(message, _)| message))
            }
            Kind::Go => {
                let message = first.strip_prefix("panic: ").unwrap_or(first);
                ("panic", message)
            }
            Kind::V8 => {
                let fatal = self.text.lines().find(|line| line.contains("FATAL ERROR"));
                ("", fatal.unwrap_or(first))
            }
            Kind::Fault => ("", first),
            Kind::Python | Kind::Stack | Kind::Quoted => {
                let told = self.text.lines().find_map(error_line);
                told.unwrap_or_else(|| split_type(first))
            }
        }
    }
}

/// Whether a text has a traceback whose first frame is the one where Python enters the program or a thread.
pub(crate) fn is_from_outside(text: &str) -> bool {
    let mut lines = text.lines();
    while lines.any(|line| is_traceback(line.trim_start())) {
        let frame = lines.next().unwrap_or_default().trim_end();
        if frame.ends_with(", in <module>")
            || frame.contains("\"<frozen runpy>\"")
            || frame.ends_with(", in _bootstrap")
            || frame.ends_with(", in _bootstrap_inner")
        {
            return true;
        }
    }
    false
}

/// Whether a line starts a crash that cannot be a record, even if the line seems to contain a level.
pub(crate) fn is_sure(line: &str) -> bool {
    // Fast path: such lines start with one of few letters, and most lines with none of them.
    let may_be = matches!(
        line.trim_start().as_bytes().first(),
        Some(b'F' | b'<' | b'p' | b'f' | b't' | b'T')
    );
    may_be && Extent::begin(line).is_some_and(|extent| extent.is_sure())
}

impl Extent {
    /// The extent of the crash that a line starts.
    pub(crate) fn begin(line: &str) -> Option<Self> {
        let bare = line.trim_start();
        let (kind, place) = opening(bare)?;
        Some(Self {
            kind,
            place,
            indent: line.len() - bare.len(),
            lines: 1,
            open: 0,
            is_logged: false,
            is_dedented: false,
            is_at_frame: false,
        })
    }

    /// Whether only a dying program writes this line, never a logger.
    pub(crate) fn is_last_word(&self, line: &str) -> bool {
        self.is_sure() || line.trim_start().starts_with("Exception in thread \"")
    }

    /// The same extent, for a crash that a record logged.
    pub(crate) fn logged(self) -> Self {
        Self {
            is_logged: true,
            ..self
        }
    }

    /// Whether all its lines belong to it, whatever they look like.
    pub(crate) fn is_sure(&self) -> bool {
        matches!(self.kind, Kind::V8 | Kind::Rust | Kind::Go | Kind::Fault)
    }

    /// Whether frames of a Python traceback were the last lines, so that its error comes next.
    pub(crate) fn awaits_error(&self) -> bool {
        self.kind == Kind::Python && self.place == Place::Frames && self.lines > 1
    }

    /// Whether a line is the part of a frame whose blanks were taken.
    pub(crate) fn awaits_dedented(&self, line: &str) -> bool {
        let mut next = *self;
        self.kind == Kind::Python && self.place == Place::Frames && next.takes_dedented(line)
    }

    /// Appends a line that it took, with the blanks that something took.
    pub(crate) fn append(&self, text: &mut String, line: &str, limit: usize) {
        if self.is_dedented && self.place == Place::Frames && !line.starts_with(' ') {
            append(text, &format!("  {line}"), limit);
        } else {
            append(text, line, limit);
        }
    }

    /// Whether a line is part of a frame whose blanks were taken: `File "…", line 3, in f`, the source below it, or marks
    /// below that.
    fn takes_dedented(&mut self, line: &str) -> bool {
        let is_frame = line.starts_with("File \"") && line.contains("\", line ");
        self.is_dedented |= is_frame;
        let is_source = std::mem::replace(&mut self.is_at_frame, is_frame);
        let is_mark = line.bytes().all(|b| matches!(b, b'^' | b'~'));
        is_frame || (self.is_dedented && (is_mark || (is_source && error_line(line).is_none())))
    }

    /// Whether the next line belongs to the crash.
    pub(crate) fn takes(&mut self, line: &str) -> bool {
        self.lines += 1;
        // Removes the indentation of the first line.
        let indent = line.len() - line.trim_start_matches(' ').len();
        let line = &line[self.indent.min(indent)..];
        match self.kind {
            Kind::Python => self.python(line),
            Kind::Stack => self.stack(line),
            Kind::Quoted => self.quoted(line),
            Kind::V8 => is_of_v8(line),
            Kind::Rust => self.rust(line),
            Kind::Go => self.go(line),
            Kind::Fault => is_of_fault(line),
        }
    }

    fn python(&mut self, line: &str) -> bool {
        let bare = line.trim_start();
        let is_blank = bare.is_empty();
        let is_first = is_traceback(bare);
        match self.place {
            Place::Before => {
                if is_first {
                    self.place = Place::Frames;
                }
                is_first
                    || is_blank
                    || line.starts_with([' ', '\t'])
                    || is_prelude(bare)
                    || bare.ends_with("(most recent call last):")
                    || ["future:", "\"\"\"", "Record was:", "handle:", "task:"]
                        .iter()
                        .any(|words| bare.starts_with(words))
            }
            Place::Frames => {
                let is_frame =
                    line.starts_with([' ', '\t', '|', '+', '>', '│', '❱', '╭', '╰', '·']);
                if is_blank || is_frame || bare.starts_with("--- <exception caught here> ---") {
                    return true;
                }
                if self.takes_dedented(line) {
                    return true;
                }
                self.place = Place::Told;
                !is_first
            }
            Place::Told | Place::Apart => {
                if is_blank {
                    self.place = Place::Apart;
                    return true;
                }
                if is_chain(bare) {
                    self.place = Place::Chained;
                    return true;
                }
                if is_first {
                    return false;
                }
                if self.open > 0 {
                    self.open += brackets(bare);
                    return true;
                }
                let is_more = line.starts_with([' ', '\t']) || is_more_of_message(bare);
                if is_more && bare.starts_with('[') {
                    self.open = brackets(bare);
                }
                if self.is_logged && self.place == Place::Told && Self::begin(line).is_none() {
                    return true;
                }
                is_more && (self.place == Place::Told || line.starts_with([' ', '\t']))
            }
            Place::Chained => {
                if is_first {
                    self.place = Place::Frames;
                }
                is_first || is_blank
            }
        }
    }

    fn stack(&mut self, line: &str) -> bool {
        let bare = line.trim_start();
        if bare.is_empty() {
            // Node writes its version after a blank line.
            let is_first = self.place != Place::Apart;
            self.place = Place::Apart;
            return is_first || self.is_logged;
        }
        let is_own = is_frame(bare)
            || is_ruby_frame(bare)
            || bare.starts_with("Caused by:")
            || bare.starts_with("Suppressed:")
            || bare.starts_with("Wrapped by:")
            || (bare.starts_with("Next ") && error_line(&bare[5..]).is_some())
            || (self.is_logged
                && (bare.starts_with("Stack Trace:")
                    || (self.place == Place::Apart && error_line(bare).is_some())))
            || is_chain(bare)
            || bare.starts_with("... ")
            || bare.starts_with("Node.js v")
            || bare.starts_with("[cause]:")
            || bare.starts_with("(Use `node --trace")
            || (self.place != Place::Apart
                && (line.starts_with([' ', '\t']) || bare.starts_with(['}', ']'])))
            || (self.place != Place::Apart && is_more_of_message(bare));
        if bare.starts_with("The above exception was caused by") {
            // Dagster writes the other error without a blank line before it.
            self.place = Place::Apart;
        } else if is_own {
            self.place = Place::Told;
        }
        is_own
    }

    fn quoted(&mut self, line: &str) -> bool {
        let bare = line.trim_start();
        if self.place == Place::Before {
            if !line.starts_with([' ', '\t'])
                && (error_line(bare).is_some()
                    || bare.starts_with("[UnhandledPromise")
                    || bare.starts_with("Uncaught"))
            {
                self.kind = Kind::Stack;
                self.place = Place::Told;
                return true;
            }
            return self.lines <= MOST_QUOTED;
        }
        self.stack(line)
    }

    fn rust(&mut self, line: &str) -> bool {
        let bare = line.trim_start();
        if self.lines == 2 && self.place == Place::Before {
            self.place = Place::Told;
            return true;
        }
        bare.starts_with("note: ")
            || bare.starts_with("stack backtrace:")
            || (line.starts_with(' ') && !bare.is_empty())
            || (bare.is_empty() && self.place == Place::Frames)
    }

    fn go(&mut self, line: &str) -> bool {
        let bare = line.trim_start();
        if bare.is_empty() {
            self.place = Place::Apart;
            return true;
        }
        let begins = bare.starts_with("goroutine ");
        if begins {
            self.place = Place::Frames;
        }
        begins
            || line.starts_with('\t')
            || bare.starts_with("[signal ")
            || bare.starts_with("panic: ")
            || bare.starts_with("created by ")
            || bare.starts_with("exit status ")
            || bare.starts_with("runtime ")
            || (self.place == Place::Frames && (bare.ends_with(')') || bare.contains('(')))
    }
}

/// The kind of crash that a line starts, and the part of the crash that the line belongs to.
fn opening(bare: &str) -> Option<(Kind, Place)> {
    let first = bare.as_bytes().first()?;
    match first {
        b'T' | b'E' | b'U' | b'F' | b'+' | 0xe2 if is_traceback(bare) => {
            Some((Kind::Python, Place::Frames))
        }
        b'F' if bare.starts_with("Fatal Python error: ") => Some((Kind::Fault, Place::Frames)),
        b'T' if bare.starts_with("Timeout (") && bare.ends_with(")!") => {
            Some((Kind::Fault, Place::Frames))
        }
        _ if is_prelude(bare) => Some((Kind::Python, Place::Before)),
        b'E' if bare.starts_with("Exception in thread \"") => Some((Kind::Stack, Place::Told)),
        b'F' | b'<'
            if bare.starts_with("FATAL ERROR: ") || bare.starts_with("<--- Last few GCs") =>
        {
            Some((Kind::V8, Place::Frames))
        }
        b'p' if bare.starts_with("panic: ") && bare.len() > 7 => Some((Kind::Go, Place::Before)),
        b'f' if bare.starts_with("fatal error: ") => Some((Kind::Go, Place::Before)),
        b't' if bare.starts_with("thread '") && bare.contains("panicked at") => {
            let is_old = bare.contains("panicked at '");
            Some((Kind::Rust, if is_old { Place::Told } else { Place::Before }))
        }
        b'n' if bare.starts_with("node:internal/") => Some((Kind::Quoted, Place::Before)),
        b'/' | b'f' | b'C' if is_script_place(bare) => Some((Kind::Quoted, Place::Before)),
        _ if error_line(bare).is_some() => Some((Kind::Stack, Place::Told)),
        _ => None,
    }
}

fn is_traceback(bare: &str) -> bool {
    let bare = bare.trim_start_matches(['+', '|', ' ', '-', '╭', '─']);
    let bare = bare.strip_prefix("Exception Group ").unwrap_or(bare);
    bare.starts_with("Traceback (most recent call last)")
}

/// Lines before a traceback that was not logged by a record.
fn is_prelude(bare: &str) -> bool {
    const WORDS: [&str; 7] = [
        "--- Logging error",
        "Exception ignored in",
        "Task exception was never retrieved",
        "Future exception was never retrieved",
        "Unhandled error in Deferred",
        "Unhandled Error",
        "Exception in callback",
    ];
    let is_of_thread =
        || bare.starts_with("Exception in thread ") && bare.trim_end().ends_with(':');
    // An exception of a pool's worker is quoted before the exception raised from it.
    WORDS.iter().any(|words| bare.starts_with(words))
        || (is_of_thread() && !bare.contains('"'))
        || bare.trim_end().ends_with("RemoteTraceback:")
}

/// The change in the number of open brackets.
fn brackets(line: &str) -> i32 {
    line.bytes().fold(0, |open, byte| match byte {
        b'[' | b'(' | b'{' => open + 1,
        b']' | b')' | b'}' => open - 1,
        _ => open,
    })
}

/// Lines that faulthandler writes after its first.
fn is_of_fault(line: &str) -> bool {
    const WORDS: [&str; 6] = [
        "Current thread ",
        "Thread 0x",
        "Python runtime state",
        "Extension modules:",
        "Segmentation fault",
        "Aborted",
    ];
    line.trim().is_empty()
        || line.starts_with([' ', '\t'])
        || WORDS.iter().any(|words| line.starts_with(words))
}

/// Whether a record of this level may have logged the crash that follows it.
pub(crate) fn may_have_logged(level: Option<Level>) -> bool {
    level.is_none_or(|level| level >= Level::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of lines that belong to the crash that the first line starts.
    fn extent(text: &str) -> usize {
        let mut lines = text.lines();
        let mut crash = Crash::begin(lines.next().unwrap(), Position::default()).unwrap();
        1 + lines.take_while(|line| crash.go_on(line)).count()
    }

    #[test]
    fn crashes_end_where_they_end() {
        let python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in x\n    y()\nValueError: no\n";
        assert_eq!(extent(&format!("{python}next\n")), 4);
        assert_eq!(extent(&format!("{python}{python}")), 4);
        let chained = format!(
            "{python}\nDuring handling of the above exception, another exception occurred:\n\n{python}INFO:x:y\n"
        );
        assert_eq!(extent(&chained), 11);
        let node = "/srv/a.js:3\n  throw new Error('x')\n  ^\n\nError: x\n    at main (/srv/a.js:3:9)\n\nNode.js v20.1.0\nnext\n";
        assert_eq!(extent(node), 8);
        let java = "Exception in thread \"main\" java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\nCaused by: x.Y: z\n\t... 1 more\n2026 x\n";
        assert_eq!(extent(java), 4);
        let rust = "thread 'main' panicked at src/main.rs:1:2:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`\nnext\n";
        assert_eq!(extent(rust), 3);
        let go = "panic: runtime error: index out of range [3]\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:9 +0x1d\nexit status 2\n{\"level\":\"info\"}\n";
        assert_eq!(extent(go), 6);
        let v8 = "<--- Last few GCs --->\n\n[1:0x1]  100 ms: Mark-sweep\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xb7 node::Abort()\nnext\n";
        assert_eq!(extent(v8), 8);
    }

    #[test]
    fn words_are_no_crash() {
        for line in [
            "",
            "Error",
            "Errors: 3",
            "12 Errors: x",
            "it failed: ValueError: x",
            "at the end",
            "panic at the disco",
            "thread 'x' started",
        ] {
            assert!(Crash::begin(line, Position::default()).is_none(), "{line}");
        }
        for line in [
            "TimeoutError: 30000 ms exceeded",
            "org.x.PoolException: y",
            "Uncaught TypeError: z",
            "Error [ERR_X]: no",
        ] {
            assert!(Crash::begin(line, Position::default()).is_some(), "{line}");
        }
    }
}
