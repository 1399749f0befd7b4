//! `dragline ship`: sends logs to a service on another machine.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytesize::ByteSize;
use dragline_ship::{Http, Options, Ship, Step};
use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::args::{ShipArgs, WrongUsage};
use crate::config::TOKEN;
use crate::output::tell;
use crate::progress;

/// Longest time until the service hears of a machine that follows its logs, in seconds.
const FOLLOWS: u64 = 60;
/// The same with `--once`, if nobody says how often it is called.
const ONCE: Duration = Duration::from_hours(24);
/// Time between two looks at the flag that a signal sets.
const LOOK: Duration = Duration::from_millis(100);
/// After a signal, a request that is under way has this long.
const GRACE: Duration = Duration::from_secs(2);
/// Files that wait for longer are mentioned, and again after this time.
const LAG: Duration = Duration::from_mins(5);
/// Largest token file that is read, in bytes.
const LONGEST_TOKEN: u64 = 4096;

/// `dragline ship`
pub(crate) fn ship(args: &ShipArgs) -> anyhow::Result<()> {
    if args.logs.iter().any(|log| log == "-") {
        let sentence = "ship cannot follow standard input: name files or directories";
        return Err(WrongUsage::new(sentence).into());
    }
    dragline_ingest::check_patterns(&args.logs)
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    let token = token(args.token_file.as_deref())?;
    let http = Http::new(&args.to, token.as_deref(), args.ca_file.as_deref())
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    if token.is_some() && is_exposed(&args.to) {
        tell("the token and the logs go to the service without encryption: use https");
    }
    let options = Options {
        inputs: args.logs.clone(),
        to: args.to.trim_end_matches('/').to_owned(),
        host: match &args.host {
            Some(host) => host.clone(),
            None => host()?,
        },
        state: args.state.clone(),
        is_once: args.once,
        every: if args.once {
            args.every.unwrap_or(ONCE).as_secs()
        } else {
            FOLLOWS
        },
        seed: RandomState::new().build_hasher().finish(),
    };
    let _lock = dragline_ship::lock(&args.state)?;
    let ship = Ship::open(options, http)?;
    let stop = progress::interrupts();
    let watch = Arc::clone(ship.watch());
    let (is_once, flag) = (args.once, Arc::clone(&stop));
    let worker = std::thread::spawn(move || run(ship, is_once, &flag));
    let mut stopped = None::<Instant>;
    while !worker.is_finished() {
        if stop.load(Ordering::Relaxed) {
            watch.cancel();
            let since = stopped.get_or_insert_with(Instant::now).elapsed();
            if since > GRACE {
                // What was sent is known to the service, whatever the state says.
                return ended(is_once);
            }
        }
        std::thread::park_timeout(LOOK);
    }
    match worker.join() {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => ended(is_once),
        Ok(Err(error)) => Err(error),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// What a signal means: the end of a service, or of work that is not done.
fn ended(is_once: bool) -> anyhow::Result<()> {
    if is_once {
        return Err(progress::Stopped.into());
    }
    Ok(())
}

/// Sends until all is sent (`true`) or a signal comes (`false`).
fn run(mut ship: Ship<Http>, is_once: bool, stop: &AtomicBool) -> anyhow::Result<bool> {
    let line = progress_line();
    let mut lag = Lag::default();
    loop {
        let step = ship.step(now());
        for sentence in ship.said() {
            line.suspend(|| tell(&sentence));
        }
        let waiting = ship.waiting();
        line.set_message(match waiting.files {
            0 => "all sent".to_owned(),
            files => format!("{} of {files} files wait", size(waiting.bytes)),
        });
        if let Some(sentence) = lag.sentence(waiting) {
            line.suspend(|| tell(&sentence));
        }
        let pause = match step? {
            Step::Done => {
                line.finish_and_clear();
                let counts = ship.counts();
                tell(&format!("sent {}; everything is sent", size(counts.sent)));
                return Ok(true);
            }
            Step::Again => Duration::ZERO,
            Step::Wait(pause) => pause,
        };
        if wait(pause, stop) {
            line.finish_and_clear();
            ship.save(now())?;
            if !is_once && ship.waiting().files > 0 {
                let waiting = ship.waiting();
                tell(&format!(
                    "{} of {} files are not sent yet; the next start goes on",
                    size(waiting.bytes),
                    waiting.files
                ));
            }
            return Ok(false);
        }
    }
}

/// Waits; returns whether to stop.
fn wait(pause: Duration, stop: &AtomicBool) -> bool {
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let left = pause.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(left.min(LOOK));
    }
    true
}

/// Since when files wait.
#[derive(Default)]
struct Lag {
    since: Option<Instant>,
}

impl Lag {
    /// What to say about files that wait for long.
    fn sentence(&mut self, waiting: dragline_ship::Waiting) -> Option<String> {
        if waiting.files == 0 {
            self.since = None;
            return None;
        }
        let since = self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < LAG {
            return None;
        }
        *since = Instant::now();
        Some(format!(
            "{} of {} files wait to be sent",
            size(waiting.bytes),
            waiting.files
        ))
    }
}

fn now() -> dragline_schema::Timestamp {
    jiff::Timestamp::now().into()
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// A line of progress, hidden unless stderr is a terminal.
fn progress_line() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let line = ProgressBar::new_spinner();
    line.set_draw_target(target);
    line
}

/// The token, from the file or from the environment.
fn token(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let text = match file {
        Some(path) => {
            use std::io::Read as _;
            let mut text = String::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text))
                .with_context(|| format!("cannot read the token file {}", path.display()))?;
            text
        }
        None => std::env::var(TOKEN).unwrap_or_default(),
    };
    let token = text.trim();
    if token.is_empty() && file.is_some() {
        return Err(WrongUsage::new("the token file is empty").into());
    }
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

/// Whether an address leads to another machine without encryption.
fn is_exposed(to: &str) -> bool {
    let Some(rest) = to.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host != "localhost" && !address.is_ok_and(|address| address.is_loopback())
}

/// The name of this machine.
fn host() -> anyhow::Result<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let names = files
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok());
    let names = names.chain(std::env::var("HOSTNAME").ok());
    let mut names = names.map(|name| name.trim().to_owned());
    let name = names.find(|name| !name.is_empty());
    name.ok_or_else(|| WrongUsage::new("the system does not say its name: give --host NAME").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_need_no_encryption() {
        for (to, expected) in [
            ("https://dragline.example.com", false),
            ("http://dragline.example.com:8080/base", true),
            ("http://10.1.2.3", true),
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080/", false),
            ("http://localhost:8080", false),
        ] {
            assert_eq!(is_exposed(to), expected, "{to}");
        }
    }
}
