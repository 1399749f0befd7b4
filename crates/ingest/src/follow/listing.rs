//! Lists files by name and size, without reading their content.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::discover::{is_document, not_a_log};
use crate::globs;
use crate::names::{OrderKey, copied_family, family_of, number_upwards, without_compression};
use crate::own_logs::{has_own_logs, is_own_log};

/// The file system's identifier of a file, independent of its name: device and inode.
pub(super) type FileId = (u64, u64);

/// A file.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Position in its family: oldest first, and a plain file before its archive.
    pub(super) order: (OrderKey, bool),
    pub(super) id: FileId,
    pub(super) look: Look,
    /// Whether it is an archive that can be read.
    pub(super) is_packed: bool,
}

/// Properties that change when a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
}

impl Found {
    /// Whether its name is that of a compressed copy of the other file.
    pub(super) fn is_archive_of(&self, other: &Self) -> bool {
        let name = self.path.display().to_string();
        Path::new(without_compression(&name)) == other.path
    }
}

/// The files that the inputs refer to.
#[derive(Default)]
pub(super) struct Listing {
    seen: BTreeSet<FileId>,
    /// Families by name, each with its files in order.
    pub(super) families: BTreeMap<String, Vec<Found>>,
    /// Paths that do not exist or cannot be accessed, and why.
    pub(super) troubles: Vec<(PathBuf, String)>,
}

/// The files that the inputs refer to, by family and in order. Excludes a recorder's copies of its errors, whose
/// lines are also in another file.
pub(super) fn list(inputs: &[String]) -> Listing {
    let mut listing = Listing::default();
    for input in inputs {
        let path = Path::new(input);
        match (path.try_exists(), globs::is_pattern(input)) {
            (Ok(true), _) => listing.named(path, false),
            (Err(error), _) => listing.trouble(path, format!("cannot access it: {error}")),
            (Ok(false), false) => {
                listing.trouble(path, "no such file or directory yet".to_owned());
            }
            (Ok(false), true) => listing.pattern(path, input),
        }
    }
    for (name, files) in &mut listing.families {
        number_upwards(name, files.iter_mut().map(|file| &mut file.order.0));
        files.sort_by(|a, b| (&a.order, &a.path).cmp(&(&b.order, &b.path)));
    }
    listing
}

impl Listing {
    fn trouble(&mut self, path: &Path, why: String) {
        self.troubles.push((path.to_owned(), why));
    }

    fn pattern(&mut self, path: &Path, input: &str) {
        let Ok(found) = globs::matches(input, &mut || true) else {
            return self.trouble(path, "invalid pattern".to_owned());
        };
        if found.paths.is_empty() {
            self.trouble(path, "the pattern matches no file yet".to_owned());
        }
        let foreign = found.paths.iter().filter(|path| !is_own_log(path));
        foreign.for_each(|path| self.named(path, false));
        for (dir, error) in found.unreadable {
            self.trouble(&dir, format!("cannot list the directory: {error}"));
        }
    }

    fn named(&mut self, path: &Path, is_found: bool) {
        let Ok(metadata) = path.metadata() else {
            return;
        };
        let id = id_of(path, &metadata);
        if metadata.is_dir() {
            // Prevents endless recursion through a link to a parent directory.
            if !(is_found && has_own_logs(path)) && self.seen.insert(id) {
                self.directory(path);
            }
            return;
        }
        if !metadata.is_file() && !is_found {
            return self.trouble(path, "neither a file nor a directory".to_owned());
        }
        if is_found && is_second_name(path) {
            return;
        }
        let name = path.display().to_string();
        let is_other = || not_a_log(path).is_some() || is_json_document(path);
        let is_log = metadata.is_file() && !(is_found && is_other());
        if !is_log || copied_family(&name).is_some() || !self.seen.insert(id) {
            return;
        }
        let (family, order) = family_of(&name);
        let is_compressed = without_compression(&name).len() < name.len();
        self.families.entry(family).or_default().push(Found {
            path: path.to_owned(),
            order: (order, is_compressed),
            id,
            look: Look {
                size: metadata.len(),
                modified: metadata.modified().ok(),
            },
            is_packed: is_compressed,
        });
    }

    fn directory(&mut self, path: &Path) {
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries.flatten(),
            Err(error) => return self.trouble(path, format!("cannot list the directory: {error}")),
        };
        let names = entries.filter(|e| !e.file_name().to_string_lossy().starts_with('.'));
        names.for_each(|entry| self.named(&entry.path(), true));
    }
}

/// Whether a path is a link to a file of the same directory, which is listed there: `shop.current`, or
/// `shop.error.current`, which does not look like a copy of errors.
fn is_second_name(path: &Path) -> bool {
    let in_same_directory = || {
        let target = path.canonicalize().ok()?;
        let dir = path.parent()?.canonicalize().ok()?;
        Some(target.parent()? == dir)
    };
    path.is_symlink() && in_same_directory().unwrap_or(false)
}

/// Whether a file is a single JSON document, judging by its name and first line.
fn is_json_document(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 64];
    let mut read = || std::fs::File::open(path)?.read(&mut start);
    path.extension()
        .is_some_and(|extension| extension == "json")
        && read().is_ok_and(|length| is_document(&start[..length]))
}

#[cfg(unix)]
pub(super) fn id_of(_: &Path, metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// On other systems a file is identified by its path.
#[cfg(not(unix))]
pub(super) fn id_of(path: &Path, _: &Metadata) -> FileId {
    use xxhash_rust::xxh3::xxh3_64;
    (0, xxh3_64(path.display().to_string().as_bytes()))
}
