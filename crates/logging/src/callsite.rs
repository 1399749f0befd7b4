//! What is the same for every event of one call site, made once.

use dragline_schema::wire;
use tracing::Metadata;

use crate::line::push_key;
use crate::redact::Redactor;
use crate::typed;

/// The bytes that every event of a call site shares, and what to do with each of its fields.
#[derive(Debug)]
pub(crate) struct CallSite {
    pub(crate) level: tracing::Level,
    /// `","level":"INFO","target":"shop"`: what stands behind the time.
    pub(crate) head: Vec<u8>,
    /// By the fields' index.
    pub(crate) fields: Vec<FieldPlan>,
    /// A bit for each key: no bit in common with a span's keys, no key in common.
    pub(crate) key_bits: u64,
    pub(crate) names_context: bool,
    /// `,"file":"src/main.rs","line":12`, if it is to be written.
    pub(crate) location: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// `,"key":`
    pub(crate) key: Vec<u8>,
    /// An earlier field of the same name.
    pub(crate) twin: Option<usize>,
}

/// What becomes of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Message,
    /// The type of one of our own events.
    EventType,
    /// Stands in the line's head, by way of the context.
    Context,
    /// One of our own fields that is JSON already: an array of our making.
    Json,
    /// An address with a user's name and password in front, perhaps without a scheme.
    Proxy,
    /// One that holds what a user gave: its secrets are looked for.
    UserJson,
    /// Never written as it is.
    Secret,
    /// Says where a record of the `log` crate comes from.
    LogMetadata,
    Value,
}

/// The bit of a key.
pub(crate) fn key_bit(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let (first, last) = (bytes.first().unwrap_or(&0), bytes.last().unwrap_or(&0));
    let mixed = usize::from(*first) * 7 + usize::from(*last) * 31 + bytes.len();
    1 << (mixed & 63)
}

/// The name that tells a key from others: `level` and `user.level` become the same key.
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
        // Records of the `log` crate share five call sites; their target is a field.
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
        Self {
            level: *metadata.level(),
            head,
            key_bits: fields.iter().fold(0, |bits, f| bits | key_bit(f.name)),
            names_context: !is_typed && fields.iter().any(|f| f.role == Role::Context),
            // A typed event stands in this crate, wherever it was logged.
            location: if location && !is_log && !is_typed && !has("file") && !has("line") {
                location_of(metadata)
            } else {
                Vec::new()
            },
            fields,
        }
    }
}

/// Appends `,"target":"…"`.
pub(crate) fn push_target(target: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"target\":");
    wire::push_text(target, out);
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
