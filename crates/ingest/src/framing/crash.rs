//! What a program writes when it dies, line by line: Python's tracebacks, stacks of JavaScript and Java, panics
//! of Rust and Go, V8's last words.
//!
//! Nothing stands before their lines, so that a reader has to know where they begin and end. A traceback ends
//! with its exception, and goes on where that was the cause of another; a stack ends where no frame follows.

use dragline_schema::{Level, Position};

use crate::framing::lines::append;

/// A crash's text is kept up to this size; more lines of it are read and left out.
const MAX_CRASH: usize = 1 << 20;
/// A line that is quoted before an error's own has so many lines at most.
const MOST_QUOTED: usize = 12;

/// Who writes so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Python,
    /// Java's and JavaScript's: a type, a message, and lines that begin with `at`.
    Stack,
    /// Node quotes the line that threw before it tells the error.
    Quoted,
    V8,
    Rust,
    Go,
    /// Python's `faulthandler`, innermost call first.
    Fault,
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Words before it.
    Before,
    /// Its frames.
    Frames,
    /// Behind the line that tells the error.
    Told,
    /// A blank line behind that.
    Apart,
    /// Behind the words that another exception follows.
    Chained,
}

/// A crash whose lines come.
#[derive(Debug)]
pub(crate) struct Crash {
    pub(crate) text: String,
    pub(crate) at: Position,
    extent: Extent,
}

/// How far a crash goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    kind: Kind,
    place: Place,
    /// Blanks before its first line: a logger may indent all of it.
    indent: usize,
    lines: usize,
    /// Brackets that a line of the message left open.
    open: i32,
    /// Whether a record logged it: then its message may go on over lines of any kind.
    is_logged: bool,
}

impl Crash {
    /// The crash that a line begins.
    pub(crate) fn begin(line: &str, at: Position) -> Option<Self> {
        Some(Self {
            extent: Extent::begin(line)?,
            text: line.to_owned(),
            at,
        })
    }

    /// Takes the next line, when it is one of its lines.
    pub(crate) fn go_on(&mut self, line: &str) -> bool {
        let is_own = self.extent.takes(line);
        if is_own {
            append(&mut self.text, line, MAX_CRASH);
        }
        is_own
    }

    /// Whether its lines are no others, whatever they look like.
    pub(crate) fn is_sure(&self) -> bool {
        self.extent.is_sure()
    }

    /// Whether it may be what a record logged that is no error: an exception of Python's.
    pub(crate) fn may_be_handled(&self) -> bool {
        self.extent.kind == Kind::Python && is_traceback(self.text.trim_start())
    }

    /// Whether the words before a crash came, and no crash.
    pub(crate) fn is_prelude(&self) -> bool {
        self.extent.kind == Kind::Python && self.extent.place == Place::Before
    }

    /// How bad it is: whoever writes nothing but an error may go on.
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

