//! Sections for events that only some scrapers log.

use std::collections::BTreeMap;

use dragline_rollup::{Finished, Machine, Sections, Spread};

use crate::model;

/// Maximum number of listed hosts.
const TOP_DOMAINS: usize = 20;

/// Merges the sections of all runs.
pub(crate) fn whole(finished: &Finished) -> Sections {
    finished
        .runs
        .iter()
        .fold(Sections::default(), |mut whole, run| {
            whole.merge(Sections::clone(&run.sections));
            whole
        })
}

/// Converts a spread; `per` of the rollup's units make one of the report's.
fn spread(spread: &Spread, per: f64) -> Option<model::Spread> {
    Some(model::Spread {
        count: spread.count,
        mean: spread.mean()? / per,
        min: spread.min as f64 / per,
        max: spread.max as f64 / per,
    })
}

pub(crate) fn domains(finished: &Finished, whole: &Sections) -> Option<model::Domains> {
    let hosts = &whole.domains.0;
    let rest = hosts.overflow();
    let named = hosts.iter().map(|(_, counts)| counts).chain(rest);
    let requests = named.map(|counts| counts.requests).sum();
    let mut top: Vec<model::Domain> = hosts
        .iter()
        .map(|(domain, counts)| model::Domain {
            domain: domain.clone(),
            requests: counts.requests,
            requests_failed: counts.requests_failed,
            // Histories of earlier versions contain no number of sizes.
            bytes: (counts.sized > 0 || counts.bytes > 0).then_some(counts.bytes),
        })
        .collect();
    top.sort_by(|a, b| {
        b.requests
            .cmp(&a.requests)
            .then_with(|| a.domain.cmp(&b.domain))
    });
    let distinct = hosts.distinct();
    top.truncate(TOP_DOMAINS);
    let urls = Some(finished.urls).filter(|urls| *urls > 0);
    (distinct > 0).then_some(model::Domains {
        distinct,
        urls,
        requests,
        sample: rest.map(|_| hosts.len() as u64),
        top,
    })
}

pub(crate) fn articles(finished: &Finished, whole: &Sections) -> Option<model::Articles> {
    let stored: u64 = finished.runs.iter().map(|run| run.counters.articles).sum();
    let articles = &whole.articles;
    (stored > 0).then(|| model::Articles {
        stored,
        word_count: spread(&articles.words, 1.0),
        processing_time_ms: spread(&articles.processing, 1000.0),
        languages: articles
            .languages
            .iter()
            .map(|(name, n)| (name.clone(), *n))
            .collect(),
    })
}

pub(crate) fn search(whole: &Sections) -> Option<model::Search> {
    let search = &whole.search;
    (search.count > 0).then(|| model::Search {
        searches: search.count,
        result_count: spread(&search.results, 1.0),
        response_time_ms: spread(&search.response_time, 1000.0),
        query_length: spread(&search.query_length, 1.0),
    })
}

pub(crate) fn queue(whole: &Sections) -> Option<model::Queue> {
    spread(&whole.queue.size, 1.0).map(|queue_size| model::Queue { queue_size })
}

pub(crate) fn duplicates(finished: &Finished, whole: &Sections) -> Option<model::Duplicates> {
    let detected: u64 = finished
        .runs
        .iter()
        .map(|run| run.counters.duplicates)
        .sum();
    let confidence = &whole.duplicates.confidence;
    (detected > 0).then(|| model::Duplicates {
        detected,
        confidence: spread(confidence, 1000.0),
    })
}

pub(crate) fn database(whole: &Sections) -> Option<model::Database> {
    let database = &whole.database;
    let by_operation: BTreeMap<String, model::Operation> = database
        .operations
        .iter()
        .map(|(name, operation)| {
            let duration_ms = spread(&operation.duration, 1000.0);
            (
                name.clone(),
                model::Operation {
                    count: operation.count,
                    duration_ms,
                },
            )
        })
        .collect();
    let kept: u64 = by_operation.values().map(|operation| operation.count).sum();
    let operations = kept + database.operations.overflow().map_or(0, |rest| rest.count);
    (operations > 0).then(|| model::Database {
        operations,
        duration_ms: spread(&database.duration, 1000.0),
        connections_active: spread(&database.connections, 1.0),
        by_operation,
    })
}

pub(crate) fn system(whole: &Sections) -> Option<model::System> {
    let machines = whole.system.machines.iter();
    let mut hosts: Vec<model::Host> = machines
        .map(|(name, machine)| host(name, machine))
        .collect();
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    (!hosts.is_empty()).then_some(model::System { hosts })
}

fn host(name: &str, machine: &Machine) -> model::Host {
    model::Host {
        host: (!name.is_empty()).then(|| name.to_owned()),
        cpu_percent: spread(&machine.cpu, 1000.0),
        memory_percent: spread(&machine.memory, 1000.0),
        memory_used_bytes: spread(&machine.memory_bytes, 1.0),
        memory_available_bytes: spread(&machine.available_bytes, 1.0),
        disk_percent: spread(&machine.disk, 1000.0),
        disk_used_bytes: spread(&machine.disk_used_bytes, 1.0),
        disk_free_bytes: spread(&machine.disk_free_bytes, 1.0),
        network_sent_bytes_per_second: machine.sent_bytes.rate(),
        network_received_bytes_per_second: machine.received_bytes.rate(),
    }
}
