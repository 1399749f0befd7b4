//! Fixes of planted rates and of planted logs: how often the verdict is wrong.

use dragline_classifier::RuleSet;
use dragline_insights::{
    Analysis, Counted, ErrorGroup, FixTest, FixVerdict, Limits, Marked, NoFixTest, Trials, Whole,
};
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

const PAIRS: u64 = 2_000;

/// A scraper's pages: how often they count, and by how much its runs differ.
struct Scraper {
    trials: Trials,
    rate: f64,
    /// The standard deviation of the rate between runs: of its log-odds, or of its logarithm.
    between: f64,
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    let (a, b) = (random.f64().max(1e-12), random.f64());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

impl Scraper {
    /// The rate of a run.
    fn run(&self, random: &mut fastrand::Rng) -> f64 {
        let error = self.between * normal(random);
        match self.trials {
            Trials::Shares => 1.0 / (1.0 + (-(self.rate / (1.0 - self.rate)).ln() - error).exp()),
            Trials::Rates => self.rate * error.exp(),
        }
    }

    /// How much a page counts.
    fn page(&self, rate: f64, random: &mut fastrand::Rng) -> f64 {
        if self.trials == Trials::Shares {
            return f64::from(u8::from(random.f64() < rate));
        }
        // A Poisson number (Knuth).
        let (limit, mut product, mut count) = ((-rate).exp(), random.f64(), 0.0);
        while product > limit {
            product *= random.f64();
            count += 1.0;
        }
        count
    }

    fn runs(&self, count: usize, pages: usize, random: &mut fastrand::Rng) -> Vec<(f64, f64)> {
        let run = |_| {
            let rate = self.run(random);
            let pages = random.usize(pages / 2..=pages * 3 / 2);
            let part = (0..pages).map(|_| self.page(rate, random)).sum();
            (part, pages as f64)
        };
        (0..count).map(run).collect()
    }
}

/// What is true of a pair of rates, and the rate after the fix.
fn after(truth: FixVerdict, usual: f64, broken: f64, random: &mut fastrand::Rng) -> f64 {
    let gap = broken - usual;
    match truth {
        FixVerdict::Mended => usual,
        FixVerdict::NotMended => usual + gap * (0.6 + 0.5 * random.f64()),
        FixVerdict::Worse => broken + gap * (0.5 + 0.5 * random.f64()),
    }
}

#[test]
fn verdicts_on_planted_pairs_are_rarely_wrong() {
    let (mut wrong, mut open, mut planted) = ([0_u64; 3], 0_u64, [0_u64; 3]);
    let (mut needed, mut said) = (Vec::new(), Vec::new());
    for seed in 0..PAIRS {
        let random = &mut fastrand::Rng::with_seed(18_000 + seed);
        let is_share = seed % 3 > 0;
        let (trials, usual, broken) = if is_share {
            let usual = 0.002 * 50_f64.powf(random.f64());
            (Trials::Shares, usual, usual + 0.08 + random.f64() * 0.5)
        } else {
            let usual = 0.4 + 2.0 * random.f64();
            (Trials::Rates, usual, usual * (0.05 + 0.65 * random.f64()))
        };
        let between = 0.3 * random.f64();
        let of = |rate: f64| Scraper {
            trials,
            rate,
            between,
        };
        let (runs, pages) = (random.usize(8..60), random.usize(40..300));
        let before = of(usual).runs(runs, pages, random);
        let since = of(broken).runs(random.usize(2..12), pages, random);
        let Ok(test) = FixTest::learn(trials, &before, &since) else {
            continue;
        };
        let all = [FixVerdict::Mended, FixVerdict::NotMended, FixVerdict::Worse];
        // What is as bad as it can be does not become worse.
        let is_full = if is_share {
            broken > 0.6
        } else {
            broken < 0.5 * usual
        };
        let choice = random.usize(..if is_full { 2 } else { 3 });
        let truth = all[choice];
        planted[choice] += 1;
        let scraper = of(after(truth, usual, broken, random));
        let (mut part, mut whole, mut verdict) = (0.0, 0.0, None);
        'runs: for _ in 0..200 {
            let rate = scraper.run(random);
            for page in 0..pages {
                part += scraper.page(rate, random);
                whole += 1.0;
                // The service looks again and again.
                if page % 10 == 9 {
                    verdict = test.judge(part, whole);
                    if verdict.is_some() {
                        break 'runs;
                    }
                }
            }
        }
        match verdict {
            None => open += 1,
            Some(verdict) => wrong[choice] += u64::from(verdict != truth),
        }
        needed.push(whole);
        said.push(test.decides() as f64);
    }
    let middle = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (all, errors): (u64, u64) = (planted.iter().sum(), wrong.iter().sum());
    println!(
        "{all} pairs (mended, not mended, worse: {planted:?}): {errors} verdicts wrong ({:.1} %; {wrong:?}), {open} not decided; \
         {} pages decided (median), {} were announced",
        errors as f64 / all as f64 * 100.0,
        middle(&mut needed),
        middle(&mut said),
    );
    assert!(all >= PAIRS * 95 / 100, "{all}");
    assert!(
        errors * 100 <= all * 5,
        "{errors} of {all} are wrong: {wrong:?}"
    );
    assert!(open * 100 <= all, "{open} of {all} are not decided");
}

