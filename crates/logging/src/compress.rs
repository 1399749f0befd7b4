//! Closed files become gzip, without a moment in which neither form is whole.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Plain bytes in one gzip member: members can be read apart and survive a cut tail.
const MEMBER_BYTES: usize = 4 << 20;

/// The path of a file's compressed form.
pub(crate) fn compressed_path(plain: &Path) -> PathBuf {
    let mut name = plain.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// Compresses a closed file beside itself and removes it. The compressed form appears under its
/// name only when it is complete and on disk.
///
/// # Errors
/// When reading or writing fails; the plain file is still there then.
pub(crate) fn compress(plain: &Path) -> io::Result<PathBuf> {
    let target = compressed_path(plain);
    let mut temporary = target.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let result = write_members(plain, &temporary).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = result {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(&target)?;
    fs::remove_file(plain)?;
    Ok(target)
}

fn write_members(plain: &Path, temporary: &Path) -> io::Result<()> {
    let mut input = BufReader::with_capacity(256 << 10, File::open(plain)?);
    let mut output = File::create(temporary)?;
    while !input.fill_buf()?.is_empty() {
        let mut member = GzEncoder::new(&mut output, Compression::default());
        copy_lines(&mut input, &mut member, MEMBER_BYTES)?;
        member.finish()?;
    }
    output.sync_all()
}

/// Copies whole lines until `limit` bytes are reached.
fn copy_lines(
    input: &mut impl io::BufRead,
    output: &mut impl io::Write,
    limit: usize,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut taken = 0;
    while taken < limit {
        line.clear();
        let read = input.read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        output.write_all(&line)?;
        taken += read;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_directory(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_directory(_file: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_compressed_form_holds_the_same_bytes_in_several_members() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("a.jsonl");
        let text = "a line of some length, and some more of it\n".repeat(120_000);
        fs::write(&plain, &text).unwrap();
        let packed = compress(&plain).unwrap();
        assert!(!plain.exists());
        assert_eq!(packed, dir.path().join("a.jsonl.gz"));
        let bytes = fs::read(&packed).unwrap();
        let mut first = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut first)
            .unwrap();
        assert!(first.len() < text.len() && first.ends_with('\n'));
        let mut all = String::new();
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_string(&mut all)
            .unwrap();
        assert_eq!(all, text);
    }

    #[test]
    fn a_failure_leaves_the_plain_file() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("a.jsonl");
        fs::write(&plain, "x\n").unwrap();
        fs::create_dir(dir.path().join("a.jsonl.gz")).unwrap();
        assert!(compress(&plain).is_err());
        assert!(plain.exists());
        assert!(!dir.path().join("a.jsonl.gz.tmp").exists());
    }
}
