//! One scraper's life: its processes and its runs, one after the other.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;

use crate::dice::seeded;
use crate::fleet::Scraper;
use crate::incident::{Kind, Planted, Trace};
use crate::run::{End, Run, run_id};
use crate::truth::{Incident, ScraperTruth};
use crate::writer::{DAY, Log, SECOND, instant};

/// What came of a life.
pub(crate) struct Life {
    pub(crate) truth: ScraperTruth,
    pub(crate) incident: Option<Incident>,
    pub(crate) lines: u64,
}

/// Lets the scraper live through its schedule, and writes its logs.
pub(crate) fn live(scraper: &Scraper, planted: Option<&Planted>, logs: &Path) -> Result<Life> {
    let mut process = 0;
    let mut writer_id = move || {
        process += 1;
        format!(
            "{:012x}",
            seeded(scraper.seed, 1_000_000 + process).u64(..) >> 16
        )
    };
    let mut log = Log::new(logs, &scraper.family, writer_id(), scraper.long_lived);
    let mut trace = Trace::default();
    let starts = &scraper.schedule.starts;
    let (mut runs, mut free_at) = (0, i64::MIN);
    let mut fresh = true;
    for (index, planned) in starts.iter().enumerate() {
        let hit = planted.filter(|planted| (planted.first..=planted.last).contains(&index));
        let is = |kind| hit.filter(|planted| planted.kind == kind);
        if is(Kind::RunMissed).is_some() {
            trace.touch(*planned, None);
            continue;
        }
        let mut start = free_at.max(*planned);
        if let Some(planted) = is(Kind::RunLate) {
            let due = start;
            start += (planted.strength * scraper.schedule.interval as f64) as i64;
            trace.or_since(start);
            trace.touch(due, Some(&run_id(scraper, start)));
            trace.reach(start);
        }
        if !(fresh || scraper.long_lived) {
            log.restart(writer_id());
        }
        fresh = false;
        let (end, time) = Run::new(scraper, planted, &mut log, &mut trace, index, start).work();
        runs += 1;
        if let Some(planted) = is(Kind::RunTruncated) {
            let last = log.cut(1.0 - planted.strength)?;
            trace.touch(last, Some(&run_id(scraper, start)));
        }
        if end != End::Finished {
            log.restart(writer_id());
            fresh = true;
        }
        log.flush(false)?;
        free_at = time + 10 * SECOND;
    }
    log.flush(true)?;
    let days = (starts[starts.len() - 1] - starts[0]) as f64 / DAY as f64;
    Ok(Life {
        truth: ScraperTruth {
            scraper_id: scraper.id.to_owned(),
            site: scraper.site.to_owned(),
            runs,
            days: days.ceil() as usize,
            retired: scraper.retired,
        },
        incident: planted.and_then(|planted| incident(scraper, planted, &trace)),
        lines: log.lines,
    })
}

/// What is true of an incident that came to something.
fn incident(scraper: &Scraper, planted: &Planted, trace: &Trace) -> Option<Incident> {
    let (since, until) = trace.span?;
    Some(Incident {
        kind: planted.kind,
        accept: planted.accept(),
        related: planted.related(),
        scraper_id: scraper.id.to_owned(),
        site: scraper.site.to_owned(),
        since: instant(since),
        also_since: trace
            .also
            .iter()
            .map(|time| instant(*time))
            .collect::<Vec<Timestamp>>(),
        until: instant(until),
        strength: (planted.strength * 1000.0).round() / 1000.0,
        minimum: (planted.minimum * 1000.0).round() / 1000.0,
        events: trace.events,
        first_run: trace.first_run.clone(),
        interval_seconds: scraper.schedule.interval / SECOND,
    })
}
