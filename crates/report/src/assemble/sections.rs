//! What only some scrapers log.

use std::collections::BTreeMap;

use dragline_rollup::{Finished, Sections, Spread};

use crate::model;

/// So many hosts are listed.
const TOP_DOMAINS: usize = 20;

/// All runs' sections as one.
pub(crate) fn whole(finished: &Finished) -> Sections {
    finished
        .runs
        .iter()
        .fold(Sections::default(), |mut whole, run| {
            whole.merge(Sections::clone(&run.sections));
            whole
        })
}

/// A spread in units of which `per` make one of the rollup's.
fn spread(spread: &Spread, per: f64) -> Option<model::Spread> {
    Some(model::Spread {
        count: spread.count,
        mean: spread.mean()? / per,
        min: spread.min as f64 / per,
        max: spread.max as f64 / per,
    })
}

pub(crate) fn domains(whole: &Sections) -> Option<model::Domains> {
    let mut top: Vec<model::Domain> = whole
        .domains
        .0
        .iter()
        .map(|(domain, counts)| model::Domain {
            domain: domain.clone(),
            requests: counts.requests,
            requests_failed: counts.requests_failed,
            bytes: counts.bytes,
        })
        .collect();
    top.sort_by(|a, b| {
        b.requests
            .cmp(&a.requests)
            .then_with(|| a.domain.cmp(&b.domain))
    });
    let distinct = top.len() as u64 + u64::from(whole.domains.0.overflow().is_some());
    top.truncate(TOP_DOMAINS);
    (distinct > 0).then_some(model::Domains { distinct, top })
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
    let system = &whole.system;
    let model = model::System {
        cpu_percent: spread(&system.cpu, 1000.0),
        memory_percent: spread(&system.memory, 1000.0),
        memory_used_bytes: spread(&system.memory_bytes, 1.0),
        disk_percent: spread(&system.disk, 1000.0),
        disk_free_bytes: spread(&system.disk_free_bytes, 1.0),
        network_sent_bytes: spread(&system.sent_bytes, 1.0),
        network_received_bytes: spread(&system.received_bytes, 1.0),
    };
    let measures = [
        &model.cpu_percent,
        &model.memory_percent,
        &model.memory_used_bytes,
        &model.disk_percent,
        &model.disk_free_bytes,
        &model.network_sent_bytes,
        &model.network_received_bytes,
    ];
    let any = measures.iter().any(|measure| measure.is_some());
    any.then_some(model)
}
