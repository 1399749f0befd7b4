//! Small archives of much: hundreds of MiB of one thing.

use anyhow::Result;
use flate2::Compression;

use super::archives::gzip;
use super::pen::Pen;
use super::recorder;
use crate::dice::Dice as _;

/// One member or frame holds so much; more of them hold more, and cost nothing to make.
const MEMBER: usize = 16 << 20;

/// A bomb, the end of its name, and how many MiB it holds.
pub(crate) fn bomb(pen: &mut Pen) -> Result<(&'static str, Vec<u8>, usize)> {
    let filling = filling(pen);
    let is_gzip = pen.rng.bool();
    let member = if is_gzip {
        gzip(&filling, Compression::fast())?
    } else {
        zstd::encode_all(filling.as_slice(), 1)?
    };
    // A billion lines take their time however little is in them: those are fewer.
    let most = if filling.starts_with(b"\n") || filling.starts_with(b"{}\n") {
        12
    } else {
        32
    };
    let members = pen.rng.usize(8..most);
    let mut archive = member.repeat(members);
    if pen.rng.chance(0.15) {
        // An archive of an archive holds little, as nobody looks into the inner one.
        archive = gzip(&archive, Compression::fast())?;
    }
    if pen.rng.chance(0.2) {
        // What comes last is not there.
        archive.truncate(archive.len() - 3);
    }
    let ending = if is_gzip { ".gz" } else { ".zst" };
    Ok((ending, archive, members * (MEMBER >> 20)))
}

/// What a member holds. Lines that are records are fewer, as each is worth work.
fn filling(pen: &mut Pen) -> Vec<u8> {
    let pattern: Vec<u8> = match pen.rng.u8(..9) {
        0 => vec![0],
        1 => vec![b'\n'],
        2 => vec![b'x'],
        3 => b"{}\n".to_vec(),
        4 => b"[".to_vec(),
        5 => b"{\"a\":".to_vec(),
        6 => b"key=value ".to_vec(),
        7 => [b"x".repeat(4000).as_slice(), b"\n"].concat(),
        _ => {
            pen.wild = 0.0;
            return recorder::log(pen, 60).repeat(pen.rng.pick(&[60, 600]));
        }
    };
    pattern.repeat(MEMBER / pattern.len())
}
