//! The logs of Dragline's own service, which are not logs of scrapers.

use std::path::Path;

use dragline_files::{Mark, OwnedDir};

/// Marks a directory with logs of `dragline serve` itself. Below a directory that is read or followed, and among the
/// matches of a pattern, it is left out; named itself, it is read.
pub const OWN_LOGS: Mark = Mark {
    name: ".dragline-own-logs",
    text: "The logs of dragline serve itself. They are not counted as logs of scrapers.",
};

/// Whether a directory has the mark.
pub(crate) fn has_own_logs(dir: &Path) -> bool {
    // Most directories have no such file, and the others are worth a closer look.
    let is_there = dir.join(OWN_LOGS.name).symlink_metadata().is_ok();
    is_there && OwnedDir::check(dir.to_owned(), OWN_LOGS).is_ok_and(|dir| dir.is_marked())
}

/// Whether a match of a pattern is such a directory or a file in one.
pub(crate) fn is_own_log(path: &Path) -> bool {
    has_own_logs(path) || path.parent().is_some_and(has_own_logs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Begin, Follower, ReadOptions, discover};
    use dragline_schema::{Position, Problem, Record, Sink, SourceFile};

    #[derive(Default)]
    struct Count(u64);

    impl Sink for Count {
        fn file(&mut self, _: &SourceFile) {}
        fn record(&mut self, _: &Record<'_>, _: Position) {
            self.0 += 1;
        }
        fn problem(&mut self, _: &Problem<'_>) {}
    }

    #[test]
    fn they_are_read_only_when_they_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("state/log");
        let mark = OwnedDir::check(own.clone(), OWN_LOGS).unwrap();
        mark.claim().unwrap();
        let line = "{\"level\":\"info\",\"time\":1772623353,\"msg\":\"x\"}\n";
        std::fs::write(own.join("dragline.jsonl"), line).unwrap();
        // Files with the same text would be copies.
        let of = |name: &str| line.replace("\"x\"", &format!("{name:?}"));
        std::fs::write(dir.path().join("shop.jsonl"), of("shop")).unwrap();
        // A file of the same name with another text is not the mark.
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(OWN_LOGS.name), "mine\n").unwrap();
        std::fs::write(other.join("news.jsonl"), of("news")).unwrap();
        for (input, expected) in [
            ("", 2),
            ("state", 0),
            ("state/log", 1),
            ("**/*.jsonl", 2),
            ("*/log", 0),
        ] {
            let inputs = [dir.path().join(input).display().to_string()];
            let found = discover(&inputs).unwrap();
            let files: usize = found.families.iter().map(|family| family.files.len()).sum();
            assert_eq!(files, expected, "{input}");
            let mut count = Count::default();
            let mut follower = Follower::new(&inputs, &ReadOptions::default(), Begin::Start);
            follower.poll(&mut count);
            follower.finish(&mut count);
            assert_eq!(count.0, expected as u64, "{input}");
        }
    }
}
