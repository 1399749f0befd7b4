//! A file for the textfile collector of `node_exporter`.

use std::io;
use std::path::Path;

use crate::snapshot::Metric;

/// Writes the metrics into a file for the textfile collector of `node_exporter`, in the text format of
/// Prometheus. The file is written under a temporary name and renamed, so that a reader never sees a part of
/// it. Its name must end with `.prom`, or the collector ignores it.
///
/// # Errors
/// When the name does not end with `.prom`, or the file cannot be written. An earlier file is then unchanged.
pub fn write_textfile(path: &Path, metrics: &[Metric]) -> io::Result<()> {
    if path.extension().is_none_or(|extension| extension != "prom") {
        let sentence = format!(
            "invalid file name {}: node_exporter reads only files that end with .prom",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
    }
    let text = super::prometheus(metrics);
    dragline_files::replace(path, |out| out.write_all(text.as_bytes()))
}
