//! `attack`: crafted inputs against the command `dragline`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use dragline_attack::{Options, attack};

/// Crafted inputs against the command `dragline`, judged from outside.
///
/// Exit codes: 0 nothing was wrong, 1 something was.
#[derive(Parser)]
struct Args {
    /// The program that is attacked.
    #[arg(long, value_name = "PATH")]
    dragline: PathBuf,
    /// How many runs.
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// What all of them follow from; `--runs 1` with a failure's seed is that run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// This run alone, by its number.
    #[arg(long, value_name = "N")]
    only: Option<u64>,
    /// After so many seconds no run begins any more.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Runs of this kind alone, such as `a bomb`.
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
    /// What a command may address on a bomb, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 3072)]
    address_space: u64,
    /// What a command that reads may hold in memory, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 700)]
    memory: u64,
    /// Where runs happen, and are kept when they fail.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Name every command on standard error.
    #[arg(long)]
    verbose: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let options = Options {
        dragline: args.dragline,
        runs: args.runs,
        seed: args.seed,
        jobs: args.jobs,
        only: args.only,
        seconds: args.seconds,
        theme: args.theme,
        address_space_mib: args.address_space,
        reading_mib: args.memory,
        dir: args.dir,
        verbose: args.verbose,
    };
    let outcome = attack(&options, &|done| {
        if done % 500 == 0 {
            eprintln!("{done} runs");
        }
    })?;
    for failure in &outcome.failures {
        println!("{failure}\n");
    }
    print!("{outcome}");
    Ok(if outcome.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
