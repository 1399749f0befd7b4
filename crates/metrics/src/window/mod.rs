//! Statistics over windows of time.

mod answer;
mod delta;
mod query;
mod retention;
mod series;
mod slot;
mod store;

pub use delta::Delta;
pub use query::{SeriesId, Stats, Window};
pub use retention::{Resolution, Retention, RetentionError};
pub use store::{Losses, NotWindowed, Sample, Store, Update};
