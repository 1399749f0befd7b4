//! What only some scrapers log.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Hosts that were asked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Domains {
    /// How many different ones; about, when there are more than 1,024: give or take 3 % (one standard error).
    pub distinct: u64,
    /// How many different URLs were asked for, counted alike; null when no line of a request names one.
    pub urls: Option<u64>,
    /// The most asked first, at most 20.
    pub top: Vec<Domain>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Domain {
    /// The host, with its port when the URL has one.
    pub domain: String,
    /// HTTP attempts, as far as the log has a line for each.
    pub requests: u64,
    /// Those that failed.
    pub requests_failed: u64,
    /// Bytes of answers.
    pub bytes: u64,
}

/// A spread of values.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Articles.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Articles {
    /// How many were stored.
    pub stored: u64,
    /// Words in each; null when never logged.
    pub word_count: Option<Spread>,
    /// From page to storage; null when never logged.
    pub processing_time_ms: Option<Spread>,
    /// How many in each language.
    pub languages: BTreeMap<String, u64>,
}

/// Searches.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Search {
    /// How many.
    pub searches: u64,
    /// Results of each.
    pub result_count: Option<Spread>,
    /// How long each took.
    pub response_time_ms: Option<Spread>,
    /// Characters of each query.
    pub query_length: Option<Spread>,
}

/// Queues.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Queue {
    /// Entries waiting, at the moments that were logged.
    pub queue_size: Spread,
}

/// Duplicates.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Duplicates {
    /// How many.
    pub detected: u64,
    /// How sure the scrapers were, 0 to 1; null when never logged.
    pub confidence: Option<Spread>,
}

/// Databases.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Database {
    /// How many operations.
    pub operations: u64,
    /// How long each took.
    pub duration_ms: Option<Spread>,
    /// Open connections.
    pub connections_active: Option<Spread>,
    /// By operation.
    pub by_operation: BTreeMap<String, Operation>,
}

/// A kind of operation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Operation {
    /// How many.
    pub count: u64,
    /// How long each took.
    pub duration_ms: Option<Spread>,
}

/// Machines.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct System {
    /// Each of them, by name.
    pub hosts: Vec<Host>,
}

/// A machine, at the moments that were logged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Host {
    /// Its name; null for those that no line names, which are one.
    pub host: Option<String>,
    /// CPU in use, 0 to 100.
    pub cpu_percent: Option<Spread>,
    /// Memory in use, 0 to 100.
    pub memory_percent: Option<Spread>,
    /// Memory in use, bytes.
    pub memory_used_bytes: Option<Spread>,
    /// Memory that programs can still have, bytes.
    pub memory_available_bytes: Option<Spread>,
    /// Disk in use, 0 to 100.
    pub disk_percent: Option<Spread>,
    /// Disk in use, bytes.
    pub disk_used_bytes: Option<Spread>,
    /// Free disk, bytes.
    pub disk_free_bytes: Option<Spread>,
    /// Bytes sent in a second, on average; null when the counter began anew, or was told once.
    pub network_sent_bytes_per_second: Option<f64>,
    /// Bytes received in a second, on average.
    pub network_received_bytes_per_second: Option<f64>,
}
