//! Tests of the service from outside.

mod crashes;
mod fleet;
mod service;
