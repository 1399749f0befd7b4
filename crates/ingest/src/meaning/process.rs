//! Recognises what supervisors say about the programs that they run: systemd, the kernel, supervisord, pm2, Docker
//! Compose, Heroku, Lambda, Apify, scrapyd and the shell.
//!
//! Only they know how a program ended that was killed. Their messages have few forms.

use std::borrow::Cow;

use dragline_schema::{Event, Record, ScraperEnd, ScraperError, ScraperStart};

use crate::framing::envelope::without_replica;

/// What a supervisor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told<'t> {
    /// The program, if the message names it.
    name: Option<&'t str>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Started,
    Ended(End),
    /// Something that the program ended of, or why it is not started again.
    Fault,
    /// A task failed; the program goes on.
    TaskFailed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Success,
    Failed,
    /// Somebody stopped the program.
    Stopped,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Stopped => "cancelled",
        }
    }

    /// The end with an exit code. Shells add 128 to the number of a signal.
    fn of_code(code: &str) -> Option<Self> {
        match code.parse::<u32>().ok()? {
            0 => Some(Self::Success),
            130 | 143 => Some(Self::Stopped),
            _ => Some(Self::Failed),
        }
    }

    fn of_signal(signal: &str) -> Self {
        match signal.trim_start_matches("SIG") {
            "TERM" | "INT" | "HUP" => Self::Stopped,
            _ => Self::Failed,
        }
    }
}

/// Maximum length of a supervisor's message, in bytes.
const LONGEST: usize = 400;

/// Fast path: whether a line may say that a program ended.
pub(crate) fn may_say_end(line: &[u8]) -> bool {
    const SIGNS: [&[u8]; 3] = [b"exited, code=", b"exited with ", b"exited: "];
    line.len() <= 2 * LONGEST
        && memchr::memmem::find(line, b"exited").is_some()
        && SIGNS
            .iter()
            .any(|sign| memchr::memmem::find(line, sign).is_some())
}

/// What a message says, if it is a supervisor's.
pub(crate) fn told(message: &str) -> Option<Told<'_>> {
    let message = message.trim();
    if message.len() > LONGEST {
        return None;
    }
    let bytes = message.as_bytes();
    // Fast path: most messages begin with another letter.
    let of_start = match bytes.first()? {
        b's' | b'e' | b'g' => supervisord(message).or_else(|| of_shell(message)),
        b'A' => pm2(message).or_else(|| actor(message)),
        b'P' => pm2(message)
            .or_else(|| process(message))
            .or_else(|| php(message)),
        b'S' => started(message).or_else(|| of_shell(message)),
        b'K' | b'I' | b'.' | b'/' | b'b' | b'c' | b'r' => of_shell(message),
        b'O' | b'M' | b'[' => out_of_memory(message),
        b'E' | b'#' => heroku(message)
            .or_else(|| of_step(message))
            .or_else(|| of_shell(message)),
        b'J' => of_job(message),
        b'T' => actor(message),
        _ => None,
    };
    // Others end with what happened.
    of_start.or_else(|| match bytes.last()? {
        b'0'..=b'9' => exited(message),
        b')' => exited(message).or_else(|| of_shell(message)),
        b'A'..=b'Z' | b'.' => systemd(message).or_else(|| laravel(message)),
        b's' => lambda(message),
        b'd' => of_shell(message),
        _ => None,
    })
}

/// `PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted`: what no program can catch. (Uncaught exceptions
/// are crashes with a stack.)
fn php(message: &str) -> Option<Told<'_>> {
    let rest = message.strip_prefix("PHP Fatal error: ")?.trim_start();
    let is_limit = [
        "Allowed memory size",
        "Maximum execution time",
        "Out of memory",
    ];
    let is_limit = is_limit.iter().any(|words| rest.starts_with(words));
    is_limit.then(|| fault(None))
}

/// Laravel's `App\Jobs\Scrape .................. 103.20ms FAIL`.
fn laravel(message: &str) -> Option<Told<'_>> {
    let (task, _) = message.strip_suffix(" FAIL")?.split_once(" ....")?;
    (!task.contains(' ')).then_some(Told {
        name: None,
        what: What::TaskFailed,
    })
}

fn fault(name: Option<&str>) -> Told<'_> {
    Told {
        name,
        what: What::Fault,
    }
}

fn ended(name: Option<&str>, end: End) -> Told<'_> {
    Told {
        name,
        what: What::Ended(end),
    }
}

fn has_started(name: Option<&str>) -> Told<'_> {
    Told {
        name,
        what: What::Started,
    }
}