/// A run of 60 pages, of which some are refused, on a day of March at an hour.
fn run(day: u32, hour: u32, refused: u32) -> String {
    let line = |nth: u32| {
        let status = if nth < refused { 403 } else { 200 };
        format!(
            "{{\"timestamp\":\"2026-03-{day:02}T{hour:02}:{nth:02}:00Z\",\"level\":\"info\",\"scraper_id\":\"mint\",\
             \"run_id\":\"r{day}-{hour}\",\"event_type\":\"request\",\"url\":\"https://shop.example.org/{nth}\",\"status_code\":{status}}}\n"
        )
    };
    (0..60).map(line).collect()
}

#[test]
fn a_marked_finding_is_judged_by_the_pages_that_follow() {
    let at = Timestamp::parse("2026-03-20T12:00:00Z").unwrap();
    let progress = |after: &[u32]| {
        let dir = tempfile::tempdir().unwrap();
        let usual = (1..17).map(|day| run(day, 6, day % 3));
        let broken = (17..21).map(|day| run(day, 6, 24));
        let after = (13..)
            .zip(after)
            .map(|(hour, refused)| run(20, hour, *refused));
        let log: String = usual.chain(broken).chain(after).collect();
        std::fs::write(dir.path().join("mint.log"), log).unwrap();
        let rules = RuleSet::shipped();
        let now = Timestamp::parse("2026-03-21T00:00:00Z").unwrap();
        let logs = [dir.path().display().to_string()];
        let finished = scan(&logs, &rules, &ScanOptions::default())
            .unwrap()
            .rollup
            .finish(now);
        let groups: Vec<ErrorGroup> = finished.groups.iter().filter_map(ErrorGroup::of).collect();
        let analysis = Analysis::of(&finished, None);
        let limits = (&Limits::default(), &Whole::default());
        let found = analysis.findings(&finished, &groups, &rules, limits);
        let finding = &found[0];
        let marked = Marked {
            id: finding.id.clone(),
            kind: finding.kind,
            scraper: finding.scraper.clone(),
            metric: finding.metric.clone(),
            expected: finding.expected,
            observed: finding.observed,
            since: finding.since,
            at,
        };
        let other = Marked {
            scraper: dragline_insights::ScraperKey::default(),
            ..marked.clone()
        };
        assert_eq!(analysis.watch_fix(&other, None), Err(NoFixTest::Unknown));
        analysis.watch_fix(&marked, None).unwrap()
    };
    let none = progress(&[]);
    assert_eq!((none.counted, none.whole), (Counted::Pages, 0.0));
    assert_eq!(none.test.judge(none.part, none.whole), None);
    assert!((none.test.broken - 0.4).abs() < 0.02, "{none:?}");
    assert!(
        none.test.usual < 0.03 && none.test.decides() < 120,
        "{none:?} {}",
        none.test.decides()
    );
    for (after, verdict) in [
        (&[1, 0][..], FixVerdict::Mended),
        (&[20, 26], FixVerdict::NotMended),
        (&[50, 55], FixVerdict::Worse),
    ] {
        let progress = progress(after);
        assert_eq!(progress.whole as u64, 120, "{progress:?}");
        let judged = progress.test.judge(progress.part, progress.whole);
        assert_eq!(judged, Some(verdict), "{progress:?}");
    }
}

/// Runs of the recorder, of which those that are not ended were killed.
#[test]
fn killed_runs_are_judged_by_the_runs_that_follow() {
    let line = |day: u32, seq: u32, event: &str| {
        format!(
            "{{\"timestamp\":\"2026-03-{day:02}T06:{seq:02}:00Z\",\"level\":\"INFO\",\"scraper_id\":\"mint\",\"site\":\"a.test\",\
             \"run_id\":\"r{day}\",\"writer_id\":\"w{day}\",\"seq\":{seq},\"event_type\":{event}}}\n"
        )
    };
    let run = |day: u32, is_ended: bool| {
        let end = is_ended.then(|| line(day, 2, "\"scraper_end\",\"status\":\"success\""));
        let request = "\"request\",\"url\":\"https://a.test/\",\"status_code\":200";
        line(day, 0, "\"scraper_start\"") + &line(day, 1, request) + &end.unwrap_or_default()
    };
    let dir = tempfile::tempdir().unwrap();
    let days = (1..29).map(|day| run(day, !(15..18).contains(&day)));
    std::fs::write(dir.path().join("mint.jsonl"), days.collect::<String>()).unwrap();
    let rules = RuleSet::shipped();
    let now = Timestamp::parse("2026-04-02T00:00:00Z").unwrap();
    let logs = [dir.path().display().to_string()];
    let finished = scan(&logs, &rules, &ScanOptions::default())
        .unwrap()
        .rollup
        .finish(now);
    let analysis = Analysis::of(&finished, None);
    let found = analysis.findings(
        &finished,
        &[],
        &rules,
        (&Limits::default(), &Whole::default()),
    );
    let killed = found
        .iter()
        .find(|one| one.kind == dragline_insights::InsightKind::RunKilled);
    let killed = killed.unwrap();
    let marked = Marked {
        id: killed.id.clone(),
        kind: killed.kind,
        scraper: killed.scraper.clone(),
        metric: None,
        expected: None,
        observed: None,
        since: killed.since,
        at: Timestamp::parse("2026-03-17T12:00:00Z").unwrap(),
    };
    let progress = analysis.watch_fix(&marked, None).unwrap();
    assert_eq!(
        (progress.counted, progress.part, progress.whole),
        (Counted::Runs, 0.0, 11.0)
    );
    assert!(
        progress.test.usual < 0.05 && progress.test.broken > 0.8,
        "{progress:?}"
    );
    let judged = progress.test.judge(progress.part, progress.whole);
    assert_eq!(judged, Some(FixVerdict::Mended), "{progress:?}");
}
