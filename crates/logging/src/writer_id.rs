//! Random ids of writing processes.

/// 12 random hexadecimal digits. The process id is part of the seed because a forked process has the
/// same random number generator state as its parent.
pub(crate) fn new_writer_id() -> String {
    use std::hash::BuildHasher as _;
    let seed = std::hash::RandomState::new().hash_one((std::process::id(), fastrand::u64(..)));
    format!("{:012x}", seed & 0xffff_ffff_ffff)
}
