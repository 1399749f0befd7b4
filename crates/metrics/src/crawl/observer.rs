//! Turns records into measurements. What cannot be said from one record alone (how many runs are active,
//! how much a network counter rose) is remembered here.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use dragline_schema::{Event, EventType, Record, RunSummary, SystemSample, Timestamp, Verdict};

use super::CrawlMetric as M;
use super::Measure;
use super::events::{
    observe_article, observe_database, observe_duplicate, observe_end, observe_error,
    observe_product, observe_rate_limit, observe_request, observe_search,
};
use super::output::{Output, seconds};
use super::summary::{Counted, is_final, observe_final};
use crate::window::Update::{Add, Set};

/// Maximum number of runs that are remembered, and of machines.
const MAX_RUNS: usize = 10_000;
const MAX_HOSTS: usize = 1_000;

/// Turns records into measurements of the crawling metrics.
///
/// It remembers the runs in progress, at most 10,000 of them, to count them. A run is in progress from its
/// first record to its end, or until [`Observer::expire`] drops it. Further runs are not counted as active.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    /// By the hash of scraper, site and run id.
    runs: HashMap<u64, Run>,
    /// Number of active runs by scraper and site; without those that have none.
    active: HashMap<(String, String), u32>,
    /// The latest network counters of each machine: sent and received.
    network: HashMap<String, [Option<u64>; 2]>,
    hasher: RandomState,
}

/// A run that is remembered, or the lines of a scraper that name no run.
#[derive(Clone, Debug)]
struct Run {
    scraper_id: String,
    site: String,
    last_seen: Option<Timestamp>,
    state: RunState,
    counted: Counted,
}

/// Whether a run is counted as active.
#[derive(Clone, Copy, Debug, PartialEq)]
enum RunState {
    /// Lines without a run id cannot be counted as a run.
    Unnamed,
    Active,
    /// Late lines of a run do not start it again.
    Ended,
}

impl Observer {
    /// Turns a record into measurements. `verdict` is the classification of an error, if a classifier was
    /// asked; without it, the one in the record is used.
    ///
    /// Statistics that another program reports about its own run ([`Event::Summary`]) are counted where the
    /// run's lines do not tell the same.
    pub fn observe(
        &mut self,
        record: &Record<'_>,
        verdict: Option<&Verdict<'_>>,
        out: &mut dyn Measure,
    ) {
        let mut out = Output {
            at: record.timestamp,
            scraper: record.scraper_id.as_deref().unwrap_or_default(),
            site: record.site.as_deref().unwrap_or_default(),
            out,
        };
        let event_type = record.event.event_type();
        let event_type = event_type.map_or("log", EventType::as_str);
        out.run_and(M::Events, event_type, Add(1.0));
        if let Some(at) = record.timestamp {
            out.run(M::LastEvent, Set(seconds(at)));
        }
        if record.is_error() {
            observe_error(record, verdict, &mut out);
        }
        match &record.event {
            Event::ScraperStart(_) => out.run(M::RunsStarted, Add(1.0)),
            Event::ScraperEnd(end) => observe_end(end, &mut out),
            Event::Request(request) => observe_request(record, request, &mut out),
            Event::ProductProcessed(product) => observe_product(record, product, &mut out),
            Event::ArticleStored(article) => observe_article(article, &mut out),
            Event::DuplicateDetected(duplicate) => observe_duplicate(duplicate, &mut out),
            Event::SearchQuery(search) => observe_search(search, &mut out),
            Event::QueueSize(queue) => {
                if let Some(size) = queue.queue_size {
                    out.run(M::QueueSize, Set(size as f64));
                }
            }
            Event::DatabaseOperation(operation) => observe_database(operation, &mut out),
            Event::SystemSample(sample) => self.observe_system(sample, &mut out),
            Event::RateLimit(limit) => observe_rate_limit(limit, &mut out),
            Event::LogDropped(dropped) => out.count(M::DroppedEvents, dropped.dropped),
            // Errors are counted above, also those that are plain lines; statistics below, with their run.
            Event::ScraperError(_) | Event::Log | Event::Summary(_) => {}
        }
        self.follow_run(record, &mut out);
    }

    /// Updates what is remembered of the run, and the number of active runs.
    fn follow_run(&mut self, record: &Record<'_>, out: &mut Output<'_>) {
        let run_id = record.run_id.as_deref();
        let key = self.hasher.hash_one((out.scraper, out.site, run_id));
        if !self.runs.contains_key(&key) && !self.has_room() {
            return;
        }
        let (change, summary) = {
            let run = self.runs.entry(key).or_insert_with(|| Run {
                scraper_id: out.scraper.to_owned(),
                site: out.site.to_owned(),
                last_seen: None,
                state: RunState::Unnamed,
                counted: Counted::default(),
            });
            run.last_seen = run.last_seen.max(record.timestamp);
            run.follow(record, out)
        };
        if let Some(summary) = summary {
            observe_final(summary, out);
        }
        if change != 0 {
            self.change_active(out, change);
        }
    }

