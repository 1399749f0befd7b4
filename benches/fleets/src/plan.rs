//! A fleet with what is planted in it.

use crate::dice::{Dice as _, seeded};
use crate::fleet::{Scraper, fit, midnight, scrapers};
use crate::incident::Planted;
use crate::plant;
use crate::writer::DAY;

/// Who works, and what befalls them.
pub(crate) struct Fleet {
    pub(crate) scrapers: Vec<Scraper>,
    pub(crate) planted: Vec<Planted>,
}

/// Plans a fleet; the same seed gives the same. Incidents have this part of their strength.
pub(crate) fn plan(seed: u64, quiet: bool, part: f64) -> Fleet {
    let mut rng = seeded(seed, u64::from(quiet));
    let days = if rng.chance(0.08) {
        10
    } else {
        rng.i64(14..=28)
    };
    let start = midnight(rng.i64(0..300));
    let period = (start, start + days * DAY);
    let mut scrapers = scrapers(&mut rng, seed, quiet, period);
    fit(&mut scrapers);
    if rng.chance(0.25) {
        // Before an incident begins, that day lies in its past.
        let day = rng.i64(2..if quiet { days } else { days * 11 / 20 });
        for scraper in &mut scrapers {
            scraper.schedule.holiday = Some((start + day * DAY, rng.between(0.4, 0.7)));
        }
    }
    if quiet && rng.chance(0.2) {
        let retired = &mut scrapers[0];
        let left = retired.schedule.starts.len() * rng.usize(60..90) / 100;
        retired.schedule.starts.truncate(left);
        retired.retired = true;
    }
    let planted = if quiet {
        Vec::new()
    } else {
        plant::plant(&mut rng, (seed, part), &mut scrapers, period)
    };
    Fleet { scrapers, planted }
}
