//! Resolves input paths and patterns to log files, grouped into families and sorted.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_schema::{ProblemKind, SourceFile, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::copies::{Beginning, drop_copies, head_of};
use crate::found::{LogFile, START, Skipped};
use crate::framing::envelope::answers::begins_with_rows;
use crate::framing::frames;
use crate::framing::lines::HOLE;
use crate::framing::open::{Source, other_packer, read_start};
use crate::globs;
use crate::names::{OrderKey, copied_family, family_of, number_upwards};
use crate::own_logs::{has_own_logs, is_own_log};
use crate::watch::Watch;

/// Maximum number of damaged parts skipped to find a file's first readable bytes.
const MAX_FAULTS: usize = 100;
/// A file with more than one NUL per this many other bytes is binary.
const BINARY: usize = 1000;
/// Exception: up to this many NUL bytes may be part of a message, if there are at least this many times more
/// other bytes.
const FEW: usize = 8;

/// Extensions of files in a directory that are not logs.
const NOT_LOGS: [&str; 37] = [
    "md", "rst", "html", "htm", "css", "js", "mjs", "ts", "py", "pyc", "rs", "go", "java", "sh",
    "toml", "yaml", "yml", "ini", "cfg", "csv", "tsv", "parquet", "xml", "svg", "png", "jpg",
    "jpeg", "gif", "pdf", "sqlite", "db", "ipynb", "lock", "tmp", "swp", "pid", "exe",
];

/// Magic bytes of history and cache entries.
const OWN_FILES: [&[u8]; 2] = [b"DRAGHIS", b"DRAGCAC"];

/// The result of [`discover()`].
#[derive(Debug, Default)]
pub struct Discovery {
    /// The logs, by name.
    pub families: Vec<Family>,
    /// Skipped files, by name.
    pub skipped: Vec<Skipped>,
    /// The temporary copy of standard input.
    #[expect(dead_code, reason = "dropping it deletes the copy")]
    spool: Option<tempfile::TempPath>,
}

/// The rotated files of one log, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// The common part of the files' names.
    pub name: String,
    /// Whether it is a recorder's error file: its lines are also in another family, as long as that one
    /// is kept. Both families have the same name.
    pub is_error_copy: bool,
    /// The files.
    pub files: Vec<LogFile>,
}

/// Why an input could not be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    /// No such file or directory.
    #[error("there is no file or directory {0}")]
    Missing(String),
    /// A pattern that matches nothing.
    #[error("the pattern {0} matches no file")]
    NoMatch(String),
    /// Standard input cannot be read, or its temporary copy cannot be written.
    #[error("cannot read standard input or write a temporary copy of it: {0}")]
    Input(#[source] std::io::Error),
    /// A path that cannot be accessed.
    #[error("cannot access {path}: {source}", path = path.display())]
    Unreadable {
        /// The path given.
        path: PathBuf,
        /// Why it cannot be accessed.
        source: std::io::Error,
    },
    /// An invalid pattern.
    #[error("invalid pattern {pattern}: {source}")]
    Pattern {
        /// The pattern given.
        pattern: String,
        /// The error in the pattern.
        source: glob::PatternError,
    },
}

/// The name that stands for standard input.
const INPUT: &str = "-";
/// Its name in reports.
const INPUT_NAME: &str = "standard input";

/// Finds the log files for the given files, directories (recursively; names that start with a dot are
/// ignored) and globs. Files given by name are always read; in directories, files with extensions such
/// as `.md` or `.py` are skipped. A copy of a file already found is skipped, too. All skipped files are
/// listed in the result. `-` is standard input, which is copied to a temporary file first, so that it can
/// be compressed and be read more than once.
///
/// # Errors
/// If an input does not exist or cannot be accessed, a pattern is invalid or matches nothing, or standard
/// input cannot be copied.
pub fn discover(inputs: &[String]) -> Result<Discovery, DiscoverError> {
    discover_until(inputs, &Arc::default())
}

