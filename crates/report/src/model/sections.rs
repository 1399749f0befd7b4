//! Sections for events that only some scrapers log.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Requested hosts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Domains {
    /// Number of distinct hosts; above 4,096 an estimate with a standard error of 3 %.
    pub distinct: u64,
    /// Number of distinct URLs, counted the same way; null if no request has a URL.
    pub urls: Option<u64>,
    /// HTTP attempts whose log line names a host. Fewer than `totals.requests` if some lines name none, or if a run
    /// logs only some of its requests.
    pub requests: u64,
    /// Number of hosts that `top` was chosen from; null if all hosts were counted. It is a random sample, so larger
    /// hosts may be missing.
    pub sample: Option<u64>,
    /// Hosts with the most requests first, at most 20.
    pub top: Vec<Domain>,
}

/// A requested host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Domain {
    /// Host, with port if the URL has one.
    pub domain: String,
    /// HTTP attempts that have their own log line.
    pub requests: u64,
    /// Failed attempts.
    pub requests_failed: u64,
    /// Bytes of responses; null if the log lines of its requests contain no sizes.
    pub bytes: Option<u64>,
}

/// Count, mean, minimum and maximum of values.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Spread {
    /// Count.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Minimum.
    pub min: f64,
    /// Maximum.
    pub max: f64,
}

/// Articles.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Articles {
    /// Number of stored articles.
    pub stored: u64,
    /// Words per article; null if never logged.
    pub word_count: Option<Spread>,
    /// Processing time from page to storage; null if never logged.
    pub processing_time_ms: Option<Spread>,
    /// Number of articles by language.
    pub languages: BTreeMap<String, u64>,
}

/// Searches.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Search {
    /// Count.
    pub searches: u64,
    /// Results per search.
    pub result_count: Option<Spread>,
    /// Duration of each.
    pub response_time_ms: Option<Spread>,
    /// Query length in characters.
    pub query_length: Option<Spread>,
}

/// Queues.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Queue {
    /// Waiting entries, at the times that were logged.
    pub queue_size: Spread,
}

/// Duplicates.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Duplicates {
    /// Count.
    pub detected: u64,
    /// Confidence of the scrapers, 0 to 1; null if never logged.
    pub confidence: Option<Spread>,
}

/// Databases.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Database {
    /// Number of operations.
    pub operations: u64,
    /// Duration of each.
    pub duration_ms: Option<Spread>,
    /// Open connections.
    pub connections_active: Option<Spread>,
    /// Operations by name.
    pub by_operation: BTreeMap<String, Operation>,
}

/// A database operation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Operation {
    /// Count.
    pub count: u64,
    /// Duration of each.
    pub duration_ms: Option<Spread>,
}

/// Machines.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct System {
    /// Machines, sorted by name.
    pub hosts: Vec<Host>,
}

/// Measurements of a machine, at the times that were logged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Host {
    /// Host name; null for all machines whose lines contain no name, which count as one.
    pub host: Option<String>,
    /// CPU in use, 0 to 100.
    pub cpu_percent: Option<Spread>,
    /// Memory in use, 0 to 100.
    pub memory_percent: Option<Spread>,
    /// Memory in use, bytes.
    pub memory_used_bytes: Option<Spread>,
    /// Memory available to programs, bytes.
    pub memory_available_bytes: Option<Spread>,
    /// Disk in use, 0 to 100.
    pub disk_percent: Option<Spread>,
    /// Disk in use, bytes.
    pub disk_used_bytes: Option<Spread>,
    /// Free disk, bytes.
    pub disk_free_bytes: Option<Spread>,
    /// Mean bytes sent per second; null if the counter was reset or was logged only once.
    pub network_sent_bytes_per_second: Option<f64>,
    /// Mean bytes received per second.
    pub network_received_bytes_per_second: Option<f64>,
}
