//! Reads one large file with several threads.
//!
//! A line of JSON is a record, independent of the lines around it. So a file with only such lines is split
//! at line ends into chunks, which threads decode while the next chunks are decompressed. As soon as a line
//! could depend on others (a line of text, a traceback, an object over several lines), or a fault occurs,
//! the attempt is abandoned and the file must be read sequentially. The same happens when a chunk's records are
//! older than those of earlier chunks, because out-of-order records can only be counted in file order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use dragline_schema::{Position, Problem, Record, Sink, SourceFile, Timestamp};
use memchr::{memchr_iter, memrchr};

use crate::decoder::{Context, Decoder};
use crate::framing::fingerprint::Fingerprint;
use crate::framing::open::Source;

/// Size of a chunk in bytes.
const CHUNK: usize = 1 << 20;

/// The result of reading a file with several threads.
pub(crate) struct Split<S> {
    pub(crate) sinks: Vec<S>,
    /// The writer context after the last line.
    pub(crate) context: Context,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) zoneless: u64,
    /// Fingerprint of the text, if the source computes it.
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// Totals of the text that was split into chunks.
struct Totals {
    bytes: u64,
    lines: u64,
    fingerprint: Option<Fingerprint>,
}

/// Whole lines of a file.
struct Chunk {
    number: usize,
    text: Vec<u8>,
    /// Position of its first line.
    at: Position,
    /// Offsets at which archive members start.
    members: Vec<u64>,
}

/// State shared by all threads.
struct Shared {
    chunks: Mutex<Receiver<Chunk>>,
    order: Mutex<Order>,
    given_up: AtomicBool,
}

/// The earliest and the latest time of a chunk's records.
type Span = Option<(Timestamp, Timestamp)>;

/// Checks that no chunk is older than those before it.
struct Order {
    tolerance: i64,
    /// Decoded chunks with predecessors that are still missing.
    waiting: BTreeMap<usize, Span>,
    /// The number of the first missing chunk.
    next: usize,
    /// The latest time of the chunks before it.
    latest: Option<Timestamp>,
}

impl Order {
    /// Adds a chunk's time span; `false` if a chunk is too old.
    fn take(&mut self, number: usize, span: Span) -> bool {
        self.waiting.insert(number, span);
        while let Some(span) = self.waiting.remove(&self.next) {
            self.next += 1;
            let Some((first, last)) = span else { continue };
            if self
                .latest
                .is_some_and(|latest| latest.since(first) > self.tolerance)
            {
                return false;
            }
            self.latest = self.latest.max(Some(last));
        }
        true
    }
}

/// Reads a source with `threads` additional threads. `None` if its lines must be read sequentially, for
/// example because a record is more than `tolerance` microseconds older than an earlier chunk.
pub(crate) fn read<S: Sink + Send>(
    source: Source,
    threads: usize,
    tolerance: i64,
    max_line: usize,
    decoder: impl Fn() -> Decoder + Sync,
    make: impl Fn() -> S + Sync,
) -> Option<Split<S>> {
    let (send, chunks) = sync_channel(1);
    let shared = Shared {
        chunks: Mutex::new(chunks),
        order: Mutex::new(Order {
            tolerance,
            waiting: BTreeMap::new(),
            next: 0,
            latest: None,
        }),
        given_up: AtomicBool::new(false),
    };
    let (totals, parts) = std::thread::scope(|scope| {
        let work = || work(&shared, decoder(), make());
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let totals = cut(source, max_line, &send, &shared.given_up);
        drop(send);
        let parts: Vec<_> = workers
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect();
        (totals, parts)
    });
    let Totals {
        bytes,
        lines,
        fingerprint,
    } = totals?;
    let mut split = Split {
        sinks: Vec::new(),
        context: Context::default(),
        bytes,
        lines,
        zoneless: 0,
        fingerprint,
    };
    let mut contexts = BTreeMap::new();
    for part in parts {
        let share = part?;
        split.sinks.push(share.sink);
        split.zoneless += share.zoneless;
        contexts.extend(share.contexts);
    }
    for context in contexts.into_values() {
        split.context.follow(context);
    }
    Some(split)
}

