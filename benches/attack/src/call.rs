//! One command: how it is called, what it may write, and what may come of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// How a command is called.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: PathBuf,
    /// Beside those that every command gets.
    pub(crate) env: Vec<(&'static str, OsString)>,
    pub(crate) stdin: Option<Vec<u8>>,
    /// Whoever reads standard output has enough after so many bytes.
    pub(crate) enough: Option<usize>,
    pub(crate) signal: Option<(Signal, Duration)>,
    pub(crate) permits: Vec<Permit>,
    pub(crate) says: Says,
    pub(crate) limits: Limits,
    /// FIFOs that somebody reads meanwhile.
    pub(crate) read: Vec<PathBuf>,
    /// What we ourselves change meanwhile: nothing is said of it.
    pub(crate) volatile: Option<PathBuf>,
    /// The output is a device, which takes everything.
    pub(crate) is_to_device: bool,
}

/// What a command may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
}

/// What a command may write.
#[derive(Debug, Clone)]
pub(crate) enum Permit {
    /// A file, which may be made anew, and what it then says.
    Output(PathBuf, Says),
    /// New files below a directory, and changes of those that were made by an earlier command.
    Below(PathBuf),
    /// The cache's own directory.
    Cache(PathBuf),
    /// The directory that the configuration gives to the cache: its own, unless it holds others' files.
    Configured(PathBuf),
}

/// What an output is, which decides what must not stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Text for people, Markdown too.
    Text,
    /// A JSON document.
    Json,
    /// Lines for programs.
    Utf8,
    /// HTML.
    Page,
    /// Anything.
    Binary,
}

/// How much a command may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    /// Peak of resident memory, in MiB.
    pub(crate) resident: u64,
    /// Of address space, in MiB; allocations beyond fail.
    pub(crate) address_space: Option<u64>,
}

impl Call {
    /// A command with nothing permitted yet.
    pub(crate) fn new(cwd: PathBuf, words: &[&str], limits: Limits) -> Self {
        Self {
            args: words.iter().map(OsString::from).collect(),
            cwd,
            env: Vec::new(),
            stdin: None,
            enough: None,
            signal: None,
            permits: Vec::new(),
            says: Says::Text,
            limits,
            read: Vec::new(),
            volatile: None,
            is_to_device: false,
        }
    }

    /// The same with more arguments.
    pub(crate) fn with(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// As it would be typed.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("cd {} &&", quoted(self.cwd.as_os_str()));
        for (name, value) in &self.env {
            line.push_str(&format!(" {name}={}", quoted(value)));
        }
        line.push_str(" dragline");
        for arg in &self.args {
            line.push(' ');
            line.push_str(&quoted(arg));
        }
        if let Some(stdin) = &self.stdin {
            line.push_str(&format!(" < {} bytes", stdin.len()));
        }
        if let Some(enough) = self.enough {
            line.push_str(&format!(" | head -c {enough}"));
        }
        if let Some((signal, after)) = self.signal {
            line.push_str(&format!("  # {signal:?} after {} ms", after.as_millis()));
        }
        line
    }
}

/// An argument as a shell takes it.
fn quoted(arg: &OsStr) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-=:,+@%".contains(byte);
    let bytes = arg.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return arg.to_string_lossy().into_owned();
    }
    let is_printable =
        |letter: char| !letter.is_control() && (letter.is_ascii() || letter.is_alphanumeric());
    match arg.to_str() {
        Some(text) if text.chars().all(is_printable) => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        _ => format!("$'{}'", bytes.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_can_be_typed() {
        let typed = |bytes: &[u8]| quoted(OsStr::from_bytes(bytes));
        assert_eq!(typed(b"logs/a.log"), "logs/a.log");
        assert_eq!(typed(b"it's"), r"'it'\''s'");
        assert_eq!(typed(b"\x1b\xff"), r"$'\x1b\xff'");
        assert_eq!(typed(b""), "''");
    }
}
