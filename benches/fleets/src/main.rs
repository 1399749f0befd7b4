//! `fleets`: makes simulated fleets, and evaluates reports on them.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser};

use dragline_fleets::{Dialect, Options, evaluate_in, make_in};

/// Simulated fleets of scrapers with planted incidents, and a score for reports on them.
#[derive(Parser)]
enum Command {
    /// Write the logs of one fleet to DIR/logs and what is true of it to DIR/truth.json.
    Make(Make),
    /// Have many fleets reported on, and print what the reports are worth.
    Evaluate(Evaluate),
}

#[derive(Args)]
struct Make {
    dir: PathBuf,
    /// The same seed gives the same fleet.
    #[arg(long)]
    seed: u64,
    /// Plant nothing.
    #[arg(long)]
    quiet: bool,
    /// Write the logs as this program would: native, scrapy-info, scrapy-debug, crawlee-json,
    /// crawlee-text, structlog, pino, logging, loguru or words.
    #[arg(long, value_name = "NAME", default_value = "native")]
    dialect: Dialect,
    /// Plant incidents of this part of their strength.
    #[arg(long, default_value_t = 1.0)]
    strength: f64,
}

#[derive(Args)]
struct Evaluate {
    /// The program that reports.
    #[arg(long, value_name = "PATH")]
    dragline: PathBuf,
    /// How many fleets with incidents, and as many without.
    #[arg(long, default_value_t = 300)]
    fleets: u64,
    /// The first one's seed.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// How many at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Keep logs, truths and reports here.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Spread the fleets over these dialects (see `make`); `all` stands for all of them.
    #[arg(long, value_name = "NAME", default_value = "native")]
    dialect: Vec<String>,
    /// Plant incidents of this part of their strength: 0.5 halves them.
    #[arg(long, default_value_t = 1.0)]
    strength: f64,
    /// Name every fault on standard error.
    #[arg(long)]
    verbose: bool,
    /// Exit with 1 when recall is under 95 %, right kinds or onsets are under 90 %, or there is
    /// more than one false insight for 50 days of a scraper.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<ExitCode> {
    match Command::parse() {
        Command::Make(args) => run_make(&args),
        Command::Evaluate(args) => run_evaluate(args),
    }
}

fn run_make(args: &Make) -> Result<ExitCode> {
    let logs = args.dir.join("logs");
    let truth = make_in(&logs, (args.seed, args.quiet, args.strength), args.dialect)?;
    let path = args.dir.join("truth.json");
    fs::write(&path, serde_json::to_vec_pretty(&truth)?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    println!("{} lines, {} incidents", truth.lines, truth.incidents.len());
    Ok(ExitCode::SUCCESS)
}

/// The dialects of these names, in their order.
fn dialects(names: &[String]) -> Result<Vec<Dialect>> {
    let mut dialects: Vec<Dialect> = Vec::new();
    for name in names {
        if name == "all" {
            dialects.extend(Dialect::ALL);
        } else {
            dialects.push(name.parse()?);
        }
    }
    Ok(dialects)
}

fn run_evaluate(args: Evaluate) -> Result<ExitCode> {
    let dialects = dialects(&args.dialect)?;
    let options = Options {
        dragline: args.dragline,
        fleets: args.fleets,
        first_seed: args.first_seed,
        jobs: args.jobs,
        keep: args.keep,
        strength: args.strength,
    };
    let evaluation = evaluate_in(&options, &dialects, &|done| {
        if done % 50 == 0 {
            eprintln!("{done} fleets");
        }
    })?;
    if args.verbose {
        for fault in evaluation.faults() {
            eprintln!("{fault}");
        }
    }
    print!("{evaluation}");
    let failed = args.check && !evaluation.passes();
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
