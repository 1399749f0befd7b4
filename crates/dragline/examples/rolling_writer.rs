//! The rolling files under another formatter and another queue:
//! `cargo run -p dragline --example rolling_writer`.
//!
//! The lines are tracing-subscriber's text, the queue and the thread are tracing-appender's, and the files
//! are Dragline's: rotated, compressed and removed as configured. What this combination cannot do, and the
//! recorder can, is in docs/decisions/0020-a-queue-of-its-own.md. The logs are in `logs/`, or in the
//! directory that `DRAGLINE_DIR` names.

use std::error::Error;

use dragline::{Config, RollingWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let dropped = record(&Config::from_env()?)?;
    println!(
        "{dropped} lines were dropped. The log is in logs/; `dragline report logs/` reads it."
    );
    Ok(())
}

/// Logs some lines and returns the number of those that the queue dropped.
pub(crate) fn record(config: &Config) -> Result<usize, Box<dyn Error>> {
    let files = RollingWriter::new(config)?;
    let (writer, guard) = tracing_appender::non_blocking(files);
    // Nothing in the files tells of dropped lines, so the program has to.
    let dropped = writer.error_counter();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(writer)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        for page in 0..100 {
            tracing::info!(page, "page read");
        }
    });
    // Waits until the lines are written, for about a second. A program that exits before loses them.
    drop(guard);
    Ok(dropped.dropped_lines())
}
