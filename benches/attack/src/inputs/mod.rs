//! Logs: what a line says, what a file is made of, how it is packed and what it is called.

pub(crate) mod archives;
pub(crate) mod bombs;
pub(crate) mod hostile;
mod json;
mod names;
mod pen;
mod recorder;
mod scrapy;
pub(crate) mod shapes;
mod text;

use std::ffi::OsString;

use anyhow::Result;
use fastrand::Rng;

pub(crate) use names::name;
pub(crate) use pen::Pen;

use crate::dice::Dice as _;

/// A file: its name and what it holds.
pub(crate) struct Crafted {
    pub(crate) name: OsString,
    pub(crate) bytes: Vec<u8>,
}

/// Writes about so many lines.
type Writer = fn(&mut Pen, usize) -> Vec<u8>;

const WRITERS: &[(u32, Writer)] = &[
    (10, recorder::log),
    (2, recorder::season),
    (5, scrapy::log),
    (8, json::log),
    (3, json::otlp),
    (2, json::pretty),
    (5, text::log),
    (2, text::logfmt),
    (3, text::crawlee),
    (4, text::contained),
    (2, text::plain),
];

/// Those whose logs hold runs.
const HONEST: &[(u32, Writer)] = &[
    (3, recorder::log),
    (3, recorder::season),
    (1, json::log),
    (1, scrapy::log),
    (1, text::log),
];

/// A log as its writer left it, of any writer's, damaged or not.
pub(crate) fn lines(rng: &mut Rng, lines: usize) -> Vec<u8> {
    let mut pen = Pen::new(rng.fork());
    let writer = pen.rng.weighted(WRITERS);
    writer(&mut pen, lines)
}

/// A log, perhaps in another shape, packed, and under any name.
pub(crate) fn craft(rng: &mut Rng, most: usize) -> Result<Crafted> {
    let mut pen = Pen::new(rng.fork());
    let count = pen.rng.usize(1..=most.max(1));
    let writer = pen.rng.weighted(WRITERS);
    let mut log = writer(&mut pen, count);
    if pen.rng.chance(0.1) {
        let other = pen.rng.weighted(WRITERS);
        log.extend(other(&mut pen, count));
    }
    let log = shapes::shaped(&mut pen, log);
    let (ending, bytes) = if pen.rng.chance(0.25) {
        archives::packed(&mut pen, &log)?
    } else {
        ("", log)
    };
    // Names lie now and then.
    let ending = if pen.rng.chance(0.05) {
        pen.rng.pick(&["", ".gz", ".zst", ".bz2"])
    } else {
        ending
    };
    Ok(Crafted {
        name: name(&mut pen.rng, ending),
        bytes,
    })
}

/// A log of at least so many bytes, which anybody can read.
pub(crate) fn honest(rng: &mut Rng, least: usize) -> Vec<u8> {
    let mut pen = Pen::new(rng.fork());
    pen.wild = pen.wild.min(0.02);
    let writer = pen.rng.weighted(HONEST);
    let mut log = Vec::new();
    while log.len() < least {
        log.extend(writer(&mut pen, 150));
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::seeded;

    #[test]
    fn the_same_seed_crafts_the_same_file() {
        for seed in 0..60 {
            let craft = || craft(&mut seeded(seed, 1), 40).unwrap();
            let (one, other) = (craft(), craft());
            assert!(one.name == other.name && one.bytes == other.bytes, "{seed}");
        }
    }

    #[test]
    fn every_writer_writes() {
        for (_, writer) in WRITERS {
            assert!(writer(&mut Pen::new(seeded(3, 1)), 20).len() > 100);
        }
    }

    #[test]
    fn a_bomb_is_small() {
        let (_, bytes, mib) = bombs::bomb(&mut Pen::new(seeded(5, 1))).unwrap();
        assert!(bytes.len() < 40 << 20 && mib >= 128);
    }
}