    /// The error's type and message, where the text is no traceback or stack.
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

/// Whether a line begins what no record begins with, whatever level it seems to name.
pub(crate) fn is_sure(line: &str) -> bool {
    // They begin with few letters, and most lines with none of them.
    let may_be = matches!(
        line.trim_start().as_bytes().first(),
        Some(b'F' | b'<' | b'p' | b'f' | b't' | b'T')
    );
    may_be && Extent::begin(line).is_some_and(|extent| extent.is_sure())
}

impl Extent {
    /// The extent of the crash that a line begins.
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
        })
    }

    /// Whether no logger writes so: what dies does.
    pub(crate) fn is_last_word(&self, line: &str) -> bool {
        self.is_sure() || line.trim_start().starts_with("Exception in thread \"")
    }

    /// The same, of a crash that a record logged.
    pub(crate) fn logged(self) -> Self {
        Self {
            is_logged: true,
            ..self
        }
    }

    /// Whether its lines are no others, whatever they look like.
    pub(crate) fn is_sure(&self) -> bool {
        matches!(self.kind, Kind::V8 | Kind::Rust | Kind::Go | Kind::Fault)
    }

    /// Whether the next line is one of its lines.
    pub(crate) fn takes(&mut self, line: &str) -> bool {
        self.lines += 1;
        // What was indented with it is as if it were not.
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
            // Node writes its version behind a blank line.
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
        if is_own {
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

/// What a line begins, and where that is then.
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

/// What stands before a traceback that nobody logged.
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
    // What a pool's worker raised is quoted before what was raised of it.
    WORDS.iter().any(|words| bare.starts_with(words))
        || (is_of_thread() && !bare.contains('"'))
        || bare.trim_end().ends_with("RemoteTraceback:")
}

/// How many brackets a line leaves open.
fn brackets(line: &str) -> i32 {
    line.bytes().fold(0, |open, byte| match byte {
        b'[' | b'(' | b'{' => open + 1,
        b']' | b')' | b'}' => open - 1,
        _ => open,
    })
}

/// Lines that faulthandler writes behind its first.
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

fn is_chain(bare: &str) -> bool {
    bare.starts_with("During handling of the above exception")
        || bare.starts_with("The above exception was the direct cause")
        || bare.starts_with("The above exception was caused by")
}

/// Whether a line is one of a crash that is open, by its words.
pub(crate) fn is_more(line: &str) -> bool {
    is_chain(line) || is_more_of_message(line) || is_frame(line)
}

/// Lines of an exception's message behind its first one.
fn is_more_of_message(bare: &str) -> bool {
    const WORDS: [&str; 29] = [
        "╔",
        "║",
        "╚",
        "Stack backtrace:",
        "Stack Trace:",
        "Stack trace:",
        "Stack (most recent call last)",
        "\"\"\"",
        "--- End of logging error",
        "Last message",
        "State: ",
        "Logged from file",
        "Call stack:",
        "Message: ",
        "Arguments: ",
        "Call log:",
        "For more information",
        "Stacktrace:",
        "#",
        "(Session info",
        "[SQL:",
        "(Background on",
        "[parameters:",
        "HINT:",
        "DETAIL:",
        "LINE ",
        "=====",
        "Backtrace:",
        "The above exception",
    ];
    WORDS.iter().any(|words| bare.starts_with(words))
}

/// A line of a stack.
pub(crate) fn is_frame(bare: &str) -> bool {
    bare.strip_prefix("at ")
        .is_some_and(|rest| !rest.is_empty())
}

/// ``shop.rb:3:in `page'``, also where it tells the cause of an error.
pub(crate) fn is_ruby_frame(bare: &str) -> bool {
    bare.split_once(".rb:").is_some_and(|(place, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        !place.contains(' ') && digits > 0 && rest[digits..].starts_with(":in ")
    })
}

/// `/srv/app.js:12`, as Node names the place that threw.
fn is_script_place(bare: &str) -> bool {
    let Some((path, line)) = bare.trim_end().rsplit_once(':') else {
        return false;
    };
    let is_script = [".js", ".mjs", ".cjs", ".ts", ".mts"]
        .iter()
        .any(|end| path.ends_with(end));
    is_script && !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()) && !path.contains(' ')
}

