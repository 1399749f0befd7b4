//! Arguments of `dragline ship`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dragline_alerting::duration;

/// Options of `dragline ship`.
#[derive(Debug, Args)]
pub(crate) struct ShipArgs {
    /// Files, directories or globs (quoted); files may be created later
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// Address of the service, with its base path if it has one
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// File with the token [default: that of the variable `DRAGLINE_TOKEN`]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Name of this machine at the service [default: the name that the system has]
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// File that stores what was sent
    #[arg(long, value_name = "FILE", default_value = "dragline-ship.state")]
    pub(crate) state: PathBuf,
    /// Send what is there and exit, for cron
    #[arg(long)]
    pub(crate) once: bool,
    /// How often the command is called: the service says that the machine is silent when it is late by half
    /// [default: 1d]
    #[arg(long, value_name = "TIME", requires = "once", value_parser = duration::parse)]
    pub(crate) every: Option<Duration>,
    /// Certificates (PEM) of the authorities that may sign the service's certificate [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}
