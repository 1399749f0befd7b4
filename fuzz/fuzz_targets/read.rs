//! Any bytes as a log file, as they are and as a gzip member: nothing panics, nothing hangs, and
//! both read alike.

#![no_main]

mod common;

use std::io::Write as _;

use common::{FILE, read};
use dragline_schema::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    FILE.with_borrow(|path| {
        let plain = read(path, data);
        // What is compressed already is not read through two layers.
        if !data.starts_with(&[0x1f, 0x8b]) && !data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(data).expect("memory takes all bytes");
            let packed = encoder.finish().expect("memory takes all bytes");
            assert_eq!(plain.told, read(path, &packed).told);
        }
        plain.rollup.finish(Timestamp::from_seconds(1_772_623_353));
    });
});
