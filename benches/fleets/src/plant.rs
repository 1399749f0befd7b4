//! Where incidents are planted, and how strong they are.
//!
//! Each has a quiet past: 60 % of the period, and seven days and seven runs of its scraper. Each is
//! strong enough for the scraper that it befalls, and touches enough pages that chance alone cannot
//! hide it.

use fastrand::Rng;

use crate::dice::Dice as _;
use crate::fleet::Scraper;
use crate::incident::{Kind, Planted};
use crate::writer::{DAY, HOUR, MINUTE};

/// One to three incidents on different scrapers.
pub(crate) fn plant(
    rng: &mut Rng,
    (seed, part): (u64, f64),
    scrapers: &mut [Scraper],
    period: (i64, i64),
) -> Vec<Planted> {
    let count = rng.usize(1..=3).min(scrapers.len());
    let mut free: Vec<usize> = (0..scrapers.len()).collect();
    rng.shuffle(&mut free);
    // The first kind goes by the seed, so that any few fleets have them all.
    let turn = seed as usize % Kind::ALL.len();
    let mut kinds = Kind::ALL;
    kinds.swap(0, turn);
    rng.shuffle(&mut kinds[1..]);
    let mut planted = Vec::new();
    for kind in kinds {
        if planted.len() == count {
            break;
        }
        let place = free
            .iter()
            .position(|number| room(kind, &scrapers[*number], period).is_some());
        if let Some(place) = place {
            let number = free.swap_remove(place);
            let one = settle(rng, kind, number, &mut scrapers[number], period);
            planted.extend(one.map(|one| weakened(one, part)));
        }
    }
    planted
}

/// The incident with this part of its strength. Of a factor it is the part beyond one, and a run is missed or not.
fn weakened(planted: Planted, part: f64) -> Planted {
    let weak = |strength: f64| match planted.kind {
        Kind::RunMissed => strength,
        Kind::SlowDown | Kind::VolumeHigh | Kind::VolumeLow => 1.0 + (strength - 1.0) * part,
        _ => strength * part,
    };
    Planted {
        strength: weak(planted.strength),
        minimum: weak(planted.minimum),
        ..planted
    }
}

/// Between which runs an incident of this kind can begin on this scraper, if it can.
fn room(kind: Kind, scraper: &Scraper, (start, end): (i64, i64)) -> Option<(usize, usize)> {
    let schedule = &scraper.schedule;
    let starts = &schedule.starts;
    let long = schedule.interval >= 4 * HOUR;
    if matches!(kind, Kind::RunStalled | Kind::RunLate) && !long {
        return None;
    }
    let quiet = (start + (end - start) * 3 / 5).max(starts.first()? + 7 * DAY);
    let first = starts.partition_point(|start| *start < quiet).max(7);
    let after = match kind {
        // The period goes on for long enough that the run is overdue.
        Kind::RunMissed => 3,
        // A clock that is ahead, and a run that goes on or starts after the end, must not move the period's end: the
        // other scrapers' runs would be missing behind it.
        Kind::ClockSkew | Kind::RunLate | Kind::RunStalled => 2,
        _ => kind.facts().runs,
    };
    let last = starts.len().checked_sub(after)?;
    (first <= last).then_some((first, last))
}

/// Puts an incident of this kind on this scraper, and makes it one that can have it.
fn settle(
    rng: &mut Rng,
    kind: Kind,
    number: usize,
    scraper: &mut Scraper,
    period: (i64, i64),
) -> Option<Planted> {
    let (earliest, latest) = room(kind, scraper, period)?;
    let variety = rng.u8(0..3);
    prepare(kind, variety, scraper);
    let first = rng.usize(earliest..=latest);
    let last = first + lasting(rng, kind, scraper.schedule.starts.len() - first) - 1;
    let minimum = minimum(kind, variety, scraper);
    let extreme = extreme(kind, first, scraper).max(minimum);
    let strength = match kind {
        Kind::RunMissed => (last - first + 1) as f64,
        // The weak ones are the hard ones: most are not extreme.
        _ => rng.log_between(minimum, extreme),
    };
    let mut planted = Planted {
        kind,
        scraper: number,
        first,
        last,
        from: i64::MIN,
        to: i64::MAX,
        strength,
        minimum,
        point: rng.between(0.1, 0.6),
        variety,
        novel: is_novel(kind, variety, scraper),
    };
    if kind.strikes_midway() {
        strike(rng, &mut planted, scraper);
    }
    Some(planted)
}

