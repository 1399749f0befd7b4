//! What the service writes into its own log: what is the matter, as the page says it.

use std::collections::BTreeMap;

use super::Monitor;

/// The problems of which the log knows.
#[derive(Debug, Default)]
pub(super) struct Journal(BTreeMap<String, String>);

impl Journal {
    /// Logs the problems that are new, and those that are over.
    pub(super) fn update(&mut self, monitor: &Monitor) {
        let (new, over) = self.compare(monitor.problems());
        for problem in new {
            tracing::warn!("{problem}");
        }
        for problem in over {
            tracing::info!("over: {problem}");
        }
    }

    /// What is new and what is over. A problem whose numbers change is the same one.
    fn compare(&mut self, problems: Vec<String>) -> (Vec<String>, Vec<String>) {
        let form = |text: &String| text.replace(|c: char| c.is_ascii_digit(), "");
        let now: BTreeMap<String, String> =
            problems.into_iter().map(|one| (form(&one), one)).collect();
        let new = now.iter().filter(|(form, _)| !self.0.contains_key(*form));
        let new = new.map(|(_, text)| text.clone()).collect();
        let over = self.0.iter().filter(|(form, _)| !now.contains_key(*form));
        let over = over.map(|(_, text)| text.clone()).collect();
        self.0 = now;
        (new, over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_logged_when_it_begins_and_when_it_ends() {
        let mut journal = Journal::default();
        let mut step = |problems: &[&str]| {
            let problems = problems.iter().map(|&text| text.to_owned()).collect();
            journal.compare(problems)
        };
        let owned = |text: &str| vec![text.to_owned()];
        assert_eq!(
            step(&["reading is 61 s behind"]),
            (owned("reading is 61 s behind"), vec![])
        );
        assert_eq!(step(&["reading is 90 s behind"]), (vec![], vec![]));
        assert_eq!(
            step(&["logs: it does not exist"]),
            (
                owned("logs: it does not exist"),
                owned("reading is 90 s behind")
            )
        );
        assert_eq!(step(&[]), (vec![], owned("logs: it does not exist")));
    }
}
