//! What is wrong with what came of a command, as far as it can be told from outside.

mod files;
mod text;

use std::os::unix::process::ExitStatusExt as _;

pub(crate) use files::{devices, files};
pub(crate) use text::said;

use crate::call::{Call, Says, Signal};
use crate::process::Ended;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It panicked.
    Panic,
    /// A signal that nobody sent ended it.
    Signal,
    /// It did not end.
    Hang,
    /// It was told to stop, and went on.
    Deaf,
    /// An exit code that means nothing.
    ExitCode,
    /// A file that was there was changed, removed or replaced.
    Touched,
    /// A file appeared where none was asked for.
    Stray,
    /// A temporary file stayed behind.
    LeftBehind,
    /// What was in a log reached a terminal as it was.
    Raw,
    /// An output is no UTF-8.
    NotUtf8,
    /// A script that was in a log stands in a page.
    Markup,
    /// It took too much memory.
    Memory,
    /// The same question was answered in two ways.
    Unstable,
    /// A device was not written to, or replaced.
    Device,
}

impl Kind {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Signal => "ended by a signal",
            Self::Hang => "hang",
            Self::Deaf => "deaf to a signal",
            Self::ExitCode => "exit code",
            Self::Touched => "a file was touched",
            Self::Stray => "a file appeared",
            Self::LeftBehind => "a temporary file stayed",
            Self::Raw => "raw control characters",
            Self::NotUtf8 => "no UTF-8",
            Self::Markup => "a script in a page",
            Self::Memory => "too much memory",
            Self::Unstable => "other bytes for the same",
            Self::Device => "a device",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) wrong: String,
}

impl Fault {
    pub(crate) fn new(kind: Kind, wrong: impl Into<String>) -> Self {
        Self {
            kind,
            wrong: wrong.into(),
        }
    }
}

/// How it ended, and what it took.
pub(crate) fn ending(call: &Call, ended: &Ended) -> Vec<Fault> {
    let mut faults = Vec::new();
    let told = String::from_utf8_lossy(&ended.stderr);
    if let Some(place) = told.find("panicked at") {
        let start = told[..place].rfind('\n').map_or(0, |end| end + 1);
        faults.push(Fault::new(Kind::Panic, excerpt(&told[start..])));
    } else if ended.status.code() == Some(101) {
        faults.push(Fault::new(Kind::Panic, "exit code 101"));
    }
    if ended.is_deaf {
        let wrong = format!("it went on for 2 s after {:?}", call.signal);
        faults.push(Fault::new(Kind::Deaf, wrong));
    } else if ended.is_hung {
        let wrong = format!("it did not end within {:?}", call.limits.time);
        faults.push(Fault::new(Kind::Hang, wrong));
    } else if faults.is_empty() {
        faults.extend(left(call, ended, &told));
    }
    if ended.peak > call.limits.resident {
        let wrong = format!(
            "{} MiB, where {} are allowed",
            ended.peak, call.limits.resident
        );
        faults.push(Fault::new(Kind::Memory, wrong));
    }
    if call.is_to_device && told.contains("cannot write") {
        faults.push(Fault::new(Kind::Device, excerpt(&told)));
    }
    faults
}

/// What is wrong with how it left by itself.
fn left(call: &Call, ended: &Ended, told: &str) -> Option<Fault> {
    let was_sent = |number| match ended.sent {
        Some(Signal::Interrupt) => number == libc::SIGINT,
        Some(Signal::Terminate) => number == libc::SIGTERM,
        None => false,
    };
    match (ended.status.code(), ended.status.signal()) {
        (Some(0 | 1 | 2 | 101 | 130), _) => None,
        (Some(143), _) if ended.sent == Some(Signal::Terminate) => None,
        (Some(code), _) => Some(Fault::new(
            Kind::ExitCode,
            format!("{code}: {}", excerpt(told)),
        )),
        (_, Some(number)) if was_sent(number) => None,
        _ if told.contains("memory allocation of") => {
            let wrong = format!("{} of {:?} MiB", excerpt(told), call.limits.address_space);
            Some(Fault::new(Kind::Memory, wrong))
        }
        _ => {
            let wrong = format!("{}: {}", ended.status, excerpt(told));
            Some(Fault::new(Kind::Signal, wrong))
        }
    }
}

/// What its outputs say.
pub(crate) fn outputs(call: &Call, ended: &Ended) -> Vec<Fault> {
    let stdout = said(call.says, &ended.stdout, "standard output");
    let stderr = said(Says::Text, &ended.stderr, "standard error");
    stdout.into_iter().chain(stderr).collect()
}

/// The beginning of a text, harmless.
pub(crate) fn excerpt(text: &str) -> String {
    let text: String = text.trim().chars().take(300).collect();
    text.escape_debug()
        .to_string()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::*;
    use crate::call::Limits;

    fn judged(status: i32, stderr: &str, sent: Option<Signal>) -> Vec<Kind> {
        let limits = Limits {
            time: Duration::from_secs(10),
            resident: 700,
            address_space: None,
        };
        let call = Call::new("/".into(), &["report"], limits);
        let ended = Ended {
            status: ExitStatus::from_raw(status),
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
            peak: 40,
            took: Duration::ZERO,
            is_hung: false,
            sent,
            is_deaf: false,
        };
        ending(&call, &ended)
            .into_iter()
            .map(|fault| fault.kind)
            .collect()
    }

    #[test]
    fn ends_are_judged() {
        assert_eq!(judged(0, "", None), []);
        assert_eq!(judged(2 << 8, "dragline: no", None), []);
        assert_eq!(judged(3 << 8, "", None), [Kind::ExitCode]);
        assert_eq!(judged(143 << 8, "", None), [Kind::ExitCode]);
        assert_eq!(judged(143 << 8, "", Some(Signal::Terminate)), []);
        assert_eq!(
            judged(101 << 8, "thread 'main' panicked at x", None),
            [Kind::Panic]
        );
        assert_eq!(judged(6, "", None), [Kind::Signal]);
        assert_eq!(
            judged(6, "memory allocation of 9 bytes failed", None),
            [Kind::Memory]
        );
        assert_eq!(judged(2, "", Some(Signal::Interrupt)), []);
        assert_eq!(judged(2, "", Some(Signal::Terminate)), [Kind::Signal]);
    }
}