/// `Page.goto`: a method of a class, as Playwright names what failed, is no type.
fn is_method(name: &str) -> bool {
    name.split_once('.').is_some_and(|(class, method)| {
        class.starts_with(|c: char| c.is_ascii_uppercase())
            && method.starts_with(|c: char| c.is_ascii_lowercase())
            && method.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Splits `Type: message`. Without a type the whole is the message.
pub(crate) fn split_type(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (left, right) = text
        .split_once(": ")
        .unwrap_or((text.trim_end_matches(':'), ""));
    let is_name = left.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && left
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '$'))
        && left.contains(|c: char| c.is_uppercase() || c == '.')
        && !is_method(left);
    if is_name {
        (left, right.trim())
    } else {
        ("", text)
    }
}

/// `Type: message` of an error that stands by itself; its type and message.
pub(crate) fn error_line(line: &str) -> Option<(&str, &str)> {
    if let Some(told) = behind_type(line) {
        return Some(told);
    }
    let line = without_words(line);
    // Node's way with an error that has members.
    let line = line.strip_prefix('[').unwrap_or(line);
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')))
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let last = name.rsplit(['.', '$']).next().unwrap_or_default();
    let is_type = last.starts_with(|c: char| c.is_ascii_uppercase())
        && ["Error", "Exception", "Interrupt", "Failure", "Rejection"]
            .iter()
            .any(|end| last.ends_with(end));
    // `Error [ERR_X]: message`
    let rest = match rest.strip_prefix(" [") {
        Some(coded) => coded.split_once(']').map_or(rest, |(_, rest)| rest),
        None => rest,
    };
    match rest.as_bytes() {
        [] => (is_type && name.len() > "Exception".len()).then_some((name, "")),
        [b':', ..] => is_type.then(|| (name, rest[1..].trim())),
        _ => None,
    }
}

/// `page failed TypeError: message`: the error that a text ends with.
pub(crate) fn error_within(text: &str) -> Option<(&str, &str)> {
    text.match_indices(": ").find_map(|(at, _)| {
        let begin = text[..at].rfind([' ', '|', '(', '[']).map(|at| at + 1)?;
        error_line(&text[begin..]).filter(|(name, _)| name.len() == at - begin)
    })
}

/// Ruby's message over lines: the place in the source, marked from below, and the type behind the mark.
pub(crate) fn behind_mark<'t>(first: &'t str, rest: &'t str) -> Option<(&'t str, &'t str)> {
    let marked = rest
        .lines()
        .take(6)
        .find(|line| line.trim_start().starts_with('^'))?;
    let name = marked.trim_end().strip_suffix(')')?.rsplit_once("^ (")?.1;
    error_line(name).map(|(name, _)| (name, first))
}

/// What runtimes write before the error that nobody caught.
fn without_words(line: &str) -> &str {
    const WORDS: [&str; 6] = [
        "Uncaught ",
        "Unhandled exception. ",
        "Unhandled Exception: ",
        "PHP Fatal error:  Uncaught ",
        "PHP Fatal error: Uncaught ",
        "Fatal error: Uncaught ",
    ];
    let of_thread = || {
        let (_, rest) = line
            .strip_prefix("Exception in thread \"")?
            .split_once("\" ")?;
        Some(rest)
    };
    let bare = WORDS.iter().find_map(|words| line.strip_prefix(words));
    bare.or_else(of_thread).unwrap_or(line)
}

/// Errors with their type in parentheses: Elixir's `** (Type) message`, Ruby's ``shop.rb:3:in `f': message (Type)``.
fn behind_type(line: &str) -> Option<(&str, &str)> {
    let is_type = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':'))
    };
    if let Some(rest) = line.strip_prefix("** (") {
        let (name, message) = rest.split_once(") ")?;
        return is_type(name).then_some((name, message.trim()));
    }
    let (place, rest) = line.split_once(".rb:")?;
    let (place_in, told) = rest.split_once("': ")?;
    let (message, name) = told.trim_end().strip_suffix(')')?.rsplit_once(" (")?;
    let is_ruby = !place.contains(' ') && place_in.contains(":in ") && is_type(name);
    is_ruby.then_some((name, message))
}

fn is_of_v8(line: &str) -> bool {
    const WORDS: [&str; 9] = [
        "<---",
        "FATAL ERROR",
        "[",
        "-----",
        "Aborted",
        "Trace/breakpoint",
        "Security context",
        "====",
        "npm ERR!",
    ];
    let bare = line.trim_start();
    bare.is_empty()
        || WORDS.iter().any(|words| bare.starts_with(words))
        || bare.split_once(": ").is_some_and(|(number, rest)| {
            number.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with("0x")
                || rest.starts_with("builtin")
        })
        || line.starts_with([' ', '\t'])
}

/// Whether a record of this level may have logged the crash that follows it.
pub(crate) fn may_have_logged(level: Option<Level>) -> bool {
    level.is_none_or(|level| level >= Level::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the lines belong to the crash that the first one begins.
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