/// `shop.service: Main process exited, code=killed, status=9/KILL`, `shop.service: Deactivated successfully.`, `Failed to
/// start shop.service - Shop scraper.`
fn systemd(message: &str) -> Option<Told<'_>> {
    if let Some(rest) = message.strip_prefix("Failed to start ") {
        let unit = rest.split(' ').next()?.trim_end_matches('.');
        return Some(fault(Some(unit.strip_suffix(".service")?)));
    }
    let (unit, rest) = message.split_once(": ")?;
    let name = Some(unit.strip_suffix(".service")?);
    if matches!(rest, "Deactivated successfully." | "Succeeded.") {
        return Some(ended(name, End::Success));
    }
    let (code, status) = rest
        .strip_prefix("Main process exited, code=")?
        .split_once(", status=")?;
    let (number, signal) = status.split_once('/')?;
    let end = match code {
        "exited" => End::of_code(number)?,
        _ => End::of_signal(signal),
    };
    Some(ended(name, end))
}

/// `Started shop.service - Shop scraper.`, `Starting shop.service - Shop scraper...` (of units that systemd waits for),
/// `Starting process with command …` (Heroku).
fn started(message: &str) -> Option<Told<'_>> {
    if message.starts_with("Starting process with command ") {
        return Some(has_started(None));
    }
    let rest = message.strip_prefix("Started ");
    let rest = rest.or_else(|| message.strip_prefix("Starting "))?;
    let unit = rest.split([' ', '.']).next()?;
    let is_unit = rest[unit.len()..].starts_with(".service");
    if is_unit {
        Some(has_started(Some(unit)))
    } else {
        None
    }
}

/// `spawned: 'crawler' with pid 951`, `exited: crawler (exit status 1; not expected)`.
fn supervisord(message: &str) -> Option<Told<'_>> {
    let (word, rest) = message.split_once(": ")?;
    match word {
        "spawned" => {
            let (name, pid) = rest.strip_prefix('\'')?.split_once("' with pid ")?;
            let is_one = pid.bytes().all(|b| b.is_ascii_digit());
            if is_one {
                Some(has_started(Some(name)))
            } else {
                None
            }
        }
        "exited" | "stopped" => {
            let (name, how) = rest.strip_suffix(')')?.split_once(" (")?;
            let end = match how.strip_prefix("terminated by ") {
                Some(signal) => End::of_signal(signal.split(';').next()?),
                None => End::of_code(how.strip_prefix("exit status ")?.split(';').next()?)?,
            };
            let was_stopped = word == "stopped" && end == End::Failed;
            Some(ended(
                Some(name),
                if was_stopped { End::Stopped } else { end },
            ))
        }
        "gave up" => {
            let (name, _) = rest.split_once(" entered FATAL state")?;
            Some(fault(Some(name)))
        }
        _ => None,
    }
}

/// `App [shop:0] exited with code [1] via signal [SIGINT]`, also behind `PM2 log: `.
fn pm2(message: &str) -> Option<Told<'_>> {
    let behind = ["PM2 log: ", "PM2 error: ", "PM2 | "];
    let bare = behind.iter().find_map(|sign| message.strip_prefix(sign));
    let (name, rest) = bare
        .unwrap_or(message)
        .strip_prefix("App [")?
        .split_once("] ")?;
    let name = Some(name.split(':').next()?);
    if rest.starts_with("starting in ") {
        return Some(has_started(name));
    }
    if rest.starts_with("errored: ") {
        return Some(fault(name));
    }
    let (code, rest) = rest.strip_prefix("exited with code [")?.split_once(']')?;
    let signal = rest
        .strip_prefix(" via signal [")
        .and_then(|rest| rest.strip_suffix(']'));
    // pm2 also writes the signal that it would have sent.
    let end = match (End::of_code(code)?, signal) {
        (End::Success, Some("SIGKILL" | "SIGSEGV" | "SIGABRT" | "SIGBUS")) => End::Failed,
        (end, _) => end,
    };
    Some(ended(name, end))
}

/// Heroku's `Process exited with status 137`, scrapyd's `Process died: exitstatus=1 … spider='shop' …`.
fn process(message: &str) -> Option<Told<'_>> {
    if let Some(told) = of_step(message) {
        return Some(told);
    }
    // Fly's
    if message == "Process appears to have been OOM killed!" {
        return Some(fault(None));
    }
    let rest = message.strip_prefix("Process ")?;
    if let Some(code) = rest.strip_prefix("exited with status ") {
        return Some(ended(None, End::of_code(code)?));
    }
    let (word, fields) = rest.split_once(": ")?;
    let (name, _) = fields.split_once("spider='")?.1.split_once('\'')?;
    match word {
        "started" => Some(has_started(Some(name))),
        "finished" => Some(ended(Some(name), End::Success)),
        "died" => Some(ended(Some(name), End::Failed)),
        _ => None,
    }
}