    /// Whether another run can be remembered; forgets those that have ended.
    fn has_room(&mut self) -> bool {
        if self.runs.len() >= MAX_RUNS {
            self.runs.retain(|_, run| run.state != RunState::Ended);
        }
        self.runs.len() < MAX_RUNS
    }

    fn change_active(&mut self, out: &mut Output<'_>, change: i32) {
        let key = (out.scraper.to_owned(), out.site.to_owned());
        let active = self.active.get(&key).copied().unwrap_or_default();
        let active = active.saturating_add_signed(change);
        out.run(M::RunsActive, Set(f64::from(active)));
        if active > 0 {
            self.active.insert(key, active);
        } else {
            self.active.remove(&key);
        }
    }

    /// Drops the runs that were last seen before `before`: they were killed, or their ends were lost. For
    /// programs that follow logs; inside the scraper's process, every run reports its end.
    pub fn expire(&mut self, before: Timestamp, out: &mut dyn Measure) {
        let is_old = |run: &Run| run.last_seen.is_none_or(|seen| seen < before);
        let (old, kept) = self.runs.drain().partition(|(_, run)| is_old(run));
        self.runs = kept;
        let mut old: Vec<Run> = HashMap::into_values(old)
            .filter(|run| run.state == RunState::Active)
            .collect();
        old.sort_by(|a, b| (&a.scraper_id, &a.site).cmp(&(&b.scraper_id, &b.site)));
        for run in old {
            let mut out = Output {
                at: Some(before),
                scraper: &run.scraper_id,
                site: &run.site,
                out: &mut *out,
            };
            self.change_active(&mut out, -1);
        }
    }

    fn observe_system(&mut self, sample: &SystemSample<'_>, out: &mut Output<'_>) {
        let host = sample.host.as_deref().unwrap_or_default();
        let share = |percent: Option<f64>| percent.map(|percent| percent / 100.0);
        let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
        let gauges = [
            (M::Cpu, share(sample.cpu_percent)),
            (M::Memory, share(sample.memory_percent)),
            (M::MemoryUsed, bytes(sample.memory_used_bytes)),
            (M::MemoryAvailable, bytes(sample.memory_available_bytes)),
            (M::Disk, share(sample.disk_percent)),
            (M::DiskUsed, bytes(sample.disk_used_bytes)),
            (M::DiskFree, bytes(sample.disk_free_bytes)),
        ];
        for (metric, value) in gauges {
            if let Some(value) = value {
                out.put(metric, &[host], Set(value));
            }
        }
        let now = [sample.network_sent_bytes, sample.network_received_bytes];
        for (metric, more) in self.network_increase(host, now) {
            out.put(metric, &[host], Add(more as f64));
        }
    }

    /// How much the network counters of a machine rose since its last sample. They start at 0 with the machine.
    fn network_increase(&mut self, host: &str, now: [Option<u64>; 2]) -> Vec<(M, u64)> {
        if now == [None, None] {
            return Vec::new();
        }
        if !self.network.contains_key(host) && self.network.len() >= MAX_HOSTS {
            return Vec::new();
        }
        let held = self.network.entry(host.to_owned()).or_default();
        let metrics = [M::NetworkSent, M::NetworkReceived];
        let mut increases = Vec::new();
        for ((metric, now), held) in metrics.into_iter().zip(now).zip(held) {
            if let (Some(now), Some(before)) = (now, *held) {
                let more = now.checked_sub(before).unwrap_or(now);
                increases.push((metric, more));
            }
            *held = now.or(*held);
        }
        increases
    }
}

impl Run {
    /// Follows one record: by how much the number of active runs changes, and the statistics that end the run.
    fn follow<'r>(
        &mut self,
        record: &'r Record<'_>,
        out: &mut Output<'_>,
    ) -> (i32, Option<&'r RunSummary<'r>>) {
        self.counted.note(record);
        let summary: Option<&RunSummary<'_>> = match &record.event {
            Event::Summary(summary) => Some(summary),
            _ => None,
        };
        if let Some(summary) = summary {
            self.counted.count(summary, out);
        }
        let last_summary = summary.filter(|summary| is_final(summary));
        let ends = last_summary.is_some() || matches!(record.event, Event::ScraperEnd(_));
        let before = self.state;
        self.state = match (record.run_id.is_some(), before) {
            (false, _) => RunState::Unnamed,
            (true, RunState::Ended) => RunState::Ended,
            (true, _) if ends => RunState::Ended,
            (true, _) => RunState::Active,
        };
        if ends && self.state == RunState::Unnamed {
            // The lines that follow belong to another run.
            self.counted = Counted::default();
        }
        let is_active = |state| i32::from(state == RunState::Active);
        let change = is_active(self.state) - is_active(before);
        // A run ends once.
        (change, last_summary.filter(|_| before != RunState::Ended))
    }
}
