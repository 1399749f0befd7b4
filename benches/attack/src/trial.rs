//! One run: commands one after the other in one place, each judged.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::Options;
use crate::call::Call;
use crate::judge::{self, Fault, Kind};
use crate::process::{self, Ended, Program};
use crate::scene::Scene;
use crate::snapshot::{Change, Snapshot};

/// A run that is over before its end: after a hang nothing more can be learned, and much time be lost.
#[derive(Debug)]
pub(crate) struct Over;

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command hung")
    }
}

impl std::error::Error for Over {}

/// A run as far as it came.
pub(crate) struct Trial<'o> {
    pub(crate) options: &'o Options,
    pub(crate) program: &'o Program,
    pub(crate) scene: Scene,
    /// What appeared with the commands: the program's own.
    owned: BTreeSet<PathBuf>,
    pub(crate) commands: u64,
    /// What was wrong, and the command it came of.
    pub(crate) faults: Vec<(String, Fault)>,
}

impl<'o> Trial<'o> {
    pub(crate) fn new(options: &'o Options, program: &'o Program, scene: Scene) -> Self {
        Self {
            options,
            program,
            scene,
            owned: BTreeSet::new(),
            commands: 0,
            faults: Vec::new(),
        }
    }

    /// Runs a command and judges it.
    pub(crate) fn run(&mut self, call: &Call) -> Result<Ended> {
        self.run_beside(call, || ())
    }

    /// Runs a command, with something else going on meanwhile.
    pub(crate) fn run_beside(
        &mut self,
        call: &Call,
        beside: impl FnOnce() + Send,
    ) -> Result<Ended> {
        let place = &self.scene.place;
        place.give(self.program.user)?;
        let before = Snapshot::take(place.root())?;
        let ended = std::thread::scope(|scope| {
            let other = scope.spawn(beside);
            let ended = process::run(self.program, place, call);
            // It does nothing that could panic.
            let _ = other.join();
            ended
        })?;
        let after = Snapshot::take(place.root())?;
        let mut faults = judge::ending(call, &ended);
        faults.extend(judge::outputs(call, &ended));
        faults.extend(judge::files(call, &ended, (&before, &after), &self.owned));
        faults.extend(judge::devices());
        for (path, change) in before.changes(&after) {
            if change == Change::Appeared {
                self.owned.insert(path);
            }
        }
        self.commands += 1;
        if self.options.verbose {
            eprintln!(
                "{:>6} ms {:>5} MiB {} {}",
                ended.took.as_millis(),
                ended.peak,
                ended.status,
                call.line()
            );
        }
        self.keep_outputs(&ended, &faults);
        self.faults
            .extend(faults.into_iter().map(|fault| (call.line(), fault)));
        if ended.is_hung {
            return Err(Over.into());
        }
        Ok(ended)
    }

    /// What was said is needed to understand a fault.
    fn keep_outputs(&self, ended: &Ended, faults: &[Fault]) {
        if faults.is_empty() {
            return;
        }
        let root = self.scene.place.root();
        let number = self.commands;
        // The place may be in any state; without these files a fault can still be repeated.
        let _ = fs::write(root.join(format!("stdout.{number}")), &ended.stdout);
        let _ = fs::write(root.join(format!("stderr.{number}")), &ended.stderr);
    }

    /// Says that a question was answered in two ways.
    pub(crate) fn compare(&mut self, call: &Call, (one, other): (&Ended, &Ended), what: &str) {
        let is_same = one.status.code() == other.status.code() && one.stdout == other.stdout;
        if is_same {
            return;
        }
        let wrong = format!("{what}: {}", difference(one, other));
        self.faults
            .push((call.line(), Fault::new(Kind::Unstable, wrong)));
        let root = self.scene.place.root();
        let _ = fs::write(root.join("one.json"), &one.stdout);
        let _ = fs::write(root.join("other.json"), &other.stdout);
    }
}

/// Where two answers part.
fn difference(one: &Ended, other: &Ended) -> String {
    if one.status.code() != other.status.code() {
        return format!("{}, then {}", one.status, other.status);
    }
    let same = one.stdout.iter().zip(&other.stdout);
    let place = same.take_while(|(a, b)| a == b).count();
    let part = |bytes: &[u8]| {
        let from = place.saturating_sub(40);
        let until = bytes.len().min(place + 40);
        judge::excerpt(&String::from_utf8_lossy(&bytes[from..until]))
    };
    format!(
        "from byte {place} on: …{}… and …{}…",
        part(&one.stdout),
        part(&other.stdout)
    )
}
