//! What is there, at a glance: names and sizes, no contents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::discover::{
    OrderKey, copied_family, family_of, is_document, not_a_log, without_compression,
};

/// What a file system calls a file, whatever its name: device and inode.
pub(super) type FileId = (u64, u64);

/// A file.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Where it stands in its family, oldest first; a plain file before its archive.
    pub(super) order: (OrderKey, bool),
    pub(super) id: FileId,
    pub(super) look: Look,
}

/// What changes when a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
}

impl Found {
    pub(super) fn is_compressed(&self) -> bool {
        self.order.1
    }

    /// Whether it has the name that packing the other gives.
    pub(super) fn is_archive_of(&self, other: &Self) -> bool {
        let name = self.path.display().to_string();
        Path::new(without_compression(&name)) == other.path
    }
}

/// The files behind what was named, by family and in order. A recorder's copies of its errors are
/// left out: their lines stand in another file.
pub(super) fn list(inputs: &[String]) -> BTreeMap<String, Vec<Found>> {
    let mut listing = Listing::default();
    for input in inputs {
        let path = Path::new(input);
        if path.exists() {
            listing.named(path, false);
        } else if let Ok(paths) = glob::glob(input) {
            paths.flatten().for_each(|path| listing.named(&path, false));
        }
    }
    for files in listing.families.values_mut() {
        files.sort_by(|a, b| (&a.order, &a.path).cmp(&(&b.order, &b.path)));
    }
    listing.families
}

#[derive(Default)]
struct Listing {
    seen: BTreeSet<FileId>,
    families: BTreeMap<String, Vec<Found>>,
}

impl Listing {
    fn named(&mut self, path: &Path, is_found: bool) {
        let Ok(metadata) = path.metadata() else {
            return;
        };
        let id = id_of(path, &metadata);
        if metadata.is_dir() {
            // A link to a directory above would never end.
            if self.seen.insert(id) {
                let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
                let names = entries.filter(|e| !e.file_name().to_string_lossy().starts_with('.'));
                names.for_each(|entry| self.named(&entry.path(), true));
            }
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
        });
    }
}

/// Whether a file is one JSON document, as its name and its first line say.
fn is_json_document(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 64];
    let mut read = || std::fs::File::open(path)?.read(&mut start);
    path.extension()
        .is_some_and(|extension| extension == "json")
        && read().is_ok_and(|length| is_document(&start[..length]))
}

#[cfg(unix)]
fn id_of(_: &Path, metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Elsewhere a file is what its path says.
#[cfg(not(unix))]
fn id_of(path: &Path, _: &Metadata) -> FileId {
    use xxhash_rust::xxh3::xxh3_64;
    (0, xxh3_64(path.display().to_string().as_bytes()))
}
