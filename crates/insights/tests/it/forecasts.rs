//! Bands of running runs: how many of held-out simulated runs they hold.

use dragline_insights::{BAND_SHARE, Band, NoForecast, PastRun, forecast};

/// Number of simulated scrapers of each kind; `DRAGLINE_SCRAPERS` names another one.
const SCRAPERS: u64 = 20;
/// How much less than [`BAND_SHARE`] so few scrapers may show by chance.
const CHANCE: f64 = 0.02;
/// Number of runs of each scraper that are forecast.
const HELD_OUT: usize = 40;
/// How long a run has lasted when it is forecast, in parts of the usual duration.
const STAGES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The same pages each time, at about the same pace.
    Steady,
    /// Pages come in bursts, and some runs wait for a slow site.
    Bursty,
    /// Each run has more pages than the one before.
    Growing,
    /// Long runs at night, short ones by day.
    Mixed,
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    let (a, b) = (random.f64().max(1e-12), random.f64());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// The runs of a scraper, oldest first.
fn runs(kind: Kind, count: usize, random: &mut fastrand::Rng) -> Vec<PastRun> {
    let pages = 50.0 * 40_f64.powf(random.f64());
    let (pace, spread) = (0.5 + 3.0 * random.f64(), 0.03 + 0.12 * random.f64());
    let growth = 0.002 + 0.01 * random.f64();
    let run = |nth: usize| {
        let noise = (spread * normal(random)).exp();
        let (pages, seconds) = match kind {
            Kind::Steady => (pages, pages * pace),
            Kind::Bursty => {
                let bursts: f64 = (0..random.usize(1..6))
                    .map(|_| -random.f64().max(1e-9).ln())
                    .sum();
                let pages = pages * (0.3 + bursts);
                let wait = if random.f64() < 0.1 {
                    10.0 * -random.f64().max(1e-9).ln()
                } else {
                    1.0
                };
                (pages, pages * pace * wait.max(1.0))
            }
            Kind::Growing => {
                let pages = pages * (growth * nth as f64).exp();
                (pages, pages * pace)
            }
            Kind::Mixed => {
                let pages = if nth % 4 == 3 { pages * 6.0 } else { pages };
                (pages, pages * pace)
            }
        };
        PastRun {
            seconds: 20.0 + seconds * noise,
            items: Some((pages * (0.9 + 0.02 * normal(random))).max(0.0).round()),
        }
    };
    (0..count).map(run).collect()
}

/// How many bands were given, and how many of them hold what came.
#[derive(Default)]
struct Held {
    bands: u64,
    inside: u64,
    /// Their width, relative to their middle.
    widths: Vec<f64>,
}

impl Held {
    fn add(&mut self, band: Band, value: f64) {
        self.bands += 1;
        self.inside += u64::from((band.lower..=band.upper).contains(&value));
        self.widths
            .push((band.upper - band.lower) / band.middle.max(1.0));
    }

    fn share(&self) -> f64 {
        self.inside as f64 / self.bands.max(1) as f64
    }

    fn width(&mut self) -> f64 {
        self.widths.sort_by(f64::total_cmp);
        self.widths[self.widths.len() / 2]
    }
}

#[test]
fn bands_hold_nine_of_ten_held_out_runs() {
    let scrapers = std::env::var("DRAGLINE_SCRAPERS").ok();
    let scrapers = scrapers.map_or(SCRAPERS, |number| number.parse().unwrap());
    for kind in [Kind::Steady, Kind::Bursty, Kind::Growing, Kind::Mixed] {
        let (mut ends, mut items, mut unknown) = (Held::default(), Held::default(), 0);
        for seed in 0..scrapers {
            let random = &mut fastrand::Rng::with_seed(kind as u64 * 10_000 + seed);
            let known = random.usize(20..200);
            let runs = runs(kind, known + HELD_OUT, random);
            for held_out in known..runs.len() {
                let (past, run) = (&runs[..held_out], runs[held_out]);
                let mut usual: Vec<f64> = past.iter().map(|run| run.seconds).collect();
                usual.sort_by(f64::total_cmp);
                for stage in STAGES {
                    let elapsed = stage * usual[usual.len() / 2];
                    // It has not ended yet, and so far it has made a part of its items.
                    if run.seconds <= elapsed {
                        continue;
                    }
                    let made = run.items.unwrap() * elapsed / run.seconds;
                    match forecast(past, elapsed, made.floor()) {
                        Ok(found) => {
                            ends.add(found.seconds, run.seconds);
                            items.add(found.items.unwrap(), run.items.unwrap());
                        }
                        Err(NoForecast::FewRuns(_) | NoForecast::FewAsLong(_)) => unknown += 1,
                    }
                }
            }
        }
        let widths = [ends.width(), items.width()].map(|width| width * 100.0);
        println!(
            "{kind:?}: {} bands, {:.1} % of the ends and {:.1} % of the items in them; median width {:.0} % and {:.0} % of the \
             middle; {unknown} times not predicted",
            ends.bands,
            ends.share() * 100.0,
            items.share() * 100.0,
            widths[0],
            widths[1],
        );
        assert!(ends.bands > 100 * scrapers, "{kind:?} {}", ends.bands);
        let least = BAND_SHARE - CHANCE;
        assert!(ends.share() >= least && items.share() >= least, "{kind:?}");
    }
}