/// Splits the source into chunks and sends them. Returns their totals, or `None` if the attempt was
/// abandoned, a fault occurred, or a line is too long.
fn cut(
    mut source: Source,
    max_line: usize,
    send: &SyncSender<Chunk>,
    given_up: &AtomicBool,
) -> Option<Totals> {
    let mut next = Position {
        member: 0,
        line: 1,
        offset: 0,
    };
    let mut buffer = Vec::new();
    let mut length = 0;
    let mut members = Vec::new();
    for number in 0.. {
        let mut is_last = false;
        let mut end = None;
        while end.is_none() || length < CHUNK {
            let before = source.members();
            let read = source.read_on(&mut buffer, length).ok()?;
            is_last = read == 0;
            if is_last {
                break;
            }
            let begins = next.offset + length as u64;
            members.extend((before..source.members()).map(|_| begins));
            // Only the new bytes can contain a line end not found yet.
            let found = memrchr(b'\n', &buffer[length..length + read]);
            end = found.map(|at| length + at + 1).or(end);
            length += read;
            if length - end.unwrap_or(0) > max_line + CHUNK {
                return None;
            }
        }
        // The last line may lack a line end.
        let end = if is_last { length } else { end? };
        let rest = buffer[end..length].to_vec();
        buffer.truncate(end);
        let text = std::mem::replace(&mut buffer, rest);
        length -= end;
        let behind = next.offset + end as u64;
        let (here, later) = members.into_iter().partition(|at| *at < behind);
        members = later;
        let chunk = Chunk {
            number,
            at: next,
            members: here,
            text,
        };
        next.offset = behind;
        next.member += chunk.members.len() as u32;
        next.line += memchr_iter(b'\n', &chunk.text).count() as u64;
        next.line += u64::from(chunk.text.last().is_some_and(|last| *last != b'\n'));
        if given_up.load(Ordering::Relaxed) || send.send(chunk).is_err() {
            return None;
        }
        if is_last {
            break;
        }
    }
    Some(Totals {
        bytes: next.offset,
        lines: next.line - 1,
        fingerprint: source.fingerprint(),
    })
}

/// The result of one thread's chunks.
struct Share<S> {
    sink: S,
    zoneless: u64,
    /// The writer context after each chunk, with the chunk's number.
    contexts: Vec<(usize, Context)>,
}

/// When its thread panics, receives chunks until there are no more: otherwise the sender would block forever.
struct DrainOnPanic<'s>(&'s Shared);

impl Drop for DrainOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.given_up.store(true, Ordering::Relaxed);
            let chunks = self.0.chunks.lock().unwrap_or_else(PoisonError::into_inner);
            while chunks.recv().is_ok() {}
        }
    }
}

/// Decodes chunks until there are no more; `None` if the lines must be read sequentially.
fn work<S: Sink>(shared: &Shared, mut decoder: Decoder, sink: S) -> Option<Share<S>> {
    let _drain = DrainOnPanic(shared);
    let mut sink = Spanned { sink, span: None };
    let mut contexts = Vec::new();
    decoder.begin_file(None, true);
    loop {
        // No thread panics while it holds this lock.
        let next = shared.chunks.lock().map(|chunks| chunks.recv());
        let Ok(Ok(chunk)) = next else {
            return Some(Share {
                sink: sink.sink,
                zoneless: decoder.zoneless(),
                contexts,
            });
        };
        let is_alone = !shared.given_up.load(Ordering::Relaxed)
            && decode(&chunk, &mut decoder, &mut sink)
            && shared
                .order
                .lock()
                .is_ok_and(|mut order| order.take(chunk.number, sink.span.take()));
        if !is_alone {
            shared.given_up.store(true, Ordering::Relaxed);
            // Empty the channel so that the sender does not block.
            while shared
                .chunks
                .lock()
                .is_ok_and(|chunks| chunks.recv().is_ok())
            {}
            return None;
        }
        contexts.push((chunk.number, decoder.take_context()));
    }
}

/// Decodes a chunk; `false` as soon as a line depends on others.
fn decode(chunk: &Chunk, decoder: &mut Decoder, sink: &mut dyn Sink) -> bool {
    let mut at = chunk.at;
    let mut members = chunk.members.iter().peekable();
    let mut rest = &*chunk.text;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest);
        let line = &rest[..end.unwrap_or(rest.len())];
        let taken = (line.len() + 1).min(rest.len());
        rest = &rest[taken..];
        // Oversized lines and NUL bytes are handled by sequential reading.
        if line.len() > decoder.options().max_line || line.first() == Some(&0) {
            return false;
        }
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        decoder.line(text, at, end.is_some(), sink);
        if decoder.needs_order() {
            return false;
        }
        at.line += 1;
        at.offset += taken as u64;
        while members.next_if(|begins| **begins <= at.offset).is_some() {
            at.member += 1;
        }
    }
    true
}

/// A sink that records the time span of the records it passes on.
struct Spanned<S> {
    sink: S,
    span: Span,
}

impl<S: Sink> Sink for Spanned<S> {
    fn file(&mut self, file: &SourceFile) {
        self.sink.file(file);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        if let Some(time) = record.timestamp {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
        self.sink.record(record, at);
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        self.sink.problem(problem);
    }
}
