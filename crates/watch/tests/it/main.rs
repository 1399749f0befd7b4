//! The watch over logs of a small fleet.
#![allow(clippy::unwrap_used, reason = "a test that fails should panic")]

mod causes;
mod fleet;
mod judged;
mod proposed;
mod rounds;
