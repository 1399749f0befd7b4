//! Runs a command and watches it: its outputs, its time, its memory.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, fchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::call::{Call, Signal};
use crate::place::Place;

/// The demo's last day ends at this midnight: 2026-03-15.
const NOW: &str = "1773532800";
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(2);
/// So soon after a signal a command is over.
const STOPPED: Duration = Duration::from_secs(2);
/// More of an output is read, but not kept.
const KEPT: usize = 64 << 20;

/// Which program is run, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Root runs it as somebody else, to whom nothing else belongs.
    pub(crate) user: Option<u32>,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// The peak of its resident memory, in MiB, as far as it was seen.
    pub(crate) peak: u64,
    pub(crate) took: Duration,
    /// We killed it: it did not end in time.
    pub(crate) is_hung: bool,
    /// What it was sent before it ended.
    pub(crate) sent: Option<Signal>,
    /// It was sent a signal, and took no notice for too long.
    pub(crate) is_deaf: bool,
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be run at all.
pub(crate) fn run(program: &Program, place: &Place, call: &Call) -> Result<Ended> {
    let started = Instant::now();
    let (stdout, out) = pipe(program)?;
    let (stderr, told) = pipe(program)?;
    // The command with its ends of the pipes is gone when it has begun: they close with the process.
    let mut child = command(program, place, call)
        .stdout(out)
        .stderr(told)
        .spawn()
        .with_context(|| format!("{} cannot be run", program.path.display()))?;
    let stdin = child.stdin.take();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if let (Some(mut stdin), Some(bytes)) = (stdin, &call.stdin) {
            // Whoever does not read it to its end has had enough.
            scope.spawn(move || drop(stdin.write_all(bytes)));
        }
        for fifo in &call.read {
            scope.spawn(|| drain(fifo, &is_over));
        }
        let out = scope.spawn(|| collect(stdout, call.enough));
        let told = scope.spawn(|| collect(stderr, None));
        let watched = watch(&mut child, call, started);
        is_over.store(true, Ordering::Release);
        let mut ended = watched?;
        ended.stdout = out.join().unwrap_or_default();
        ended.stderr = told.join().unwrap_or_default();
        Ok(ended)
    })
}

fn command(program: &Program, place: &Place, call: &Call) -> Command {
    let mut command = match call.limits.address_space {
        // `exec` makes it the very process that is watched.
        Some(mib) => {
            let mut shell = Command::new("/bin/sh");
            let limited = format!("ulimit -v {}; exec \"$0\" \"$@\"", mib << 10);
            shell.arg("-c").arg(limited).arg(&program.path);
            shell
        }
        None => Command::new(&program.path),
    };
    if let Some(user) = program.user {
        command.uid(user).gid(user);
    }
    let stdin = if call.stdin.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    command
        .args(&call.args)
        .current_dir(&call.cwd)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", &place.home)
        .env("XDG_CACHE_HOME", &place.cache)
        .env("TMPDIR", &place.tmp)
        .env("SOURCE_DATE_EPOCH", NOW)
        .envs(call.env.iter().map(|(name, value)| (*name, value)))
        .stdin(stdin);
    command
}

/// A pipe that belongs to the user of the command, who may then open it again as `/dev/stdout`.
fn pipe(program: &Program) -> Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = std::io::pipe().context("there is no pipe")?;
    if let Some(user) = program.user {
        fchown(&writer, Some(user), Some(user))?;
    }
    Ok((reader, writer))
}

/// Waits for the end, sends the signal, and loses patience.
fn watch(child: &mut Child, call: &Call, started: Instant) -> Result<Ended> {
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (mut peak, mut sent, mut is_deaf, mut is_hung) = (0, None, false, false);
    let mut until = call.limits.time;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended {
                status,
                stdout: Vec::new(),
                stderr: Vec::new(),
                peak,
                took: started.elapsed(),
                is_hung,
                sent,
                is_deaf,
            });
        }
        peak = peak.max(resident(&status));
        let took = started.elapsed();
        if let Some((signal, after)) = call.signal
            && sent.is_none()
            && took >= after
        {
            send(child, signal);
            sent = Some(signal);
            until = took + STOPPED;
        }
        if took >= until {
            (is_hung, is_deaf) = (true, sent.is_some());
            child.kill()?;
        }
        std::thread::sleep(LOOK);
    }
}

/// The peak of a process's resident memory, in MiB; zero when it is over.
fn resident(status: &Path) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

fn send(child: &Child, signal: Signal) {
    let name = match signal {
        Signal::Interrupt => "-INT",
        Signal::Terminate => "-TERM",
    };
    // The shell has it built in, wherever the program of that name may be.
    let _ = Command::new("/bin/sh")
        .args(["-c", "kill \"$0\" \"$1\"", name])
        .arg(child.id().to_string())
        .stderr(Stdio::null())
        .status();
}

/// Reads a pipe to its end, or closes it after so many bytes.
fn collect(mut pipe: impl Read, enough: Option<usize>) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(enough) = enough {
        let _ = pipe.by_ref().take(enough as u64).read_to_end(&mut kept);
        return kept;
    }
    let _ = pipe.by_ref().take(KEPT as u64).read_to_end(&mut kept);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    kept
}

/// Takes everything out of a FIFO until the command is over.
fn drain(fifo: &Path, is_over: &AtomicBool) {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(fifo);
    let Ok(mut fifo) = opened else {
        return;
    };
    let mut buffer = [0; 8 << 10];
    while !is_over.load(Ordering::Acquire) {
        match fifo.read(&mut buffer) {
            Ok(read) if read > 0 => {}
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => std::thread::sleep(LOOK),
        }
    }
}
