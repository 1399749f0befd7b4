//! Sends logs to a Dragline service on another machine, each byte once.
//!
//! [`Ship`] looks at the files, sends what is new in batches, and remembers what was taken. The logs themselves are the
//! buffer: while the link is down nothing is read ahead, and memory holds one batch.
//!
//! **What is sent is text.** A text is what was written into one file, decompressed. It keeps its name and its offsets when
//! the file is renamed, copied and truncated, or packed, so an archive continues where its plain file was left.
//!
//! **Sent at least once, kept exactly once.** A batch is repeated until it is answered. The service appends only what
//! follows the bytes that it has, so what is sent again changes nothing. A name is kept on disk before the first byte goes
//! out under it; everything else that is forgotten is only sent again. At the start the service says what it has
//! ([`Transport::held`]): what a restored service lost is sent again, and without a state file files are recognised by
//! their content.
//!
//! ```
//! use dragline_schema::Timestamp;
//! use dragline_ship::{Batch, Held, Options, Outcome, Ship, Step, Transport};
//!
//! /// A service that keeps one file in memory.
//! #[derive(Default)]
//! struct Memory(Vec<u8>);
//! impl Transport for Memory {
//!     fn send(&mut self, batch: &Batch) -> Outcome {
//!         if batch.file.is_some() {
//!             let bytes = zstd::bulk::decompress(&batch.body, 1 << 20).unwrap();
//!             self.0.truncate(batch.offset as usize);
//!             self.0.extend(bytes);
//!         }
//!         Outcome::Taken { next_offset: self.0.len() as u64 }
//!     }
//!     fn held(&mut self, _: &str) -> Result<Vec<Held>, Outcome> {
//!         Ok(Vec::new())
//!     }
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! std::fs::create_dir(dir.path().join("logs"))?;
//! std::fs::write(dir.path().join("logs/app.log"), "one\ntwo\n")?;
//! let options = Options {
//!     inputs: vec![dir.path().join("logs").display().to_string()],
//!     to: "memory".to_owned(),
//!     host: "crawler-1".to_owned(),
//!     state: dir.path().join("ship.state"),
//!     is_once: true,
//!     every: 60,
//!     seed: 1,
//! };
//! let mut memory = Memory::default();
//! let mut ship = Ship::open(options, &mut memory)?;
//! while ship.step(Timestamp::from_seconds(1_772_623_353))? != Step::Done {}
//! drop(ship);
//! assert_eq!(memory.0, b"one\ntwo\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backoff;
mod http;
mod names;
mod options;
mod queue;
mod ship;
mod state;
mod transport;

pub use http::{Http, HttpError};
pub use options::{Options, ShipError};
pub use queue::Waiting;
pub use ship::{Counts, Ship, Step};
pub use state::{StateError, lock};
pub use transport::{Batch, Held, Outcome, Refusal, Transport};
