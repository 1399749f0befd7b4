//! What an attack found, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::judge::Kind;

/// What an attack found.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Counts by the kind of run.
    pub themes: BTreeMap<&'static str, Tally>,
    /// Everything that was wrong, in the order of runs.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub took: Duration,
}

/// How many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Commands of these runs.
    pub commands: u64,
    /// Runs in which something was wrong.
    pub failed: u64,
}

/// Something that was wrong with a command.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The number of the run, from 0.
    pub run: u64,
    /// The run's own seed: an attack of one run with it is that run.
    pub seed: u64,
    /// What kind of run it was.
    pub theme: &'static str,
    /// Whether that kind was asked for, and did not follow from the seed.
    pub is_named: bool,
    /// What kind of thing was wrong.
    pub kind: Kind,
    /// The command as it would be typed.
    pub command: String,
    /// What was wrong, in a sentence.
    pub wrong: String,
    /// Where the run's files are, as they were behind its last command; of the first failures only.
    pub kept: Option<PathBuf>,
}

impl Outcome {
    /// Runs of all kinds.
    pub fn runs(&self) -> u64 {
        self.themes.values().map(|tally| tally.runs).sum()
    }

    /// Failures by their kind.
    pub fn kinds(&self) -> BTreeMap<Kind, usize> {
        let mut kinds = BTreeMap::new();
        for failure in &self.failures {
            *kinds.entry(failure.kind).or_default() += 1;
        }
        kinds
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} {:>7} {:>9} {:>7}",
            "runs", "all", "commands", "failed"
        )?;
        for (theme, tally) in &self.themes {
            writeln!(
                f,
                "{theme:<20} {:>7} {:>9} {:>7}",
                tally.runs, tally.commands, tally.failed
            )?;
        }
        let (runs, seconds) = (self.runs(), self.took.as_secs_f64());
        let pace = runs as f64 / seconds.max(0.001);
        writeln!(f, "\n{runs} runs in {seconds:.0} s, {pace:.1} a second")?;
        if self.failures.is_empty() {
            return writeln!(f, "Nothing was wrong.");
        }
        writeln!(f, "\n{:<28} {:>7}", "what was wrong", "times")?;
        for (kind, times) in self.kinds() {
            writeln!(f, "{:<28} {times:>7}", kind.words())?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "run {} ({}): {}",
            self.run,
            self.theme,
            self.kind.words()
        )?;
        writeln!(f, "  {}", self.wrong)?;
        writeln!(f, "  {}", self.command)?;
        if let Some(kept) = &self.kept {
            writeln!(f, "  its files: {}", kept.display())?;
        }
        write!(
            f,
            "  again: attack --dragline PATH --runs 1 --seed {}",
            self.seed
        )?;
        if self.is_named {
            write!(f, " --theme '{}'", self.theme)?;
        }
        Ok(())
    }
}
