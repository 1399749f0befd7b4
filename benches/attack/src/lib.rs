//! Crafted inputs against the command `dragline`, judged from outside.
//!
//! Logs are written by machines that crash, on disks that fill, and some of what they say was chosen by
//! the very sites that are scraped. Whoever reads such logs must never fall over them, never be led by
//! them, and never harm what lies beside them. This crate tries to make the command do so. It knows
//! nothing of how the command works, and shares no code with it: it makes files, runs a command, and
//! looks at what came of it.
//!
//! A **run** is a fresh directory with crafted logs, other people's files among them, and one command
//! with random options, or a few that belong together: a report with and without what was kept, a state
//! that was damaged between two looks, a log that is rotated while it is read. Everything follows from a
//! seed, but for what depends on time: signals, and files that change meanwhile.
//!
//! What is **judged** is what must hold whatever the input is:
//!
//! 1. It does not panic, and no signal that nobody sent ends it.
//! 2. It ends in time, and soon after it is told to.
//! 3. It changes, removes and replaces nothing, writes only where it was told to, and leaves no
//!    temporary file behind.
//! 4. Its exit code is one that means something.
//! 5. No control character, no mark that turns text around and no script of a log's reaches a terminal
//!    or a page; what should be UTF-8 is.
//! 6. Its memory is bounded, however much an archive holds.
//! 7. The same question of the same logs has the same answer, to the byte.
//!
//! Modules by theme: `inputs` (what files hold and how they are called), `scene` and `config` (what a
//! command finds), `commands` and `queries` (what is asked), `scenarios` (in which order), `process` (how
//! it is run and watched), `snapshot` and `judge` (what is wrong with it).
//!
//! Root runs the commands as nobody: a command that goes wrong must not be able to replace a device, and
//! files without permission must be unreadable. Linux only, as memory is read from `/proc`.
//!
//! ```no_run
//! use dragline_attack::{Options, attack};
//!
//! # fn main() -> anyhow::Result<()> {
//! let options = Options {
//!     runs: 100,
//!     ..Options::of("target/release/dragline")
//! };
//! let outcome = attack(&options, &|_| ())?;
//! println!("{outcome}");
//! assert!(outcome.failures.is_empty());
//! # Ok(())
//! # }
//! ```

mod call;
mod commands;
mod config;
mod dice;
mod inputs;
mod judge;
mod place;
mod process;
mod queries;
mod run;
mod scenarios;
mod scene;
mod snapshot;
mod summary;
mod trial;

use std::path::PathBuf;

pub use judge::Kind;
pub use run::attack;
pub use summary::{Failure, Outcome, Tally};

/// How to attack.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program that is attacked.
    pub dragline: PathBuf,
    /// How many runs.
    pub runs: u64,
    /// What all of them follow from.
    pub seed: u64,
    /// How many runs at a time.
    pub jobs: usize,
    /// This run alone, by its number.
    pub only: Option<u64>,
    /// After so many seconds no run begins any more.
    pub seconds: Option<u64>,
    /// Runs of this kind alone, by its name.
    pub theme: Option<String>,
    /// What a command may address on a bomb, in MiB: allocations beyond fail.
    pub address_space_mib: u64,
    /// What a command that reads may hold in memory, in MiB.
    pub reading_mib: u64,
    /// Where runs happen, and are kept when they fail; else the directory for temporary files.
    pub dir: Option<PathBuf>,
    /// Whether every command is named on standard error.
    pub verbose: bool,
}

impl Options {
    /// A thousand runs against a program, two at a time.
    pub fn of(dragline: impl Into<PathBuf>) -> Self {
        Self {
            dragline: dragline.into(),
            runs: 1000,
            seed: 1,
            jobs: 2,
            only: None,
            seconds: None,
            theme: None,
            address_space_mib: 3072,
            reading_mib: 700,
            dir: None,
            verbose: false,
        }
    }
}
