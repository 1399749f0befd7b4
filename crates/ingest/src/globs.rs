//! Expands glob patterns.
//!
//! A pattern is split at its slashes, and each part is matched against the entries of the directories found by
//! the previous parts. Each part lists a directory at most once, even if several links lead to it; otherwise
//! a link to a parent directory would never end.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use glob::{Pattern, PatternError};

/// The paths that a pattern matches.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// Files and directories, by name.
    pub(crate) paths: Vec<PathBuf>,
    /// Directories that cannot be listed.
    pub(crate) unreadable: Vec<(PathBuf, io::Error)>,
}

/// Whether a path is a pattern.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Expands a pattern. Calls `go_on` before each directory; stops listing when it returns `false`.
///
/// # Errors
/// If the pattern is invalid.
pub(crate) fn matches(
    pattern: &str,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Matches, PatternError> {
    let (root, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (PathBuf::new(), pattern),
    };
    let mut parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    if parts.last() == Some(&"**") {
        // A final `**` would match directories only, which is never intended.
        parts.push("*");
    }
    // Check all parts, even those after a part that matches nothing.
    parts
        .iter()
        .try_for_each(|part| Pattern::new(part).map(drop))?;
    let mut found = Matches {
        paths: vec![root],
        ..Matches::default()
    };
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        let mut level = Level {
            unreadable: &mut found.unreadable,
            seen: BTreeSet::new(),
            next: BTreeSet::new(),
        };
        let pattern = is_pattern(part).then(|| Pattern::new(part)).transpose()?;
        for path in std::mem::take(&mut found.paths) {
            match &pattern {
                _ if *part == "**" => level.below(&path, go_on),
                Some(pattern) => level.entries(&path, pattern, is_last, go_on),
                None => level.take(path.join(part), is_last),
            }
        }
        found.paths = level.next.into_iter().collect();
    }
    Ok(found)
}

/// The matches of one part of a pattern.
struct Level<'m> {
    unreadable: &'m mut Vec<(PathBuf, io::Error)>,
    /// The real paths of the directories already listed.
    seen: BTreeSet<PathBuf>,
    next: BTreeSet<PathBuf>,
}

impl Level<'_> {
    fn take(&mut self, path: PathBuf, is_last: bool) {
        // A broken link counts as existing; reading it reports the problem.
        let is_there = if is_last {
            path.symlink_metadata().is_ok()
        } else {
            path.is_dir()
        };
        if is_there {
            self.next.insert(path);
        }
    }

    fn entries(
        &mut self,
        dir: &Path,
        pattern: &Pattern,
        is_last: bool,
        go_on: &mut dyn FnMut() -> bool,
    ) {
        for path in self.list(dir, go_on) {
            let name = path.file_name().map(|name| name.to_string_lossy());
            if name.is_some_and(|name| pattern.matches(&name)) {
                self.take(path, is_last);
            }
        }
    }

    /// Takes a directory and all directories below it.
    fn below(&mut self, dir: &Path, go_on: &mut dyn FnMut() -> bool) {
        let mut open = vec![dir.to_owned()];
        while let Some(dir) = open.pop() {
            let before = self.seen.len();
            let entries = self.list(&dir, go_on);
            if self.seen.len() > before {
                open.extend(entries.into_iter().filter(|path| path.is_dir()));
                self.next.insert(dir);
            }
        }
    }

    /// The entries of a directory; none if it was already listed.
    fn list(&mut self, dir: &Path, go_on: &mut dyn FnMut() -> bool) -> Vec<PathBuf> {
        let named = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        let real = named.canonicalize().unwrap_or_else(|_| named.to_owned());
        if !go_on() || !self.seen.insert(real) {
            return Vec::new();
        }
        let listed = std::fs::read_dir(named).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| dir.join(entry.file_name())));
            paths.collect::<io::Result<Vec<PathBuf>>>()
        });
        listed.unwrap_or_else(|error| {
            self.unreadable.push((named.to_owned(), error));
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dir: &Path, pattern: &str) -> Vec<String> {
        let pattern = format!("{}/{pattern}", dir.display());
        let paths = matches(&pattern, &mut || true).unwrap().paths;
        let shown = paths.iter().map(|path| {
            let inner = path.strip_prefix(dir).unwrap();
            inner.display().to_string()
        });
        shown.collect()
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/one.log", "a/b/two.log", "a/b/three.txt", "c/four.log"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        dir
    }

    #[test]
    fn parts_are_names_and_two_stars_are_any_depth() {
        let dir = tree();
        let dir = dir.path();
        assert_eq!(found(dir, "*/*.log"), ["a/one.log", "c/four.log"]);
        assert_eq!(
            found(dir, "**/*.log"),
            ["a/b/two.log", "a/one.log", "c/four.log"]
        );
        assert_eq!(
            found(dir, "a/**"),
            ["a/b", "a/b/three.txt", "a/b/two.log", "a/one.log"]
        );
        assert_eq!(found(dir, "[ac]/?n*.log"), ["a/one.log"]);
        assert_eq!(found(dir, "none/*"), [""; 0]);
        assert!(matches("[", &mut || true).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_to_a_directory_above_end() {
        let dir = tree();
        for name in ["a/up", "a/again", "a/b/up", "c/up"] {
            std::os::unix::fs::symlink("..", dir.path().join(name)).unwrap();
        }
        let logs = found(dir.path(), "**/*.log");
        assert_eq!(logs.len(), 3, "{logs:?}");
        let deep = found(dir.path(), "*/*/*/*/*/*/*/*.log");
        assert!(deep.len() <= 3, "{deep:?}");
    }

    #[test]
    fn whoever_looks_may_have_enough() {
        let dir = tree();
        let pattern = format!("{}/**", dir.path().display());
        let mut looks = 0;
        let stopped = matches(&pattern, &mut || {
            looks += 1;
            looks < 2
        });
        assert!(stopped.unwrap().paths.len() < 6);
    }
}
