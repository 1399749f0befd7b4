//! Where results go: a document as text or Markdown, data as JSON, to a file or to standard output.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use dragline_analytics::render::{self, Document, Terminal};

use crate::args::{Format, OutputArgs};

/// Writes a result in the format that was asked for.
pub(crate) fn write(
    args: &OutputArgs,
    document: impl FnOnce() -> Document,
    json: impl FnOnce() -> serde_json::Result<String>,
) -> anyhow::Result<()> {
    let text = match args.format {
        Format::Text => render::text(&document(), &terminal(args.output.is_none())),
        Format::Markdown => render::markdown(&document()),
        Format::Html => render::document_page(&document()),
        Format::Json => json()? + "\n",
    };
    save(args, &text)
}

/// Writes text where it was asked for.
pub(crate) fn save(args: &OutputArgs, text: &str) -> anyhow::Result<()> {
    match &args.output {
        Some(path) => write_file(path, text),
        None => show(text),
    }
}

/// Writes a file whole: under a temporary name, then renamed.
pub(crate) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes to standard output.
pub(crate) fn show(text: &str) -> anyhow::Result<()> {
    // Colours are already as they should be, so that the text passes as it is.
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

/// What standard output is: how wide, and whether it has colours.
pub(crate) fn terminal(to_stdout: bool) -> Terminal {
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse::<usize>().ok());
    if !to_stdout || !io::stdout().is_terminal() {
        let default = Terminal::default();
        return Terminal {
            width: columns.map_or(default.width, |columns| columns.clamp(40, 240)),
            ..default
        };
    }
    let seen = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = seen.or(columns);
    let color = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
    Terminal {
        width: width.unwrap_or(100).clamp(40, 240),
        color,
    }
}
