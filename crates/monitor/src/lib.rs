//! The service.

pub mod follow;
pub mod store;
