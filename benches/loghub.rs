//! How well templates are found: grouping accuracy on Loghub-2k.
//!
//! `loghub PATH`, where PATH is a checkout of the Loghub repository (16 systems, 2,000 lines each,
//! labelled by hand). GA is the share of lines whose group is exactly that of the labels, FGA the F1
//! of the groups that are (Khan et al., ICSE 2022); lines/s counts masking and grouping, the 2,000
//! lines a hundred times.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use dragline_classifier::Miner;

/// A system's lines and their labels.
fn read(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        let place = headers.iter().position(|header| header == name);
        place.with_context(|| format!("{} has no column {name}", path.display()))
    };
    let (content, event) = (column("Content")?, column("EventId")?);
    let row = |record: csv::ByteRecord| {
        let text = |place: usize| String::from_utf8_lossy(&record[place]).into_owned();
        (text(content), text(event))
    };
    reader
        .byte_records()
        .map(|record| Ok(row(record?)))
        .collect()
}

struct Score {
    ga: f64,
    fga: f64,
    templates: usize,
    labels: usize,
}

fn score(lines: &[(String, String)]) -> Score {
    let mut miner = Miner::default();
    let masks: Vec<u64> = lines.iter().map(|(line, _)| miner.observe(line)).collect();
    let template_of: BTreeMap<u64, usize> = miner
        .templates()
        .iter()
        .enumerate()
        .flat_map(|(index, template)| {
            template
                .masks
                .iter()
                .map(move |mask| (*mask, index))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut found: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut labelled: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (line, ((_, label), mask)) in lines.iter().zip(&masks).enumerate() {
        found.entry(template_of[mask]).or_default().insert(line);
        labelled.entry(label).or_default().insert(line);
    }
    let right: Vec<usize> = found
        .values()
        .filter(|group| {
            group
                .first()
                .is_some_and(|line| &labelled[lines[*line].1.as_str()] == *group)
        })
        .map(BTreeSet::len)
        .collect();
    let (precision, recall) = (
        right.len() as f64 / found.len() as f64,
        right.len() as f64 / labelled.len() as f64,
    );
    Score {
        ga: right.iter().sum::<usize>() as f64 / lines.len() as f64,
        fga: if right.is_empty() {
            0.0
        } else {
            2.0 * precision * recall / (precision + recall)
        },
        templates: found.len(),
        labels: labelled.len(),
    }
}

fn lines_per_second(lines: &[(String, String)]) -> f64 {
    const TIMES: usize = 100;
    let start = Instant::now();
    let mut miner = Miner::default();
    for _ in 0..TIMES {
        for (line, _) in lines {
            miner.observe(line);
        }
    }
    std::hint::black_box(miner.templates());
    (TIMES * lines.len()) as f64 / start.elapsed().as_secs_f64()
}

fn main() -> anyhow::Result<()> {
    let Some(root) = std::env::args_os().nth(1) else {
        bail!("name a checkout of the Loghub repository (github.com/logpai/loghub): loghub PATH");
    };
    let mut systems: Vec<_> = std::fs::read_dir(&root)
        .with_context(|| format!("cannot read {}", root.display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    systems.sort();
    println!("| system | GA | FGA | templates | labelled | lines/s |");
    println!("|---|---:|---:|---:|---:|---:|");
    let mut all = Vec::new();
    for system in systems {
        let path = Path::new(&root)
            .join(&system)
            .join(format!("{system}_2k.log_structured.csv"));
        if !path.exists() {
            continue;
        }
        let lines = read(&path)?;
        let (score, speed) = (score(&lines), lines_per_second(&lines));
        let Score {
            ga,
            fga,
            templates,
            labels,
        } = score;
        println!(
            "| {system} | {ga:.3} | {fga:.3} | {templates} | {labels} | {:.0} k |",
            speed / 1000.0
        );
        all.push((ga, fga, speed));
    }
    if all.is_empty() {
        bail!(
            "{} holds no directory with a *_2k.log_structured.csv",
            root.display()
        );
    }
    let mean = |of: fn(&(f64, f64, f64)) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    println!(
        "| **mean** | {:.3} | {:.3} | | | {:.0} k |",
        mean(|row| row.0),
        mean(|row| row.1),
        mean(|row| row.2) / 1000.0
    );
    Ok(())
}
