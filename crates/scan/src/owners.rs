//! The run that each line belongs to, for a reader that shows lines while they are written.

use dragline_classifier::RuleSet;
use dragline_ingest::discover_until;
use dragline_rollup::{Rollup, SourceKey};
use dragline_schema::{Record, RunKey};
use rustc_hash::FxHashMap;

use crate::rows::{Runs, runs_of};
use crate::{ScanError, ScanOptions, bytes_of, everything};

/// The scraper, site and run of each line, as in the report: a value that a line lacks comes from other lines of its
/// run.
#[derive(Debug, Default)]
pub struct Owners {
    runs: Runs,
    /// The family of each file.
    families: FxHashMap<String, String>,
    /// The scraper and site of all lines of a family, if there is only one. New runs get them, too.
    only: FxHashMap<String, RunKey>,
}

impl Owners {
    fn new(runs: Runs, families: FxHashMap<String, String>) -> Self {
        let mut names: FxHashMap<String, Vec<RunKey>> = FxHashMap::default();
        for (source, run) in &runs {
            let key = RunKey {
                run_id: None,
                ..run.clone()
            };
            let of_family = names.entry(source.family.clone()).or_default();
            if !of_family.contains(&key) {
                of_family.push(key);
            }
        }
        let only = names
            .into_iter()
            .filter_map(|(family, keys)| match keys.as_slice() {
                [key] => Some((family, key.clone())),
                _ => None,
            });
        Self {
            only: only.collect(),
            runs,
            families,
        }
    }

    /// The run of a record in a file; for a record of a run that did not exist yet, what it says itself.
    pub fn run_of(&self, path: &str, record: &Record<'_>) -> RunKey {
        let family = self.families.get(path).map_or("", String::as_str);
        if let Some(run) = self.runs.get(&SourceKey::of(family, record)) {
            return run.clone();
        }
        let only = self.only.get(family).cloned().unwrap_or_default();
        let own = |name: &Option<std::borrow::Cow<'_, str>>| name.as_deref().map(str::to_owned);
        RunKey {
            scraper_id: own(&record.scraper_id).or(only.scraper_id),
            site: own(&record.site).or(only.site),
            run_id: own(&record.run_id),
        }
    }
}

/// Reads everything behind `inputs` and returns the owners of the lines, with the rollup that they are from.
///
/// # Errors
/// As [`scan`](crate::scan()).
pub fn owners(
    inputs: &[String],
    rules: &RuleSet,
    options: &ScanOptions,
) -> Result<(Owners, Rollup), ScanError> {
    let found = discover_until(inputs, &options.read.watch)?;
    let watch = &options.read.watch;
    watch.expect(found.families.iter().map(bytes_of).sum());
    let (rollup, _) = everything(&found, rules, options)?;
    let files = found.families.iter().flat_map(|family| {
        let path = |file: &dragline_ingest::LogFile| file.path.display().to_string();
        family
            .files
            .iter()
            .map(move |file| (path(file), family.name.clone()))
    });
    Ok((Owners::new(runs_of(&rollup), files.collect()), rollup))
}

#[cfg(test)]
mod tests {
    use dragline_ingest::{Begin, Follower, ReadOptions};
    use dragline_schema::{Position, Problem, Sink, SourceFile};

    use super::*;

    /// Collects the scraper of every record.
    struct Names<'o> {
        owners: &'o Owners,
        path: String,
        seen: Vec<Option<String>>,
    }

    impl Sink for Names<'_> {
        fn file(&mut self, file: &SourceFile) {
            self.path.clone_from(&file.path);
        }

        fn record(&mut self, record: &Record<'_>, _: Position) {
            let run = self.owners.run_of(&self.path, record);
            self.seen.push(run.scraper_id);
        }

        fn problem(&mut self, _: &Problem<'_>) {}
    }

    #[test]
    fn lines_that_do_not_name_their_scraper_have_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let line = |more: &str| {
            format!(
                "{{\"level\":\"info\",\"time\":1772623353,\"msg\":\"walk\",\"run_id\":\"r\"{more}}}\n"
            )
        };
        let text = line(",\"scraper\":\"shop\"") + &line("");
        std::fs::write(dir.path().join("a.log"), &text).unwrap();
        let inputs = vec![dir.path().display().to_string()];
        let options = ScanOptions::default();
        let (owners, _) = owners(&inputs, &RuleSet::shipped(), &options).unwrap();
        // A run that is new.
        std::fs::write(
            dir.path().join("a.log"),
            text + &line("").replace("\"r\"", "\"s\""),
        )
        .unwrap();
        let mut names = Names {
            owners: &owners,
            path: String::new(),
            seen: Vec::new(),
        };
        let mut follower = Follower::new(&inputs, &ReadOptions::default(), Begin::Start);
        follower.poll(&mut names);
        follower.finish(&mut names);
        assert_eq!(names.seen, vec![Some("shop".to_owned()); 3]);
    }
}
