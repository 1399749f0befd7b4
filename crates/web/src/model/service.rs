//! The service itself, its reports, exports and senders.

use dragline_schema::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::query::Window;

/// Whether the service works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether it has caught up and everything works that it needs.
    pub is_ready: bool,
    /// Why not, one sentence each.
    pub reasons: Vec<String>,
}

/// The service.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ServiceStatus {
    /// Its version.
    pub version: String,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// The directories that it follows.
    pub inputs: Vec<Input>,
    /// The machines that send logs.
    pub senders: Vec<Sender>,
    /// What it does regularly.
    pub tasks: Vec<Task>,
    /// Size of its store in bytes; null when unknown.
    pub store_bytes: Option<u64>,
    /// Free space where its store is, in bytes; null when unknown.
    pub disk_free_bytes: Option<u64>,
    /// The configuration file; null when there is none.
    pub config_file: Option<String>,
    /// When the configuration was read.
    #[schema(value_type = String, format = DateTime)]
    pub config_read_at: Timestamp,
    /// Why the present configuration file is not in use; null when it is.
    pub config_error: Option<String>,
    /// What is the matter, one sentence each.
    pub problems: Vec<String>,
}

/// A directory that is followed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Input {
    /// Its path, as given.
    pub path: String,
    /// Number of files in it that are followed.
    pub files: u64,
    /// Time of the latest event in it; null without events.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event: Option<Timestamp>,
    /// Why it cannot be followed; null when it can.
    pub error: Option<String>,
}

/// A machine that sends logs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Sender {
    /// Its name.
    pub host: String,
    /// When it was last heard of: a batch, or a sign of life of a machine without new lines.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
    /// Whether it is overdue, by what it announced.
    pub is_silent: bool,
    /// Bytes taken from it since the start of the service.
    pub bytes: u64,
}

/// What the service does regularly.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// When it last succeeded; null when it never did.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success: Option<Timestamp>,
    /// Why it failed the last time; null when it did not.
    pub error: Option<String>,
}

/// A report that was made.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReportInfo {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// The period that it covers; null when it is not known.
    pub period: Option<Window>,
    /// Whom it was sent to, and whether it was late, in a sentence; null when it was not sent.
    pub note: Option<String>,
}

/// A report that is sent regularly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportSchedule {
    /// Its name.
    pub name: String,
    /// When it is due: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// The time zone of `cron`.
    pub zone: String,
    /// Number of whole days that it covers before the day on which it is due.
    pub days: u64,
    /// The channels that it goes to.
    pub channels: Vec<String>,
    /// When the next one is due; null if never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_due: Option<Timestamp>,
    /// When the last one was due; null before the first. The same holds for what follows.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_due: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub made_at: Option<Timestamp>,
    /// Its title.
    pub title: Option<String>,
    /// The days that it covers.
    pub period: Option<Window>,
    /// When it was due and why it was late, in a sentence; null when it was not.
    pub late: Option<String>,
    /// What became of it at each channel.
    pub deliveries: Vec<ReportDelivery>,
    /// Why the one that is due cannot be made; null when it can.
    pub error: Option<String>,
}

/// What became of a report at a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportDelivery {
    /// The channel.
    pub channel: String,
    /// When it was sent; null when it was not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// Whether the last attempt failed, or it is not known whether it arrived.
    pub has_failed: bool,
    /// What became of it, in words.
    pub state: String,
}

/// A file for download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its media type: `text/csv; charset=utf-8`.
    pub media_type: String,
    /// Its name, without a directory.
    pub file_name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IngestAnswer {
    /// Where the next batch of the file has to begin.
    pub next_offset: u64,
    /// Number of bytes of this batch that were new; 0 when all were known.
    pub new_bytes: u64,
}

/// What was received from a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldFiles {
    /// The files, by name.
    pub files: Vec<HeldFile>,
}

/// A file that was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldFile {
    /// The name that the sender gave it.
    pub file: String,
    /// Number of bytes that were received.
    pub length: u64,
    /// Number of bytes at the beginning that `head` is the hash of.
    pub head_length: u64,
    /// XXH3 (64 bits) of the beginning, in 16 hexadecimal digits.
    pub head: String,
    /// Number of bytes at the end that `tail` is the hash of.
    pub tail_length: u64,
    /// XXH3 (64 bits) of the end, in 16 hexadecimal digits.
    pub tail: String,
}
