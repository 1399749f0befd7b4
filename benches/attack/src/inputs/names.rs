//! Names of logs: rotated families, the recorder's grammar, and names that nobody expects.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use fastrand::Rng;

use crate::dice::Dice as _;

/// Parts of names that mean something to a shell, a terminal, a glob, a path or a reader of names.
const ODD: &[&[u8]] = &[
    b"new\nline.log",
    b"\x1b[2J\x1b[31m.log",
    b"\x1b]0;title\x07.log",
    "C1\u{9b}2J.log".as_bytes(),
    "invoice\u{202e}gol.exe.log".as_bytes(),
    "\u{2066}\u{200f}\u{61c}.log".as_bytes(),
    b"not\xff\xfe\x80utf8.log",
    b"\xe4\xf6\xfc.log",
    b"-x.log",
    b"--output=stolen.log",
    b"-",
    b"a b  c.log",
    b"*.log",
    b"[a-z]?.log",
    b"[.log",
    b"**",
    b"{a,b}.log",
    b"$(id)`id`;'\".log",
    b"<script>alert(666)</script.log",
    b"back\\slash.log",
    b"car\rriage.log",
    b"tab\t.log",
    b"~",
    b"#x#.log",
    b"log",
    b"...log",
    b"%41%00.log",
    b"app.log.99999999999999999999",
    b"app.log.-1",
    b"app.log.0000000000000000000000000000001",
    b"app.99999999T999999Z.log",
    b"shop.20261399T996199Z.a1b2c3d4e5f6.4294967296.jsonl",
    b"shop.error.error.20260304T112233Z.a1b2c3d4e5f6.0.jsonl",
    b".hidden.log",
    b"report.md",
    b"data.json",
    b"notes.csv",
    b"half.jsonl.gz.tmp",
];

/// The name of a log; `ending` is what its archive ends with, if it is one.
pub(crate) fn name(rng: &mut Rng, ending: &str) -> OsString {
    let number = rng.u32(..12);
    let name = match rng.u8(..20) {
        0..=4 => format!("app.log.{number}{ending}"),
        5 => format!("app.log{ending}"),
        6..=9 => recorded(rng, ending),
        10 => format!(
            "scrape.2026-03-0{}_13-26-48_374064.log{ending}",
            number % 9 + 1
        ),
        11 => format!("app-2026030{}.log{ending}", number % 9 + 1),
        12 => format!("spider{number}.json{ending}"),
        13 => format!("{}{ending}", "n".repeat(rng.pick(&[100, 200, 240]))),
        14..=16 => return OsString::from_vec(rng.pick(ODD).to_vec()),
        _ => format!("log{number}.jsonl{ending}"),
    };
    name.into()
}

/// As the recorder names its files, and its copies of errors.
fn recorded(rng: &mut Rng, ending: &str) -> String {
    let scraper = rng.pick(&["shop", "news-crawler", "shop.error", "error"]);
    let writer = rng.pick(&["a1b2c3d4e5f6", "000000000000", "ffffffffffff"]);
    format!(
        "{scraper}.202603{:02}T112233Z.{writer}.{}.jsonl{ending}",
        rng.u8(1..29),
        rng.u8(..4)
    )
}
