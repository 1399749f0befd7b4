//! Arguments of the commands about the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use dragline_web::Role;
use jiff::tz::TimeZone;

use super::RulesArgs;
use crate::times;

/// Options of `dragline serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Files, directories or globs (quoted); files may be created later
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// Address and port of the page [default: that of `[web]`, 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Directory of the database [default: that of `[monitor]`, dragline-state]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Time zone of times that have none [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = times::zone)]
    pub(crate) tz: Option<TimeZone>,
    #[command(flatten)]
    pub(crate) rules: RulesArgs,
}

impl ServeArgs {
    /// The arguments of a demo: directories to follow, and where the page and the database are.
    pub(crate) fn of_demo(logs: Vec<String>, listen: SocketAddr, state: PathBuf) -> Self {
        Self {
            logs,
            listen: Some(listen),
            state: Some(state),
            tz: None,
            rules: RulesArgs::of_config(None),
        }
    }
}

/// `dragline token`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print its entry for dragline.toml
    #[command(
        long_about = "Create a token and print its entry for dragline.toml.\n\nThe entry, with the hash of the token, \
goes to standard output. The token itself has 256 random bits; it goes to standard error, is shown only this once and \
stored nowhere.",
        after_help = "Examples:
  dragline token create alex --role act
  dragline token create wallboard >> dragline.toml"
    )]
    Create {
        /// Whose token it is: acknowledgements and silences carry this name
        #[arg(value_name = "NAME")]
        name: String,
        /// read: everything may be read; act: also acknowledge, silence and reload; ship: only send logs
        #[arg(long, value_name = "ROLE", default_value = "read", value_parser = role)]
        role: Role,
    },
}

fn role(name: &str) -> Result<Role, String> {
    let all = [Role::Read, Role::Act, Role::Ship];
    let found = all.into_iter().find(|role| role.name() == name);
    found.ok_or_else(|| format!("invalid role {name:?}: use read, act or ship"))
}

/// Options of `dragline backup`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BackupArgs {
    /// Directory to create
    #[arg(value_name = "TO")]
    pub(crate) to: PathBuf,
    /// Directory of the database [default: that of `[monitor]`, dragline-state]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Configuration file, which is copied as well [default: dragline.toml in the current directory, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `dragline restore`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Directory that `dragline backup` created
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// Directory of the database; it must not contain one
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
}
