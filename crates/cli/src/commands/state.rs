//! `dragline backup` and `dragline restore`.

use anyhow::anyhow;
use dragline_monitor::archive;

use crate::args::{BackupArgs, RestoreArgs};
use crate::config::Config;
use crate::output::tell;
use crate::times;

/// `dragline backup`
pub(crate) fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let (config, file) = Config::find(args.config.as_deref())?;
    let state = match &args.state {
        Some(state) => state.clone(),
        None => config.monitor().state,
    };
    let rules = config.rules.files.clone();
    let files: Vec<_> = file.into_iter().chain(rules).collect();
    let made = archive::back_up(&state, &args.to, &files, times::now()?)
        .map_err(|error| anyhow!("{error}"))?;
    tell(&format!(
        "{} files, {} bytes, in {}",
        made.files,
        made.bytes,
        args.to.display()
    ));
    Ok(())
}

/// `dragline restore`
pub(crate) fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let made = archive::restore(&args.from, &args.state).map_err(|error| anyhow!("{error}"))?;
    tell(&format!(
        "{} files, {} bytes, in {}; configuration and rules stay in {}",
        made.files,
        made.bytes,
        args.state.display(),
        args.from.display()
    ));
    Ok(())
}
