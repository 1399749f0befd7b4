//! The metrics of crawling: their names, and how events become measurements.

mod counter;
mod events;
mod measure;
mod observer;
mod originals;
mod output;
mod set;
mod severity;
mod summary;

pub use counter::EventCounter;
pub use measure::{Measure, Measurement};
pub use observer::Observer;
pub use originals::{Document, ORIGINALS, Original, OriginalKind, Target, original};
pub use set::{CrawlFamilies, CrawlMetric};
pub use severity::{SEVERITIES, SeverityWord, Vocabulary, severity_of};
