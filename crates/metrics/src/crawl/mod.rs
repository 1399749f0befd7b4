//! The metrics of crawling: their names, and how events become measurements.

mod counter;
mod measure;
mod originals;
mod set;
mod severity;
mod state;

pub use counter::EventCounter;
pub use measure::{Measure, Measurement};
pub use originals::{Document, ORIGINALS, Original, OriginalKind, Target, original};
pub use set::{CrawlFamilies, CrawlMetric};
pub use severity::{SEVERITIES, SeverityWord, Vocabulary, severity_of};
pub use state::Observer;
