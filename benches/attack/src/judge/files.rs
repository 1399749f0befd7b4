//! What a command did to files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::{Fault, Kind, said};
use crate::call::{Call, Permit};
use crate::process::Ended;
use crate::snapshot::{Change, Kind as What, Snapshot};

/// What a command may have done, and what it did.
struct Files<'j> {
    call: &'j Call,
    before: &'j Snapshot,
    after: &'j Snapshot,
    /// What appeared with earlier commands of the run: the program's own.
    owned: &'j BTreeSet<PathBuf>,
    /// Whoever is killed tidies nothing.
    is_killed: bool,
}

/// What is wrong with what a command did to files.
pub(crate) fn files(
    call: &Call,
    ended: &Ended,
    (before, after): (&Snapshot, &Snapshot),
    owned: &BTreeSet<PathBuf>,
) -> Vec<Fault> {
    let files = Files {
        call,
        before,
        after,
        owned,
        is_killed: ended.is_hung || ended.status.code().is_none(),
    };
    let changes = before.changes(after);
    let mut faults: Vec<Fault> = changes
        .iter()
        .filter(|(path, _)| !files.is_volatile(path))
        .filter_map(|(path, change)| files.fault(path, change))
        .collect();
    faults.extend(files.written());
    faults
}

impl Files<'_> {
    fn is_volatile(&self, path: &Path) -> bool {
        let volatile = self.call.volatile.as_ref();
        volatile.is_some_and(|dir| path.starts_with(dir))
    }

    fn fault(&self, path: &Path, change: &Change) -> Option<Fault> {
        let name = path.display().to_string().escape_debug().to_string();
        match change {
            Change::Appeared if self.is_output(path) => None,
            Change::Appeared if is_temporary(path) => (!self.is_killed)
                .then(|| Fault::new(Kind::LeftBehind, format!("{name} was left behind"))),
            Change::Appeared if self.may_appear(path) => None,
            Change::Appeared => Some(Fault::new(Kind::Stray, format!("{name} appeared"))),
            Change::Vanished if self.may_touch(path) => None,
            Change::Vanished => Some(Fault::new(Kind::Touched, format!("{name} vanished"))),
            Change::Changed(respects) if self.may_change(path, respects) => None,
            Change::Changed(respects) => {
                let wrong = format!("{name} changed: {}", respects.join(", "));
                Some(Fault::new(Kind::Touched, wrong))
            }
        }
    }

    fn is_output(&self, path: &Path) -> bool {
        self.call.permits.iter().any(|permit| match permit {
            Permit::Output(output, _) => output == path,
            _ => false,
        })
    }

    /// Whether a new file is where new files may be.
    fn may_appear(&self, path: &Path) -> bool {
        self.call.permits.iter().any(|permit| match permit {
            Permit::Output(..) => false,
            // Directories above it are made, too.
            Permit::Below(dir) | Permit::Cache(dir) => {
                path.starts_with(dir) || dir.starts_with(path)
            }
            Permit::Configured(dir) => {
                let is_there = path.starts_with(dir) || dir.starts_with(path);
                is_there && self.is_own(dir)
            }
        })
    }

    /// Whether nobody else has anything in a directory.
    fn is_own(&self, dir: &Path) -> bool {
        self.before.below(dir).all(|path| self.owned.contains(path))
            && self
                .before
                .get(dir)
                .is_none_or(|entry| entry.kind == What::Dir)
    }

    /// Whether a file may be changed or removed that was there before.
    fn may_touch(&self, path: &Path) -> bool {
        let is_owned = self.owned.contains(path);
        self.call.permits.iter().any(|permit| match permit {
            Permit::Output(..) => false,
            Permit::Below(dir) | Permit::Configured(dir) => is_owned && path.starts_with(dir),
            Permit::Cache(dir) => path.starts_with(dir) && (is_owned || is_entry(dir, path)),
        })
    }

    fn may_change(&self, path: &Path, respects: &[&str]) -> bool {
        let is_kept = !respects.contains(&"kind");
        let is_file = |entry: &crate::snapshot::Entry| entry.kind == What::File;
        let was_file = self.before.get(path).is_some_and(is_file);
        (self.is_output(path) && was_file && is_kept)
            || self.may_touch(path)
            // What a directory is does not depend on its place.
            || (respects == ["inode"] && self.may_appear(path) && !was_file)
    }

    /// What is wrong with what was written into outputs.
    fn written(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for permit in &self.call.permits {
            let Permit::Output(path, says) = permit else {
                continue;
            };
            let is_new = self.before.get(path) != self.after.get(path);
            let is_file = self
                .after
                .get(path)
                .is_some_and(|entry| entry.kind == What::File);
            if is_new && is_file {
                let bytes = fs::read(path).unwrap_or_default();
                faults.extend(said(*says, &bytes, &path.display().to_string()));
            }
        }
        faults
    }
}

