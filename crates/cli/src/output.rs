//! Output of results: a document as text, Markdown or HTML, or data as JSON, to a file or to standard output.

use std::fs::Metadata;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dragline_report::render::{self, Document, Terminal};

use dragline_rollup::Finished;
use dragline_schema::clip;
use serde::Serialize;

use crate::args::{Format, OutputArgs, RulesArgs, WrongUsage};

/// Maximum depth of files in a directory managed by Dragline.
const KEPT_DEPTH: usize = 2;

/// Maximum number of bytes shown of a quoted line.
const LONGEST_LINE: usize = 2000;

/// Returns an error if the output file is one of the logs that were read, a configuration or rule file, or in
/// a directory managed by Dragline.
pub(crate) fn check_target(
    output: Option<&Path>,
    rules: &RulesArgs,
    finished: &Finished,
) -> anyhow::Result<()> {
    let Some(output) = output else { return Ok(()) };
    check_kept(output)?;
    let Ok(held) = output.metadata() else {
        return Ok(());
    };
    if is_standard_input(&held) {
        return Err(WrongUsage::new(&format!(
            "--output {} would replace the log on standard input: choose another file",
            output.display()
        ))
        .into());
    }
    let is_same = |path: &&String| {
        let path = Path::new(path.as_str());
        path.metadata()
            .is_ok_and(|other| is_same_file((output, &held), (path, &other)))
    };
    let settings = rules.rules.iter().chain(&rules.config);
    let is_settings = |path: &&PathBuf| {
        let other = path.metadata();
        other.is_ok_and(|other| is_same_file((output, &held), (path, &other)))
    };
    if let Some(path) = settings.into_iter().find(is_settings) {
        let (output, path) = (output.display(), path.display());
        let sentence =
            format!("--output {output} would replace the input file {path}: choose another file");
        return Err(WrongUsage::new(&sentence).into());
    }
    match finished.files.keys().find(is_same) {
        Some(path) => Err(WrongUsage::new(&format!(
            "--output {} would replace the log {path}: choose another file",
            output.display()
        ))
        .into()),
        None => Ok(()),
    }
}

/// Returns an error if the file is in a history or a cache of Dragline.
fn check_kept(output: &Path) -> anyhow::Result<()> {
    let target = output.canonicalize().unwrap_or_else(|_| output.to_owned());
    let kept = target.ancestors().skip(1).take(KEPT_DEPTH).find(|dir| {
        let is_history = dir.join("DRAGLINE-HISTORY").is_file();
        let tag = || std::fs::read_to_string(dir.join("CACHEDIR.TAG"));
        is_history || tag().is_ok_and(|tag| tag.contains("Dragline's"))
    });
    match kept {
        Some(dir) => Err(WrongUsage::new(&format!(
            "--output {} is in {}, which Dragline manages: choose another file",
            output.display(),
            dir.display()
        ))
        .into()),
        None => Ok(()),
    }
}

/// Whether standard input was redirected from this file.
#[cfg(unix)]
fn is_standard_input(file: &Metadata) -> bool {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = input.and_then(|input| std::fs::File::from(input).metadata());
    // A terminal or device can be both input and output without loss.
    file.is_file()
        && input.is_ok_and(|input| (input.dev(), input.ino()) == (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn is_standard_input(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn is_same_file(a: (&Path, &Metadata), b: (&Path, &Metadata)) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.1.dev(), a.1.ino()) == (b.1.dev(), b.1.ino())
}

#[cfg(not(unix))]
fn is_same_file(a: (&Path, &Metadata), b: (&Path, &Metadata)) -> bool {
    a.0.canonicalize().ok() == b.0.canonicalize().ok()
}

/// Writes a result in the requested format.
pub(crate) fn write(
    args: &OutputArgs,
    document: impl FnOnce() -> Document,
    json: &impl Serialize,
) -> anyhow::Result<()> {
    let text = match args.format() {
        Format::Text => render::text(&document(), &terminal(args.output.is_none())),
        Format::Markdown => render::markdown(&document()),
        Format::Html => render::document_page(&document()),
        Format::Json => return write_json(args.output.as_deref(), json),
    };
    save(args.output.as_deref(), &text)
}

/// Streams JSON to the output, so that a large report is not held in memory twice.
pub(crate) fn write_json(output: Option<&Path>, value: &impl Serialize) -> anyhow::Result<()> {
    let write = |out: &mut dyn Write| -> io::Result<()> {
        let mut clean = CleanJson(out);
        serde_json::to_writer_pretty(&mut clean, value)?;
        clean.write_all(b"\n")
    };
    if let Some(path) = output {
        return dragline_files::replace(path, write)
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

/// Escapes control characters in JSON. Each write must contain whole characters.
struct CleanJson<'o>(&'o mut dyn Write);

impl Write for CleanJson<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(render::clean_json(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints a message to stderr as one line.
pub(crate) fn tell(sentence: &str) {
    let sentence = render::clean(sentence);
    let _ = writeln!(io::stderr(), "dragline: {sentence}");
}

/// Prints a message of several lines to stderr.
pub(crate) fn tell_lines(text: &str) {
    // An error may quote a file that consists of one very long line.
    let clipped = text.lines().map(|line| clip(line, LONGEST_LINE));
    let lines: Vec<String> = clipped.map(render::clean).collect();
    let _ = writeln!(io::stderr(), "dragline: {}", lines.join("\n"));
}

/// Combines the result of writing with the result of a gate: a failed gate is reported even if the pipe was
/// closed.
pub(crate) fn judged(written: anyhow::Result<()>, gate: Option<String>) -> anyhow::Result<()> {
    match (written, gate) {
        (Err(error), Some(gate)) if !crate::is_broken_pipe(&error) => {
            tell(&gate);
            Err(error)
        }
        (_, Some(gate)) => Err(anyhow::anyhow!(gate)),
        (written, None) => written,
    }
}

/// Writes text to a file, or to standard output.
pub(crate) fn save(output: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match output {
        Some(path) => write_file(path, text),
        None => show(text),
    }
}

/// Replaces a regular file atomically; other targets (a FIFO, a device) are written directly.
pub(crate) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    dragline_files::replace(path, |out| out.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes to standard output.
pub(crate) fn show(text: &str) -> anyhow::Result<()> {
    // Colours are already decided, so the text is written unchanged.
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

/// Returns the width of standard output and whether it supports colours.
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