/// Like [`discover()`], but stops when the watch is cancelled; the result is then incomplete.
///
/// # Errors
/// Same as [`discover()`].
pub fn discover_until(inputs: &[String], watch: &Arc<Watch>) -> Result<Discovery, DiscoverError> {
    let mut walk = Walk {
        watch: Arc::clone(watch),
        ..Walk::default()
    };
    for input in inputs {
        let path = Path::new(input);
        if input == INPUT {
            walk.input(&mut std::io::stdin().lock())
                .map_err(DiscoverError::Input)?;
        } else if is_there(path)? {
            walk.named(path);
        } else if globs::is_pattern(input) {
            let found = globs::matches(input, &mut || !watch.is_cancelled());
            let found = found.map_err(|source| DiscoverError::Pattern {
                pattern: input.clone(),
                source,
            })?;
            if found.paths.is_empty() && found.unreadable.is_empty() {
                return Err(DiscoverError::NoMatch(input.clone()));
            }
            let foreign = found.paths.iter().filter(|path| !is_own_log(path));
            foreign.for_each(|path| walk.named(path));
            for (dir, error) in found.unreadable {
                walk.unlisted(&dir, &error);
            }
        } else {
            return Err(DiscoverError::Missing(input.clone()));
        }
    }
    Ok(walk.finish())
}

/// Checks that all patterns among the inputs are valid, without searching for files.
///
/// # Errors
/// If a pattern is invalid.
pub fn check_patterns(inputs: &[String]) -> Result<(), DiscoverError> {
    let patterns = inputs.iter().filter(|input| globs::is_pattern(input));
    let named = patterns.filter(|input| !Path::new(input).exists());
    named.into_iter().try_for_each(|pattern| {
        let checked = globs::matches(pattern, &mut || false);
        checked.map(drop).map_err(|source| DiscoverError::Pattern {
            pattern: pattern.clone(),
            source,
        })
    })
}

/// Whether a path exists. A path without permission is an error, not a missing path.
fn is_there(path: &Path) -> Result<bool, DiscoverError> {
    // A file where a parent directory should be counts as missing.
    match path.try_exists() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(DiscoverError::Unreadable {
                path: path.to_owned(),
                source: error,
            })
        }
        there => Ok(there.unwrap_or(false) || path.is_symlink()),
    }
}

/// Collects files by their real path, so that each is taken once even if it is given several times.
#[derive(Default)]
struct Walk {
    seen: BTreeSet<PathBuf>,
    files: Vec<LogFile>,
    beginnings: Vec<Beginning>,
    watch: Arc<Watch>,
    skipped: Vec<Skipped>,
    spool: Option<tempfile::TempPath>,
}

impl Walk {
    fn named(&mut self, path: &Path) {
        if path.is_dir() {
            self.directory(path);
        } else {
            self.file(path, false);
        }
    }

    /// Copies a stream to a temporary file. Only the first call reads: afterwards the stream is at its end.
    fn input(&mut self, stream: &mut dyn std::io::Read) -> std::io::Result<()> {
        if self.spool.is_some() {
            return Ok(());
        }
        let mut copy = tempfile::NamedTempFile::new()?;
        std::io::copy(stream, &mut copy)?;
        let path = copy.into_temp_path();
        self.file(&path, false);
        let places = self.files.iter_mut().map(|file| &mut file.source);
        let places = places.chain(self.skipped.iter_mut().map(|skipped| &mut skipped.source));
        let copied = path.display().to_string();
        for place in places.filter(|place| place.path == copied) {
            INPUT_NAME.clone_into(&mut place.path);
            // The copy's modification time says nothing about the log.
            place.modified = None;
        }
        self.spool = Some(path);
        Ok(())
    }