/// Names that are given to what is being written.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(".tmp")
        || name.starts_with(".dragline-")
        || name.ends_with(".tmp")
        || (name.ends_with('~') && name.len() > 1)
        || name.contains(".tmp.")
        || path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            part.starts_with("dragline-sql-")
        })
}

/// Whether a name in the cache's own directory is one that the cache gives: whoever calls his files so
/// there gives them away.
fn is_entry(dir: &Path, path: &Path) -> bool {
    let inner = path.strip_prefix(dir).ok();
    let first = inner.and_then(|inner| inner.components().next());
    let Some(first) = first else {
        return false;
    };
    let name = first.as_os_str().to_string_lossy();
    let is_rollup = name
        .strip_suffix(".rollup")
        .is_some_and(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_rollup || name.starts_with(".tmp") || name.starts_with("dragline-sql-")
}

/// What became of devices, and of directories that belong to everybody.
pub(crate) fn devices() -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_device = fs::symlink_metadata("/dev/null")
        .is_ok_and(|metadata| metadata.file_type().is_char_device());
    if !is_device {
        faults.push(Fault::new(Kind::Device, "/dev/null is no device any more"));
    }
    for path in ["/dev/null.tmp", "/dev/stdout.tmp"] {
        if Path::new(path).symlink_metadata().is_ok() {
            faults.push(Fault::new(Kind::Device, format!("there is {path}")));
        }
    }
    for entry in fs::read_dir("/").into_iter().flatten().flatten() {
        let path = entry.path();
        if is_temporary(&path) || path.extension().is_some_and(|end| end == "rollup") {
            faults.push(Fault::new(
                Kind::Stray,
                format!("there is {}", path.display()),
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::*;
    use crate::call::{Limits, Says};
    use crate::place::put;

    /// What is said of what was done in a directory.
    fn judged(permits: &[&dyn Fn(&Path) -> Permit], work: impl Fn(&Path)) -> Vec<Kind> {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("thesis.txt"), b"years of work").unwrap();
        put(&dir.path().join("kept/notes.txt"), b"notes").unwrap();
        let limits = Limits {
            time: Duration::from_secs(10),
            resident: 700,
            address_space: None,
        };
        let mut call = Call::new(dir.path().to_owned(), &["report"], limits);
        call.permits = permits.iter().map(|permit| permit(dir.path())).collect();
        let before = Snapshot::take(dir.path()).unwrap();
        work(dir.path());
        let after = Snapshot::take(dir.path()).unwrap();
        let ended = Ended {
            status: ExitStatus::from_raw(0),
            stdout: Vec::new(),
            stderr: Vec::new(),
            peak: 0,
            took: Duration::ZERO,
            is_hung: false,
            sent: None,
            is_deaf: false,
        };
        let faults = files(&call, &ended, (&before, &after), &BTreeSet::new());
        faults.into_iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn only_what_was_named_may_be_written() {
        let output = |dir: &Path| Permit::Output(dir.join("thesis.txt"), Says::Text);
        let write =
            |name: &'static str| move |dir: &Path| put(&dir.join(name), b"a report").unwrap();
        assert_eq!(judged(&[], |_| ()), []);
        assert_eq!(judged(&[], write("thesis.txt")), [Kind::Touched]);
        assert_eq!(judged(&[], write("report.md")), [Kind::Stray]);
        assert_eq!(judged(&[], write(".tmpAbCdEf")), [Kind::LeftBehind]);
        assert_eq!(judged(&[&output], write("thesis.txt")), []);
        assert_eq!(
            judged(&[&output], write("thesis.txt.tmp")),
            [Kind::LeftBehind]
        );
        let remove = |dir: &Path| fs::remove_file(dir.join("thesis.txt")).unwrap();
        assert_eq!(judged(&[&output], remove), [Kind::Touched]);
        let raw = |dir: &Path| put(&dir.join("thesis.txt"), b"\x1b[2J").unwrap();
        assert_eq!(judged(&[&output], raw), [Kind::Raw]);
    }

    #[test]
    fn a_cache_is_its_own_where_nobody_else_is() {
        let entry = "kept/0123456789abcdef0123456789abcdef.rollup";
        let write = |dir: &Path| put(&dir.join(entry), b"").unwrap();
        let own = |dir: &Path| Permit::Cache(dir.join("kept"));
        let theirs = |dir: &Path| Permit::Configured(dir.join("kept"));
        assert_eq!(judged(&[&own], write), []);
        assert_eq!(judged(&[&theirs], write), [Kind::Stray]);
        let steal = |dir: &Path| fs::remove_file(dir.join("kept/notes.txt")).unwrap();
        assert_eq!(judged(&[&own], steal), [Kind::Touched]);
    }
}