/// Whether the errors of a wave were never seen before: a page on which all attempts fail is so
/// rare that on a usual day there is none.
fn is_novel(kind: Kind, variety: u8, scraper: &Scraper) -> bool {
    let traffic = &scraper.traffic;
    let usual = match variety {
        0 => traffic.timeouts,
        1 => traffic.server_errors,
        _ => 0.0,
    };
    let weekly = usual * scraper.schedule.pages * (7 * DAY / scraper.schedule.interval) as f64;
    kind == Kind::ErrorWave && (traffic.retries || weekly < 5.0)
}

/// How many runs it touches: one, some, or all that are left.
fn lasting(rng: &mut Rng, kind: Kind, left: usize) -> usize {
    let least = kind.facts().runs;
    let some = |rng: &mut Rng, most: usize| rng.usize(least..=most.max(least)).min(left);
    match kind {
        Kind::RunStalled | Kind::RunTruncated | Kind::ClockSkew => 1,
        Kind::RunKilled | Kind::LogLoss | Kind::RunLate => some(rng, 2),
        Kind::RunMissed if rng.chance(0.3) => left,
        Kind::RunMissed => some(rng, 4).min(left - 1),
        Kind::QueueGrowth => some(rng, 8),
        _ => match rng.u32(0..3) {
            0 => least,
            1 => some(rng, least + 5),
            _ => left,
        },
    }
}

/// A clock time for it to begin and one to end.
fn strike(rng: &mut Rng, planted: &mut Planted, scraper: &Scraper) {
    let schedule = &scraper.schedule;
    let length = |run: usize| {
        let start = schedule.starts[run];
        schedule.duration as f64 * schedule.expected_pages(start) / schedule.pages
    };
    if rng.chance(0.6) {
        // Enough of the run is left to see it by, even when there is only this run.
        let latest = if planted.first == planted.last {
            0.35
        } else {
            0.7
        };
        let into = rng.between(0.05, latest) * length(planted.first);
        planted.from = schedule.starts[planted.first] + into as i64;
    }
    let more = planted.last + 1 < schedule.starts.len();
    if more && planted.last > planted.first && rng.chance(0.5) {
        let into = rng.between(0.4, 0.9) * length(planted.last);
        planted.to = schedule.starts[planted.last] + into as i64;
    }
}

/// Gives the scraper what an incident of this kind needs to show.
fn prepare(kind: Kind, variety: u8, scraper: &mut Scraper) {
    match kind {
        Kind::QueueGrowth => scraper.habits.queue = true,
        Kind::RunStalled if variety == 0 => scraper.habits.queue = true,
        Kind::RetryWaste => scraper.traffic.retries = true,
        // One process and one file a run: the cut hits this run alone.
        Kind::RunTruncated => scraper.long_lived = false,
        Kind::ErrorWave if variety == 2 => scraper.harvest.articles = false,
        Kind::YieldDrop => {
            scraper.schedule.pages = scraper.schedule.pages.max(150.0);
            scraper.harvest.per_page = scraper.harvest.per_page.max(0.75);
        }
        Kind::SilentFailure | Kind::LayoutChange | Kind::DuplicateSurge | Kind::LogLoss => {
            scraper.schedule.pages = scraper.schedule.pages.max(100.0);
        }
        _ => {}
    }
}

/// The least strength that can be asked for on this scraper.
fn minimum(kind: Kind, variety: u8, scraper: &Scraper) -> f64 {
    let schedule = &scraper.schedule;
    let minimum = kind.minimum();
    match kind {
        // Five times the noise, so that no usual run is like it.
        Kind::VolumeHigh | Kind::VolumeLow => minimum.max((5.0 * schedule.noise).exp()),
        // Response times vary half as much from one run to the next as pages do.
        Kind::SlowDown => minimum.max((2.5 * schedule.noise).exp()),
        // A locked database fails items, not pages.
        Kind::ErrorWave if variety == 2 => minimum + 0.1,
        // Queues that are drained again after every run have one run to show it.
        Kind::QueueGrowth if variety == 1 => 2.0 * minimum,
        Kind::RunLate => minimum.max(HOUR as f64 / schedule.interval as f64),
        Kind::RunMissed => 1.0,
        _ => minimum,
    }
}

/// The greatest strength that this scraper has room for.
fn extreme(kind: Kind, first: usize, scraper: &Scraper) -> f64 {
    let schedule = &scraper.schedule;
    let extreme = kind.facts().extreme;
    match kind {
        Kind::RunStalled => extreme.min(0.8 * schedule.interval as f64 / HOUR as f64 - 0.9),
        Kind::ClockSkew => extreme.min(0.4 * schedule.interval as f64 / MINUTE as f64),
        Kind::LogLoss => extreme.min(0.3 * expected_lines(scraper, first)),
        _ => extreme,
    }
}

fn expected_lines(scraper: &Scraper, run: usize) -> f64 {
    let schedule = &scraper.schedule;
    schedule.expected_pages(schedule.starts[run]) * scraper.lines_per_page()
}