/// GitHub's `##[error]Process completed with exit code 1.`
fn of_step(message: &str) -> Option<Told<'_>> {
    let begins = ["##[error]", "Error: "];
    let bare = begins.iter().find_map(|begin| message.strip_prefix(begin));
    let rest = bare
        .unwrap_or(message)
        .strip_prefix("Process completed with exit code ")?;
    Some(ended(None, End::of_code(rest.strip_suffix('.')?)?))
}

/// GitLab's `Job succeeded` and `ERROR: Job failed: exit code 1`.
fn of_job(message: &str) -> Option<Told<'_>> {
    if message == "Job succeeded" {
        return Some(ended(None, End::Success));
    }
    let code = message.strip_prefix("Job failed: exit code ")?;
    Some(ended(None, End::of_code(code)?))
}

/// `Error R15 (Memory quota vastly exceeded)`
fn heroku(message: &str) -> Option<Told<'_>> {
    let (code, why) = message.strip_prefix("Error R")?.split_once(" (")?;
    let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_digit());
    if is_code && why.ends_with(')') {
        Some(fault(None))
    } else {
        None
    }
}

/// `shop-1 exited with code 137` of Docker Compose.
fn exited(message: &str) -> Option<Told<'_>> {
    let message = message.strip_suffix(" (restarting)").unwrap_or(message);
    let (name, code) = message.split_once(" exited with code ")?;
    if name.contains(' ') || name.is_empty() {
        return None;
    }
    Some(ended(Some(name), End::of_code(code)?))
}

/// The kernel's `Out of memory: Killed process 812 (python3)`, `Memory cgroup out of memory: Killed process …`.
fn out_of_memory(message: &str) -> Option<Told<'_>> {
    // The kernel's own clock may be left: `[  258.930660] Out of memory: …`.
    let message = match message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((clock, rest)) if clock.trim().parse::<f64>().is_ok() => rest,
        _ => message,
    };
    let begins = ["Out of memory: Kill", "Memory cgroup out of memory: Kill"];
    let is_one = begins.iter().any(|begin| message.starts_with(begin));
    if is_one { Some(fault(None)) } else { None }
}

/// Lambda's `2026-02-16T01:48:40.456Z c9ee96ed-… Task timed out after 20.01 seconds`.
fn lambda(message: &str) -> Option<Told<'_>> {
    let (before, after) = message.split_once("Task timed out after ")?;
    let is_one = after.ends_with(" seconds") && !before.trim_end().contains("  ");
    let words = before.split_whitespace().count();
    if is_one && words <= 2 {
        Some(fault(None))
    } else {
        None
    }
}

/// Apify's `The Actor run has reached the timeout of 300 seconds, aborting it.`
fn actor(message: &str) -> Option<Told<'_>> {
    let message = message.strip_prefix("ACTOR: ").unwrap_or(message);
    if message.starts_with("The Actor run has reached the timeout of ") {
        return Some(ended(None, End::Failed));
    }
    None
}

/// The shell's `Killed`, also behind a script's line: `run.sh: line 3: 4711 Killed  scrapy crawl shop`.
fn of_shell(message: &str) -> Option<Told<'_>> {
    let word = message.rsplit_once(": ").map_or(message, |(place, rest)| {
        let is_place = place.contains(": line ");
        let number = rest.trim_start().split(' ').next().unwrap_or_default();
        let is_process = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if is_place && is_process {
            rest.trim_start()[number.len()..].trim_start()
        } else {
            ""
        }
    });
    let is_alone = word.len() == message.len();
    let signs = [
        "Killed",
        "Segmentation fault",
        "Illegal instruction",
        "Aborted",
        "Bus error",
        // R's
        "Execution halted",
    ];
    let is_one = signs.iter().any(|sign| {
        let rest = word.strip_prefix(sign);
        rest.is_some_and(|rest| match rest {
            "" | " (core dumped)" => true,
            rest => !is_alone && rest.starts_with(' '),
        })
    });
    // Whatever the signal is called: a core is dumped by a death only.
    let is_dumped = word.len() <= 60 && word.ends_with("(core dumped)");
    if is_one || is_dumped {
        Some(fault(None))
    } else {
        None
    }
}

