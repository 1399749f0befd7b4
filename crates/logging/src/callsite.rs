//! Data that is the same for all events of a call site, computed once.

use dragline_schema::wire;
use tracing::Metadata;

use crate::key::{push_key, push_target};
use crate::redact::Redactor;
use crate::typed;

/// The bytes shared by all events of a call site, and the plan for each field.
#[derive(Debug)]
pub(crate) struct CallSite {
    pub(crate) level: tracing::Level,
    /// `","level":"INFO","target":"shop"`: the bytes after the time.
    pub(crate) head: Vec<u8>,
    /// The fields, by index.
    pub(crate) fields: Vec<FieldPlan>,
    /// Bit set of the keys ([`key_bit`]). If it shares no bit with a span's bit set, they share no key.
    pub(crate) key_bits: u64,
    pub(crate) names_context: bool,
    /// Whether its events start or end a run.
    pub(crate) is_bound: bool,
    /// `,"file":"src/main.rs","line":12`, or empty if it is not written.
    pub(crate) location: Vec<u8>,
    /// Whether the location includes the function, which is the name of the span around the event.
    pub(crate) locates_function: bool,
}

#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// `,"key":`
    pub(crate) key: Vec<u8>,
    /// The index of an earlier field with the same key.
    pub(crate) twin: Option<usize>,
}

/// How the value of a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Message,
    /// The type of a typed event.
    EventType,
    /// Part of the context, which is written in the head.
    Context,
    /// A field of a typed event that is already JSON: an array built by this crate.
    Json,
    /// A proxy address, which may start with a user name and password and may have no scheme.
    Proxy,
    /// JSON from the user, in which secrets are redacted.
    UserJson,
    /// A secret, which is written as `[redacted]`.
    Secret,
    /// Metadata about the origin of a record of the `log` crate.
    LogMetadata,
    Value,
}

/// The bit of a key in a bit set of keys. Different keys may share a bit.
pub(crate) fn key_bit(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let (first, last) = (bytes.first().unwrap_or(&0), bytes.last().unwrap_or(&0));
    let mixed = usize::from(*first) * 7 + usize::from(*last) * 31 + bytes.len();
    1 << (mixed & 63)
}

/// The name used to compare keys: `level` and `user.level` are written as the same key.
pub(crate) fn canonical(name: &'static str) -> &'static str {
    match name.strip_prefix(wire::USER_PREFIX) {
        Some(rest) if wire::HEAD.contains(&rest) => rest,
        _ => name,
    }
}

pub(crate) fn is_context(name: &str) -> bool {
    matches!(name, "scraper_id" | "site" | "run_id")
}

impl CallSite {
    pub(crate) fn new(
        metadata: &'static Metadata<'static>,
        redactor: &Redactor,
        location: bool,
    ) -> Self {
        let is_typed = typed::is_typed(metadata);
        // Records of the `log` crate share five call sites and have their target in a field.
        let is_log = metadata.target() == "log" && metadata.fields().field("log.target").is_some();
        let mut fields: Vec<FieldPlan> = Vec::new();
        for field in metadata.fields() {
            let role = role(field.name(), is_typed, is_log, redactor);
            let name = if role == Role::Value || role == Role::Secret {
                canonical(field.name())
            } else {
                field.name()
            };
            let mut key = Vec::new();
            push_key(name, &mut key);
            fields.push(FieldPlan {
                name,
                role,
                twin: fields.iter().position(|earlier| earlier.key == key),
                key,
            });
        }
        let mut head = b"\",\"level\":\"".to_vec();
        head.extend_from_slice(metadata.level().as_str().as_bytes());
        head.push(b'"');
        if !is_log {
            push_target(metadata.target(), &mut head);
        }
        let has = |name| fields.iter().any(|field| field.name == name);
        // The location of a typed event would be in this crate, not where it was logged.
        let is_located = location && !is_log && !is_typed && !has("file") && !has("line");
        Self {
            level: *metadata.level(),
            head,
            key_bits: fields.iter().fold(0, |bits, f| bits | key_bit(f.name)),
            is_bound: is_typed && matches!(metadata.name(), "scraper_start" | "scraper_end"),
            names_context: !is_typed && fields.iter().any(|f| f.role == Role::Context),
            location: if is_located {
                location_of(metadata)
            } else {
                Vec::new()
            },
            locates_function: is_located && !has("function"),
            fields,
        }
    }
}

fn role(name: &str, is_typed: bool, is_log: bool, redactor: &Redactor) -> Role {
    match name {
        "message" => Role::Message,
        "event_type" if is_typed => Role::EventType,
        "config" | "context" | "stats" if is_typed => Role::UserJson,
        "fields_missing" | "causes" if is_typed => Role::Json,
        "proxy" if is_typed => Role::Proxy,
        _ if is_context(name) => Role::Context,
        _ if is_log && name.starts_with("log.") => Role::LogMetadata,
        _ if !is_typed && redactor.is_secret(name) => Role::Secret,
        _ => Role::Value,
    }
}

fn location_of(metadata: &Metadata<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(file) = metadata.file() {
        out.extend_from_slice(b",\"file\":");
        wire::push_text(file, &mut out);
    }
    if let Some(line) = metadata.line() {
        out.extend_from_slice(format!(",\"line\":{line}").as_bytes());
    }
    out
}
