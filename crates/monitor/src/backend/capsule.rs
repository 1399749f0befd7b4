//! Incident capsules.

use std::sync::PoisonError;

use dragline_capsule::{Material, report_and_capsules};
use dragline_report::ReportOptions;
use dragline_report::model::Evidence;
use dragline_web::{Answer, BackendError, Place};

use crate::judge::counts;
use crate::service::Monitor;

/// Number of lines before and after one that shows the finding.
const AROUND: u32 = 3;

impl Monitor {
    /// Makes the capsule of a finding of the last analysis from what is stored. This takes as long as an analysis, so one
    /// is made at a time.
    pub(super) fn make_capsule(&self, id: &str) -> Answer<Vec<u8>> {
        self.find_finding(id)?;
        let judged = self.analysis()?;
        let _one = self.capsules.try_lock().or_else(|held| match held {
            std::sync::TryLockError::Poisoned(lock) => Ok(PoisonError::into_inner(lock)),
            std::sync::TryLockError::WouldBlock => Err(BackendError::Unavailable(
                "another capsule is being made: try again in a moment".to_owned(),
            )),
        })?;
        let options = self.settings().judge_options();
        let finished =
            counts(&self.store, &options, judged.at).map_err(BackendError::Unavailable)?;
        let report = ReportOptions {
            generated_at: judged.at,
            ..options.report.clone()
        };
        let material = Material {
            finished: &finished,
            everything: None,
            rules: &options.rules,
            options: &report,
            lines: &|place| self.evidence_lines(place),
        };
        let made = report_and_capsules(&material, |finding| finding.id == id);
        let (_, mut made) = made.map_err(|error| BackendError::Unavailable(error.to_string()))?;
        let made = made.pop().ok_or_else(|| {
            let sentence = format!("the finding {id:?} has changed since: open it again");
            BackendError::NotFound(sentence)
        })?;
        made.capsule.map_err(|why| {
            BackendError::Conflict(format!("there is no capsule of this finding: {why}"))
        })
    }

    /// A line of evidence and those around it; nothing if the file is gone or no longer followed.
    fn evidence_lines(&self, place: &Evidence) -> Vec<(u64, String)> {
        let place = Place {
            file: place.file.clone(),
            line: Some(place.line),
            offset: place.offset,
        };
        let Ok(around) = self.read_around(&place, AROUND, AROUND) else {
            return Vec::new();
        };
        let lines = around.lines.into_iter();
        lines
            .filter_map(|line| Some((line.line?, line.text)))
            .collect()
    }
}
