//! Where results go: a document as text or Markdown, data as JSON, to a file or to standard output.

use std::fs::Metadata;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dragline_report::render::{self, Document, Terminal};

use dragline_rollup::Finished;
use dragline_schema::clip;
use serde::Serialize;

use crate::args::{Format, OutputArgs, RulesArgs, WrongUsage};

/// So deep are the files in a directory that is kept.
const KEPT_DEPTH: usize = 2;

/// Of a line that is quoted, no more is shown, in bytes.
const LONGEST_LINE: usize = 2000;

/// An error when what is to be written is one of the logs that were read, a file of settings, or in a
/// directory that is kept.
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
            "--output {} would replace the log that standard input is: name another file",
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
            format!("--output {output} would replace {path}, which is read: name another file");
        return Err(WrongUsage::new(&sentence).into());
    }
    match finished.files.keys().find(is_same) {
        Some(path) => Err(WrongUsage::new(&format!(
            "--output {} would replace the log {path}: name another file",
            output.display()
        ))
        .into()),
        None => Ok(()),
    }
}

/// An error when the file is in a history or a cache of Dragline's.
fn check_kept(output: &Path) -> anyhow::Result<()> {
    let target = output.canonicalize().unwrap_or_else(|_| output.to_owned());
    let kept = target.ancestors().skip(1).take(KEPT_DEPTH).find(|dir| {
        let is_history = dir.join("DRAGLINE-HISTORY").is_file();
        let tag = || std::fs::read_to_string(dir.join("CACHEDIR.TAG"));
        is_history || tag().is_ok_and(|tag| tag.contains("Dragline's"))
    });
    match kept {
        Some(dir) => Err(WrongUsage::new(&format!(
            "--output {} is in {}, which Dragline keeps for itself: name another file",
            output.display(),
            dir.display()
        ))
        .into()),
        None => Ok(()),
    }
}

/// Whether a file is what standard input was opened from.
#[cfg(unix)]
fn is_standard_input(file: &Metadata) -> bool {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = input.and_then(|input| std::fs::File::from(input).metadata());
    // A terminal or a device that is both loses nothing.
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

/// Writes a result in the format that was asked for.
pub(crate) fn write(
    args: &OutputArgs,
    document: impl FnOnce() -> Document,
    json: &impl Serialize,
) -> anyhow::Result<()> {
    let text = match args.format() {
        Format::Text => render::text(&document(), &terminal(args.output.is_none())),
        Format::Markdown => render::markdown(&document()),
        Format::Html => render::document_page(&document()),
        Format::Json => return write_json(args, json),
    };
    save(args, &text)
}

/// Writes JSON as it is made: a large report need not be there twice.
pub(crate) fn write_json(args: &OutputArgs, value: &impl Serialize) -> anyhow::Result<()> {
    let write = |out: &mut dyn Write| -> io::Result<()> {
        let mut clean = CleanJson(out);
        serde_json::to_writer_pretty(&mut clean, value)?;
        clean.write_all(b"\n")
    };
    if let Some(path) = &args.output {
        return dragline_files::replace(path, write)
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

/// Lets JSON through as a terminal may see it. Whoever writes to it writes whole characters.
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

/// A word beside the result. Whatever is quoted in it stays on its line.
pub(crate) fn tell(sentence: &str) {
    let sentence = render::clean(sentence);
    let _ = writeln!(io::stderr(), "dragline: {sentence}");
}

/// The same over several lines.
pub(crate) fn tell_lines(text: &str) {
    // An error may quote a line of a file that has no others.
    let clipped = text.lines().map(|line| clip(line, LONGEST_LINE));
    let lines: Vec<String> = clipped.map(render::clean).collect();
    let _ = writeln!(io::stderr(), "dragline: {}", lines.join("\n"));
}

/// The judgement on a result, whatever became of the pipe that it was written to.
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

/// Writes text where it was asked for.
pub(crate) fn save(args: &OutputArgs, text: &str) -> anyhow::Result<()> {
    match &args.output {
        Some(path) => write_file(path, text),
        None => show(text),
    }
}

/// Writes a file whole, or what else was named (a FIFO, a device) as it is.
pub(crate) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    dragline_files::replace(path, |out| out.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
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