    fn directory(&mut self, dir: &Path) {
        // Avoids endless recursion when a directory links to one of its parents.
        if !self.first_time(dir) {
            return;
        }
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => {
                return self.unlisted(dir, &error);
            }
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) if entry.file_name().to_string_lossy().starts_with('.') => {}
                Ok(entry) => paths.push(entry.path()),
                Err(error) => {
                    self.unlisted(dir, &error);
                    break;
                }
            }
        }
        paths.sort();
        for path in paths {
            if !path.is_dir() {
                self.file(&path, true);
            } else if !has_own_logs(&path) {
                self.directory(&path);
            }
        }
    }

    fn unlisted(&mut self, dir: &Path, error: &std::io::Error) {
        let detail = format!("cannot list the directory: {error}");
        let source = source_file(dir, 0, None);
        self.skip(source, ProblemKind::UnreadableFile, detail);
    }

    fn first_time(&mut self, path: &Path) -> bool {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.seen.insert(real)
    }

    fn file(&mut self, path: &Path, found: bool) {
        if self.watch.is_cancelled() || !self.first_time(path) {
            return;
        }
        let metadata = path.metadata().ok();
        let source = |content_id| source_file(path, content_id, metadata.as_ref());
        if found && let Some(extension) = not_a_log(path) {
            let detail = format!(
                "files named *.{extension} are not logs; give the file's own path to read it"
            );
            return self.skip(source(0), ProblemKind::NotALog, detail);
        }
        if metadata
            .as_ref()
            .is_some_and(|metadata| !metadata.is_file())
        {
            let detail = "neither a file nor a directory".to_owned();
            return self.skip(source(0), ProblemKind::NotALog, detail);
        }
        let bytes = metadata.as_ref().map_or(0, Metadata::len);
        if bytes == 0 && metadata.is_some() {
            return self.skip(
                source(0),
                ProblemKind::EmptyFile,
                "the file is empty".to_owned(),
            );
        }
        let (start, trouble) = start_of(path);
        let source = source(xxh3_64(&start));
        if let Some((kind, detail)) = trouble {
            return self.skip(source, kind, detail.into_owned());
        }
        // A JSON object over several lines is a document; a log has one object per line.
        let is_document = || is_document(&start) && !begins_with_rows(&start);
        if found && path.extension().is_some_and(|ext| ext == "json") && is_document() {
            if let Some(log) = job_of(path, &start) {
                if !log.exists() {
                    return self.take(path, source, bytes, &start);
                }
                let log = log.display();
                let detail = format!("logparser's summary of {log}, which is read instead");
                return self.skip(source, ProblemKind::DuplicateFile, detail);
            }
            let detail = "a JSON document, not JSON lines; give the file's own path to read it";
            return self.skip(source, ProblemKind::NotALog, detail.to_owned());
        }
        self.take(path, source, bytes, &start);
    }

    fn take(&mut self, path: &Path, source: SourceFile, bytes: u64, start: &[u8]) {
        self.beginnings.push(Beginning {
            head: head_of(start),
            length: start.len(),
        });
        self.files.push(LogFile {
            source,
            path: path.to_owned(),
            bytes,
        });
    }

    fn skip(&mut self, source: SourceFile, kind: ProblemKind, detail: String) {
        self.skipped.push(Skipped {
            source,
            kind,
            detail,
        });
    }

    fn finish(mut self) -> Discovery {
        self.skipped
            .extend(drop_copies(&mut self.files, &self.beginnings, &self.watch));
        let mut families: BTreeMap<(String, bool), Vec<(OrderKey, LogFile)>> = BTreeMap::new();
        for file in self.files {
            let (family, order) = family_of(&file.source.path);
            let copied = copied_family(&file.source.path);
            let key = match copied {
                Some(path) => (family_of(&path).0, true),
                None => (family, false),
            };
            families.entry(key).or_default().push((order, file));
        }
        let families = families
            .into_iter()
            .map(|((name, is_error_copy), mut files)| {
                number_upwards(&name, files.iter_mut().map(|(order, _)| order));
                files.sort_by(|a, b| (&a.0, &a.1.source.path).cmp(&(&b.0, &b.1.source.path)));
                Family {
                    name,
                    is_error_copy,
                    files: files.into_iter().map(|(_, file)| file).collect(),
                }
            })
            .collect();
        self.skipped
            .sort_by(|a, b| a.source.path.cmp(&b.source.path));
        Discovery {
            families,
            skipped: self.skipped,
            spool: self.spool,
        }
    }
}

