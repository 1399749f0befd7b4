//! Writing a file at a path that the user gave.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::temporary::{Temporary, directory_of};

/// Maximum length of a chain of symbolic links, as in Linux; a longer chain is treated as a loop.
const MOST_LINKS: usize = 40;

/// Writes a file atomically: to a temporary file in the same directory, which is then renamed.
///
/// An existing path that is not a regular file (a device, a FIFO, `/dev/fd/63` of a shell's `>(command)`)
/// is opened and written in place. So is a file with several hard links, so that the links stay connected.
/// A symbolic link is kept, and its target is written. The permissions are kept and, where the system
/// allows it, the owner.
///
/// # Errors
/// When the file is write-protected or cannot be written, or when `write` fails. A regular file with a
/// single name is then unchanged.
pub fn replace<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let held = match path.metadata() {
        Ok(held) => Some(held),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let target = target_of(path)?;
    let is_regular = held.as_ref().is_none_or(fs::Metadata::is_file);
    if let Some(open) = standard(&target) {
        return write_into(open?, write);
    }
    if !is_regular || is_descriptor(&target) {
        return write_into(OpenOptions::new().append(true).open(path)?, write);
    }
    let mut truncating = OpenOptions::new();
    truncating.write(true).truncate(true);
    if let Some(held) = &held {
        if held.permissions().readonly() {
            return Err(protected().into());
        }
        if has_other_names(held) {
            return write_into(truncating.open(&target)?, write);
        }
    }
    let temporary = match Temporary::new_in(directory_of(&target)) {
        Ok(temporary) => temporary,
        // The file may be writable although its directory is not.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && held.is_some() => {
            return write_into(truncating.open(&target)?, write);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(no_directory(&target).into());
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(held) = held {
        keep_owner(&temporary, &held);
        temporary.set_permissions(held.permissions())?;
    }
    let mut out = BufWriter::new(temporary);
    write(&mut out)?;
    let temporary = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(temporary.persist(&target)?)
}

fn write_into<E: From<io::Error>>(
    file: File,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    Ok(out.flush()?)
}

/// The error names the directory, not the temporary file in it.
fn no_directory(target: &Path) -> io::Error {
    let sentence = format!(
        "the directory {} does not exist",
        directory_of(target).display()
    );
    io::Error::new(io::ErrorKind::NotFound, sentence)
}

fn protected() -> io::Error {
    let sentence = "the file is write-protected: choose another file or make it writable";
    io::Error::new(io::ErrorKind::PermissionDenied, sentence)
}

/// A duplicate of standard output or standard error, if the path names one. It shares the file offset with
/// the process that started this one and may go on writing there.
fn standard(path: &Path) -> Option<io::Result<File>> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        let is = |name: &str, number: &str| {
            path == Path::new(name) || path == Path::new("/dev/fd").join(number) || {
                let own = [
                    format!("/proc/self/fd/{number}"),
                    format!("/proc/{}/fd/{number}", std::process::id()),
                ];
                own.iter().any(|own| path == Path::new(own))
            }
        };
        if is("/dev/stdout", "1") {
            return Some(io::stdout().as_fd().try_clone_to_owned().map(File::from));
        }
        if is("/dev/stderr", "2") {
            return Some(io::stderr().as_fd().try_clone_to_owned().map(File::from));
        }
    }
    let _ = path;
    None
}

/// Whether a file has several hard links. Renaming a new file over one name would disconnect the others.
fn has_other_names(held: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        held.nlink() > 1
    }
    #[cfg(not(unix))]
    {
        let _ = held;
        false
    }
}

/// Gives a new file the owner and the group of the file that it replaces. Only root can change the owner.
fn keep_owner(temporary: &Temporary, held: &fs::Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let _ = chown(temporary.path(), None, Some(held.gid()));
        let _ = chown(temporary.path(), Some(held.uid()), None);
    }
    #[cfg(not(unix))]
    let _ = (temporary, held);
}

