//! Tests of the crate from outside.

mod channels;
mod docs;
mod exported;
mod histories;
mod model;
mod server;
mod sinks;
mod sleep;
mod smtp;