/// The first bytes of a file, and why it is not read, if so.
pub(crate) fn start_of(path: &Path) -> (Vec<u8>, Option<(ProblemKind, Cow<'static, str>)>) {
    let opened = Source::open_in_pieces(path).map(|mut opened| readable_start(&mut opened));
    let (start, fault) = match opened {
        Ok(read) => read,
        Err(error) => {
            let detail = format!("cannot read the file: {error}");
            return (
                Vec::new(),
                Some((ProblemKind::UnreadableFile, detail.into())),
            );
        }
    };
    let trouble = match fault {
        Some(error) if start.is_empty() => {
            let detail = format!("cannot read the first line: {error}");
            let is_cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
            let kind = if is_cut {
                ProblemKind::TruncatedFile
            } else {
                ProblemKind::CorruptFile
            };
            Some((kind, detail.into()))
        }
        _ => judge_start(&start),
    };
    (start, trouble)
}

/// The first readable bytes, and the fault before or after them.
fn readable_start(source: &mut Source) -> (Vec<u8>, Option<std::io::Error>) {
    let (mut start, mut fault) = read_start(source, START);
    for _ in 0..MAX_FAULTS {
        let Some(error) = fault.take_if(|_| start.is_empty()) else {
            break;
        };
        // The data after a damaged part may be intact.
        (start, fault) = read_start(source, START);
        if start.is_empty() && fault.is_none() {
            return (start, Some(error));
        }
    }
    (start, fault)
}

fn source_file(path: &Path, content_id: u64, metadata: Option<&Metadata>) -> SourceFile {
    let modified = metadata
        .and_then(|metadata| metadata.modified().ok())
        .and_then(|time| jiff::Timestamp::try_from(time).ok())
        .map(Timestamp::from);
    SourceFile {
        path: path.display().to_string(),
        content_id,
        modified,
    }
}

/// The file's extension, if files with it are not logs.
pub(crate) fn not_a_log(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    NOT_LOGS.contains(&extension.as_str()).then_some(extension)
}

/// Decides from the first bytes whether the file is not read, and why.
fn judge_start(start: &[u8]) -> Option<(ProblemKind, Cow<'static, str>)> {
    if start.is_empty() {
        return Some((
            ProblemKind::EmptyFile,
            "the archive is empty, or truncated before its first line".into(),
        ));
    }
    if start.starts_with(b"\xff\xfe\0\0") || start.starts_with(b"\0\0\xfe\xff") {
        return Some((
            ProblemKind::BinaryFile,
            "is UTF-32: convert it to UTF-8".into(),
        ));
    }
    if OWN_FILES.iter().any(|magic| start.starts_with(magic)) {
        return Some((
            ProblemKind::NotALog,
            "an entry of a Dragline history or cache, not a log".into(),
        ));
    }
    if let Some((name, unpack)) = other_packer(start) {
        let detail = format!(
            "is packed with {name}, which is not supported: unpack it, or pipe its content: \
             {unpack} FILE | dragline report -"
        );
        return Some((ProblemKind::BinaryFile, detail.into()));
    }
    if start.get(257..262) == Some(b"ustar") {
        let detail = "is a tar archive: unpack it and pass the logs in it";
        return Some((ProblemKind::BinaryFile, detail.into()));
    }
    if start.get(4..8) == Some(frames::MAGIC) {
        let detail = "is a sequence of length-prefixed zstd frames, as OpenTelemetry's collector writes \
                      it with compression: zstd, which is not supported";
        return Some((ProblemKind::BinaryFile, detail.into()));
    }
    // The export format of systemd's journal contains binary lengths.
    let is_journal = start.starts_with(b"__CURSOR=");
    if !is_journal && is_binary(&start[..start.len().min(4096)]) {
        return Some((
            ProblemKind::BinaryFile,
            "contains NUL bytes, so it is not text".into(),
        ));
    }
    let head = String::from_utf8_lossy(&start[..start.len().min(256)]);
    let mut squeezed = head.split_whitespace().collect::<String>();
    squeezed.truncate(40.min(squeezed.floor_char_boundary(40)));
    squeezed.starts_with(r#"{"schema":"dragline."#).then_some((
        ProblemKind::NotALog,
        "a document written by Dragline, not a log".into(),
    ))
}

/// Whether there are NUL bytes between other bytes, not only in long runs (holes) or next to line breaks.
fn is_binary(start: &[u8]) -> bool {
    let (mut zeros, mut others) = (0, 0);
    let mut at = 0usize;
    for run in start.chunk_by(|a, b| (*a == 0) == (*b == 0)) {
        let before = at.checked_sub(1).map_or(b'\n', |before| start[before]);
        at += run.len();
        let behind = start.get(at).copied().unwrap_or(b'\n');
        let is_around_line = before == b'\n' || matches!(behind, b'\n' | b'\r');
        match run {
            [0, ..] if run.len() < HOLE && !is_around_line => zeros += run.len(),
            [0, ..] => {}
            _ => {
                // Other control bytes that text does not contain count like NUL bytes.
                let odd = run.iter().filter(|byte| matches!(byte, 1..=6)).count();
                zeros += odd;
                others += run.len() - odd;
            }
        }
    }
    if !start.contains(&0) {
        return false;
    }
    let is_in_text = zeros * BINARY <= others || (zeros <= FEW && zeros * FEW <= others);
    zeros > 0 && !is_in_text
}

/// Whether the first line is only an opening bracket.
pub(crate) fn is_document(start: &[u8]) -> bool {
    let first = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    matches!(first.trim_ascii(), b"{" | b"[")
}

/// The log that a logparser document summarises; it has the same name.
fn job_of(path: &Path, start: &[u8]) -> Option<PathBuf> {
    let is_job = memchr::memmem::find(start, b"\"log_categories\"").is_some()
        || memchr::memmem::find(start, b"\"logparser_version\"").is_some();
    is_job.then(|| path.with_extension("log"))
}
