//! Benchmarks: `cargo bench -p dragline-benches`. The benches stand beside this file.