/// Whether the path refers to an open file descriptor. Replacing the underlying file would discard what
/// others have written to it.
fn is_descriptor(path: &Path) -> bool {
    const NAMES: [&str; 4] = ["/proc", "/dev/fd", "/dev/stdout", "/dev/stderr"];
    NAMES.iter().any(|name| path.starts_with(name))
}

/// Follows a chain of symbolic links to the path of the (possibly missing) target or to a file descriptor.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        if is_descriptor(&target) {
            return Ok(target);
        }
        match fs::read_link(&target) {
            // A relative link is relative to the directory that contains it.
            Ok(next) => target = directory_of(&target).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) -> io::Result<()> {
        replace(path, |out| out.write_all(text.as_bytes()))
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.md");
        put(&path, "one").unwrap();
        put(&path, "two").unwrap();
        let failed = replace(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(names(dir.path()), ["report.md"]);
        assert!(put(dir.path(), "x").is_err());
        assert!(put(&dir.path().join("none/report.md"), "x").is_err());
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

        #[test]
        fn links_stay_and_their_targets_are_written() {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            fs::create_dir(at("real")).unwrap();
            fs::write(at("real/old.md"), "old").unwrap();
            symlink("real/old.md", at("link")).unwrap();
            symlink("link", at("second")).unwrap();
            symlink("real/new.md", at("dangling")).unwrap();
            put(&at("second"), "written").unwrap();
            put(&at("dangling"), "new").unwrap();
            assert_eq!(fs::read_to_string(at("real/old.md")).unwrap(), "written");
            assert_eq!(fs::read_to_string(at("real/new.md")).unwrap(), "new");
            assert!(at("link").is_symlink() && at("second").is_symlink());
            symlink("circle", at("circle")).unwrap();
            assert!(put(&at("circle"), "x").is_err());
        }

        #[test]
        fn a_planted_name_is_left_alone() {
            let dir = tempfile::tempdir().unwrap();
            let stranger = dir.path().join("stranger");
            fs::write(&stranger, "theirs").unwrap();
            let path = dir.path().join("report.md");
            symlink(&stranger, dir.path().join("report.md.tmp")).unwrap();
            put(&path, "ours").unwrap();
            assert_eq!(fs::read_to_string(&stranger).unwrap(), "theirs");
        }

        #[test]
        fn permissions_stay_and_new_files_have_the_usual_ones() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("report.md");
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            put(&path, "x").unwrap();
            let usual = dir.path().join("usual");
            File::create(&usual).unwrap();
            assert_eq!(mode(&path), mode(&usual));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            put(&path, "y").unwrap();
            assert_eq!(mode(&path), 0o640);
        }

        #[test]
        fn a_protected_file_stays_and_a_file_with_two_names_is_one() {
            use std::os::unix::fs::MetadataExt as _;
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("report.md");
            put(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
            let error = put(&path, "y").unwrap_err().to_string();
            assert!(error.contains("write-protected"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "x");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let second = dir.path().join("second");
            fs::hard_link(&path, &second).unwrap();
            put(&path, "z").unwrap();
            assert_eq!(fs::read_to_string(&second).unwrap(), "z");
            assert_eq!(
                path.metadata().unwrap().ino(),
                second.metadata().unwrap().ino()
            );
        }

        #[test]
        fn a_fifo_and_a_device_are_written_and_stay() {
            let dir = tempfile::tempdir().unwrap();
            let fifo = dir.path().join("fifo");
            let made = std::process::Command::new("mkfifo").arg(&fifo).status();
            assert!(made.unwrap().success());
            let reader = {
                let fifo = fifo.clone();
                std::thread::spawn(move || fs::read_to_string(fifo).unwrap())
            };
            put(&fifo, "through").unwrap();
            assert_eq!(reader.join().unwrap(), "through");
            assert!(fifo.metadata().unwrap().file_type().is_fifo());
            put(Path::new("/dev/null"), "away").unwrap();
            let null = Path::new("/dev/null").metadata().unwrap();
            assert!(null.file_type().is_char_device());
        }
    }
}
