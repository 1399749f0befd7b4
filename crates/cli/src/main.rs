//! The command `dragline`: arguments, composition of the crates, exit codes.
//!
//! Exit codes: 0 done (also with unreadable lines), 1 nothing could be read or an input is missing, 2 wrong
//! usage, 130 stopped by Ctrl-C.

mod args;
mod commands;
mod config;
mod names;
mod output;
mod progress;
mod session;
mod times;

use std::process::ExitCode;

use clap::Parser as _;
use dragline_analytics::sql::SqlError;
use dragline_scan::{DiscoverError, ScanError};

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let cli = arguments();
    let result = match &cli.command {
        Command::Report(args) => commands::report(args),
        Command::Errors(args) => commands::errors(args),
        Command::Runs(args) => commands::runs(args),
        Command::Sql(args) => commands::sql(args),
        Command::Export(args) => commands::export(args),
        Command::Diff(args) => commands::diff(args),
        Command::Show(args) => commands::show(args),
        Command::Explain(args) => commands::explain(args),
        Command::Runbook { name } => commands::runbook(name.as_deref()),
        Command::Tail(args) => commands::tail(args),
        Command::Classify(args) => commands::classify(args),
        Command::Rules(command) => commands::rules(command),
        Command::Map(command) => commands::map(command),
        Command::Archive(args) => commands::archive(args),
        Command::Config(command) => commands::config(command),
        Command::Doctor(args) => commands::doctor(args),
        Command::Health(args) => commands::health(args),
        Command::Serve(args) => commands::serve(args),
        Command::Ship(args) => commands::ship(args),
        Command::Token(command) => commands::token(command),
        Command::Backup(args) => commands::backup(args),
        Command::Restore(args) => commands::restore(args),
        Command::Alerts(command) => commands::alerts(command),
        Command::Demo(args) => commands::demo(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed the pipe.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<progress::Stopped>() => ExitCode::from(progress::INTERRUPTED),
        Err(error) => {
            let sentence = sentence(&error);
            if error.is::<args::WrongUsage>() || error.is::<args::Faulty>() {
                // These messages may quote several lines of the user's files.
                output::tell_lines(&sentence);
            } else {
                output::tell(&sentence);
            }
            // The same exit code that clap uses for invalid arguments.
            if is_wrong_usage(&error) {
                ExitCode::from(2)
            } else if is_cancelled(&error) {
                ExitCode::from(progress::INTERRUPTED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Parses the arguments. If that fails, control characters are removed from the arguments that clap quotes.
fn arguments() -> Cli {
    let typed = std::env::args_os();
    Cli::try_parse_from(typed).unwrap_or_else(|_| {
        let shown =
            |typed: std::ffi::OsString| dragline_report::render::clean(&typed.to_string_lossy());
        Cli::parse_from(std::env::args_os().map(shown))
    })
}

/// Joins an error and its causes; causes that the message already contains are not repeated.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Whether the error is due to arguments or the configuration.
fn is_wrong_usage(error: &anyhow::Error) -> bool {
    let is_pattern =
        |error: &ScanError| matches!(error, ScanError::Discover(DiscoverError::Pattern { .. }));
    let is_query = |error: &SqlError| {
        error.is_about_the_query() || matches!(error, SqlError::Scan(scan) if is_pattern(scan))
    };
    error.is::<args::WrongUsage>()
        || error.downcast_ref().is_some_and(is_query)
        || error.downcast_ref().is_some_and(is_pattern)
}

/// Whether Ctrl-C stopped the work.
fn is_cancelled(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.any(|error| matches!(error, ScanError::Cancelled))
        || matches!(
            error.downcast_ref(),
            Some(SqlError::Scan(ScanError::Cancelled))
        )
}

/// Whether Ctrl-C or the memory limit ended the command.
fn is_stopped(error: &anyhow::Error) -> bool {
    error.is::<progress::Stopped>() || error.is::<progress::TooMuchMemory>() || is_cancelled(error)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
