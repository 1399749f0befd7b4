//! What is in a directory: every file, what it holds, and what became of it.

use std::collections::BTreeMap;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xxhash_rust::xxh3::xxh3_64;

/// Everything below a directory, without following links.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    size: u64,
    /// Of what it holds; zero for what cannot be read.
    hash: u64,
    target: PathBuf,
    mode: u32,
    /// Of regular files: seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// Tells a file from another in its place.
    inode: u64,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Link,
    Fifo,
    Other,
}

/// What became of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Appeared,
    Vanished,
    /// In these respects.
    Changed(Vec<&'static str>),
}

impl Snapshot {
    /// Of everything below a directory.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub(crate) fn take(root: &Path) -> Result<Self> {
        let mut entries = BTreeMap::new();
        let mut left = vec![root.to_owned()];
        while let Some(dir) = left.pop() {
            let listed = match fs::read_dir(&dir) {
                // Closed on purpose, and nobody but root can look into it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
                listed => listed.with_context(|| format!("{} cannot be listed", dir.display()))?,
            };
            for listed in listed {
                let path = listed?.path();
                let entry = match Entry::of(&path) {
                    // Somebody of ours was faster.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    entry => entry?,
                };
                if entry.kind == Kind::Dir {
                    left.push(path.clone());
                }
                entries.insert(path, entry);
            }
        }
        Ok(Self { entries })
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The paths below a directory.
    pub(crate) fn below<'s>(&'s self, dir: &'s Path) -> impl Iterator<Item = &'s PathBuf> {
        self.entries
            .keys()
            .filter(move |path| path.starts_with(dir) && *path != dir)
    }

    /// What is different later, by path.
    pub(crate) fn changes(&self, later: &Self) -> Vec<(PathBuf, Change)> {
        let mut changes = Vec::new();
        for (path, entry) in &self.entries {
            match later.entries.get(path) {
                None => changes.push((path.clone(), Change::Vanished)),
                Some(other) if other != entry => {
                    changes.push((path.clone(), Change::Changed(entry.differences(other))));
                }
                Some(_) => {}
            }
        }
        for path in later.entries.keys() {
            if !self.entries.contains_key(path) {
                changes.push((path.clone(), Change::Appeared));
            }
        }
        changes
    }
}

impl Entry {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.symlink_metadata()?;
        let kind = Kind::of(metadata.file_type());
        let is_file = kind == Kind::File;
        let target = if kind == Kind::Link {
            fs::read_link(path)?
        } else {
            PathBuf::new()
        };
        Ok(Self {
            kind,
            size: if is_file { metadata.len() } else { 0 },
            hash: if is_file { hash(path) } else { 0 },
            target,
            mode: metadata.mode(),
            modified: modified(&metadata, is_file),
            inode: metadata.ino(),
        })
    }

    /// In which respects another one differs.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let respects = [
            ("kind", self.kind != other.kind),
            ("size", self.size != other.size),
            ("content", self.hash != other.hash),
            ("target", self.target != other.target),
            ("mode", self.mode != other.mode),
            ("time", self.modified != other.modified),
            ("inode", self.inode != other.inode),
        ];
        respects
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect()
    }
}

impl Kind {
    fn of(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Dir
        } else if kind.is_symlink() {
            Self::Link
        } else if kind.is_fifo() {
            Self::Fifo
        } else {
            Self::Other
        }
    }
}

fn hash(path: &Path) -> u64 {
    fs::read(path).map_or(0, |bytes| xxh3_64(&bytes))
}

/// Directories and FIFOs change their time with what happens in them.
fn modified(metadata: &Metadata, is_file: bool) -> (i64, i64) {
    if is_file {
        (metadata.mtime(), metadata.mtime_nsec())
    } else {
        (0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{age, link, put};

    #[test]
    fn every_change_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["same", "longer", "other", "older", "moved", "gone"] {
            put(&at(name), b"text").unwrap();
        }
        link(&at("same"), &at("link"));
        let before = Snapshot::take(dir.path()).unwrap();
        assert!(
            before
                .changes(&Snapshot::take(dir.path()).unwrap())
                .is_empty()
        );
        put(&at("longer"), b"text and more").unwrap();
        put(&at("other"), b"test").unwrap();
        age(&at("older"), 1).unwrap();
        put(&at("twin"), b"text").unwrap();
        fs::rename(at("twin"), at("moved")).unwrap();
        fs::remove_file(at("gone")).unwrap();
        fs::remove_file(at("link")).unwrap();
        link(&at("other"), &at("link"));
        put(&at("new"), b"").unwrap();
        let after = Snapshot::take(dir.path()).unwrap();
        let changes = before.changes(&after);
        let of = |name: &str| {
            let found = changes.iter().find(|(path, _)| *path == at(name));
            found.map(|(_, change)| change)
        };
        let has = |name: &str, respect: &str| match of(name) {
            Some(Change::Changed(respects)) => respects.contains(&respect),
            _ => false,
        };
        assert_eq!(of("same"), None);
        assert!(has("longer", "size") && has("other", "content") && has("older", "time"));
        assert!(has("moved", "inode") && has("link", "target"));
        assert_eq!(of("gone"), Some(&Change::Vanished));
        assert_eq!(of("new"), Some(&Change::Appeared));
    }
}