/// Completes a record whose message is a supervisor's.
pub(crate) fn complete(record: &mut Record<'_>) {
    let may_be = matches!(
        record.event,
        Event::Log | Event::ScraperError(_) | Event::ScraperStart(_) | Event::ScraperEnd(_)
    );
    let message = record.message.as_deref().filter(|_| may_be);
    let Some(Told { name, what }) = message.and_then(told) else {
        return;
    };
    let reason = || message.map(|text| Cow::Owned(text.trim().to_owned()));
    let event = match what {
        What::Started => Event::ScraperStart(ScraperStart::default()),
        What::Ended(end) => Event::ScraperEnd(ScraperEnd {
            status: Some(end.as_str().into()),
            finish_reason: reason(),
            ..ScraperEnd::default()
        }),
        What::Fault | What::TaskFailed => Event::ScraperError(ScraperError {
            error_message: reason(),
            ..ScraperError::default()
        }),
    };
    // Replicas are runs of one program.
    let service = name.map(|name| Cow::Owned(without_replica(name).to_owned()));
    record.event = event;
    record.unread = None;
    record.is_supervisors = true;
    record.is_fatal = what == What::Fault;
    record.service = service;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn supervisors_say_how_programs_ended() {
        let failed = What::Ended(End::Failed);
        let success = What::Ended(End::Success);
        let stopped = What::Ended(End::Stopped);
        for (message, name, what) in [
            (
                "Started shop.service - Shop scraper.",
                Some("shop"),
                What::Started,
            ),
            (
                "shop.service: Main process exited, code=killed, status=9/KILL",
                Some("shop"),
                failed,
            ),
            (
                "shop.service: Main process exited, code=exited, status=1/FAILURE",
                Some("shop"),
                failed,
            ),
            (
                "shop.service: Main process exited, code=killed, status=15/TERM",
                Some("shop"),
                stopped,
            ),
            (
                "shop.service: Deactivated successfully.",
                Some("shop"),
                success,
            ),
            (
                "spawned: 'crawler' with pid 951",
                Some("crawler"),
                What::Started,
            ),
            (
                "exited: crawler (terminated by SIGKILL; not expected)",
                Some("crawler"),
                failed,
            ),
            (
                "exited: crawler (exit status 0; expected)",
                Some("crawler"),
                success,
            ),
            (
                "stopped: crawler (terminated by SIGTERM)",
                Some("crawler"),
                stopped,
            ),
            (
                "gave up: crawler entered FATAL state, too many start retries too quickly",
                Some("crawler"),
                What::Fault,
            ),
            (
                "PM2 log: App [shop:0] starting in -fork mode-",
                Some("shop"),
                What::Started,
            ),
            (
                "App [shop:0] exited with code [1] via signal [SIGINT]",
                Some("shop"),
                failed,
            ),
            (
                "PM2 error: App [shop] errored: too many unstable restarts (16). \"errored\"",
                Some("shop"),
                What::Fault,
            ),
            ("shop-1 exited with code 137", Some("shop-1"), failed),
            ("shop-1 exited with code 0", Some("shop-1"), success),
            (
                "Starting process with command `node worker.js`",
                None,
                What::Started,
            ),
            ("Process exited with status 137", None, failed),
            ("##[error]Process completed with exit code 1.", None, failed),
            ("Job failed: exit code 137", None, failed),
            (
                "App\\Jobs\\Scrape .................. 103.20ms FAIL",
                None,
                What::TaskFailed,
            ),
            (
                "Error R15 (Memory quota vastly exceeded)",
                None,
                What::Fault,
            ),
            (
                "Process died: exitstatus=1 project='p' spider='brk' job='1' pid=2",
                Some("brk"),
                failed,
            ),
            (
                "Out of memory: Killed process 812 (python3) total-vm:5123456kB",
                None,
                What::Fault,
            ),
            (
                "2026-02-16T01:48:40.456Z c9ee96ed-c1dd Task timed out after 20.01 seconds",
                None,
                What::Fault,
            ),
            (
                "The Actor run has reached the timeout of 300 seconds, aborting it. You can",
                None,
                failed,
            ),
            (
                "ACTOR: The Actor run has reached the timeout of 300 seconds, aborting it.",
                None,
                failed,
            ),
            ("Killed", None, What::Fault),
            (
                "./run.sh: line 3: 4711 Killed                  scrapy crawl shop",
                None,
                What::Fault,
            ),
            ("Segmentation fault (core dumped)", None, What::Fault),
            ("CPU time limit exceeded (core dumped)", None, What::Fault),
            ("./run.sh: line 9:  4411 Aborted", None, What::Fault),
            (
                "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted in /srv/w.php on line 3",
                None,
                What::Fault,
            ),
        ] {
            assert_eq!(told(message), Some(Told { name, what }), "{message}");
        }
        for message in [
            "Started scraping shop",
            "Starting the crawl",
            "exited the loop",
            "page exited with an error",
            "the worker exited with code 3 after 2 pages",
            "Killed 3 stale sessions",
            "Process finished",
            "Error R15",
            "App started",
            "request timed out after 20 seconds",
        ] {
            assert_eq!(told(message), None, "{message}");
        }
    }
}
