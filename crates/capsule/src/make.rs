//! Makes capsules while a report is made.

use dragline_alerting::notice::redact;
use dragline_classifier::{RuleSet, mask};
use dragline_insights::{Finding, Name};
use dragline_report::model::{Evidence, Insight, Report};
use dragline_report::render::Section;
use dragline_report::{FramesError, ReportOptions, Seen, insight, render, report_with};
use dragline_rollup::Finished;

use crate::cut::{Cut, cuts};
use crate::file::{LARGEST, parsed, redacted};
use crate::judge::{Judged, essential_differences, verdict_of};
use crate::{Capsule, Excerpt};

/// What a report with capsules is made of.
#[derive(Clone, Copy)]
pub struct Material<'m> {
    /// The counts that passed the filter.
    pub finished: &'m Finished,
    /// All counts, if there was a filter.
    pub everything: Option<&'m Finished>,
    /// The rules that classified the errors.
    pub rules: &'m RuleSet,
    /// The options of the report.
    pub options: &'m ReportOptions,
    /// Reads a line of evidence and the lines around it, with their numbers; empty if the file is gone.
    pub lines: &'m dyn Fn(&Evidence) -> Vec<(u64, String)>,
}

/// A capsule that was made, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The id of the finding.
    pub id: String,
    /// The bytes of the file.
    pub capsule: Result<Vec<u8>, NoCapsule>,
}

/// Why a finding has no capsule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCapsule {
    /// Even the smallest part of the counts is too large.
    #[error("its counts need {0} bytes, and a capsule has at most {LARGEST}")]
    TooLarge(usize),
    /// The counts without secrets, or the part of them that a capsule can contain, do not give the same finding.
    #[error("the part of the counts that a capsule can contain gives another finding: {0}")]
    Differs(String),
    /// The analysis or the serialisation failed, which is a bug.
    #[error("{0}")]
    Failed(String),
}

/// Makes the report, and a capsule of each wanted finding.
///
/// # Errors
/// If a dataframe operation fails, which is a bug.
pub fn report_and_capsules(
    material: &Material<'_>,
    is_wanted: impl Fn(&Finding) -> bool,
) -> Result<(Report, Vec<Made>), FramesError> {
    let make = |seen: Seen<'_, '_>| -> Vec<(Made, Option<Capsule>)> {
        let wanted = seen.findings.iter().filter(|finding| is_wanted(finding));
        wanted
            .map(|finding| made(material, seen, finding))
            .collect()
    };
    let (finished, everything) = (material.finished, material.everything);
    let made = report_with(finished, everything, material.rules, material.options, make);
    let (report, made) = made?;
    let check = |(mut made, capsule): (Made, Option<Capsule>)| {
        let found = report.insights.iter().find(|insight| insight.id == made.id);
        if let Some((capsule, found)) = capsule.zip(found) {
            let (was, is) = (verdict_of(&report, found), capsule.verdict);
            if was != is {
                let sentence = format!("the verdict on the scraper was {was:?} and is {is:?}");
                made.capsule = Err(NoCapsule::Differs(sentence));
            }
        }
        made
    };
    let made = made.into_iter().map(check).collect();
    Ok((report, made))
}

fn made(material: &Material<'_>, seen: Seen<'_, '_>, finding: &Finding) -> (Made, Option<Capsule>) {
    let everything = material.everything.unwrap_or(material.finished);
    let mut why = NoCapsule::Failed("there is nothing to judge".to_owned());
    for cut in cuts(everything, finding) {
        match of_part(material, seen, finding, &cut) {
            Ok((capsule, bytes)) => {
                let made = Made {
                    id: finding.id.clone(),
                    capsule: Ok(bytes),
                };
                return (made, Some(capsule));
            }
            Err(error) => why = error,
        }
    }
    let made = Made {
        id: finding.id.clone(),
        capsule: Err(why),
    };
    (made, None)
}

/// The capsule with this part of the counts.
fn of_part(
    material: &Material<'_>,
    seen: Seen<'_, '_>,
    finding: &Finding,
    cut: &Cut,
) -> Result<(Capsule, Vec<u8>), NoCapsule> {
    let original = insight(finding.clone());
    let mut capsule = draft(material, seen, finding, &original, cut)?;
    // What is judged is what will be read: the counts without secrets.
    let judged = judge(&capsule)?;
    let Some(own) = judged.insight else {
        let sentence = "it is not found again".to_owned();
        return Err(NoCapsule::Differs(sentence));
    };
    let differences = essential_differences(&original, &own);
    if !differences.is_empty() {
        return Err(NoCapsule::Differs(differences.join("; ")));
    }
    capsule.lines = excerpts(&original, material.lines);
    capsule.page = page(&judged.report, &own, &capsule);
    capsule.insight = own;
    capsule.verdict = judged.verdict;
    let bytes = capsule.write().map_err(NoCapsule::Failed)?;
    if bytes.len() > LARGEST {
        return Err(NoCapsule::TooLarge(bytes.len()));
    }
    let read = Capsule::read(&bytes).map_err(|error| NoCapsule::Failed(error.to_string()))?;
    let again = judge(&read)?.differences;
    if again.is_empty() {
        Ok((read, bytes))
    } else {
        Err(NoCapsule::Differs(again.join("; ")))
    }
}

fn judge(capsule: &Capsule) -> Result<Judged, NoCapsule> {
    let judged = capsule.judge();
    judged.map_err(|error| NoCapsule::Failed(error.to_string()))
}

/// The capsule with the counts and without what they give, secrets redacted.
fn draft(
    material: &Material<'_>,
    seen: Seen<'_, '_>,
    finding: &Finding,
    original: &Insight,
    cut: &Cut,
) -> Result<Capsule, NoCapsule> {
    let is_kept = |name: &Name| cut.has(name);
    let options = material.options;
    let part = |all: &Finished| {
        let mut part = cut.of(all);
        part.map_templates(template);
        part
    };
    let finished = part(material.finished);
    let everything = material
        .everything
        .filter(|all| !std::ptr::eq(*all, material.finished));
    let everything = everything.map(part);
    let rules = rules_of(material.rules, everything.as_ref().unwrap_or(&finished));
    let capsule = Capsule {
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: options.generated_at,
        // The part may begin later and end earlier than the whole.
        since: options.since,
        until: options.until,
        level: options.level,
        limits: options.limits.clone(),
        mutes: options.mutes.clone(),
        fleet: seen.analysis.fleet(finding, is_kept, seen.whole),
        rules: rules.map_err(NoCapsule::Failed)?,
        finished,
        everything,
        insight: original.clone(),
        verdict: None,
        lines: Vec::new(),
        page: String::new(),
    };
    let clean = redacted(&capsule).map_err(NoCapsule::Failed)?;
    parsed(&clean).map_err(NoCapsule::Failed)
}

/// Lengths, in bytes, of a text that may have been cut as its template was not: a warning's.
const CUT: std::ops::RangeInclusive<usize> = 100..=120;
/// Longest template of such a text, in bytes.
const LONGEST_TEMPLATE: usize = 100;

/// The template of a text without its secrets: in the template itself they may no longer be recognised.
fn template(template: &str, text: &str) -> String {
    let clean = redact(text);
    match (clean == text, CUT.contains(&text.len())) {
        (true, false) => template.to_owned(),
        (false, false) => mask(&clean).into_owned(),
        (_, true) => dragline_schema::clip(&mask(&clean), LONGEST_TEMPLATE).to_owned(),
    }
}

/// The rules that classified the errors of these counts, as the text of a rule file.
fn rules_of(rules: &RuleSet, finished: &Finished) -> Result<String, String> {
    let samples = finished
        .groups
        .iter()
        .filter_map(|row| row.group.sample.as_ref());
    let ids = samples
        .filter_map(|(_, sample)| sample.rule.as_deref())
        .collect();
    rules.text_of(&ids).map_err(|error| error.to_string())
}

fn excerpts(original: &Insight, lines: &dyn Fn(&Evidence) -> Vec<(u64, String)>) -> Vec<Excerpt> {
    let places = original.evidence.iter();
    let excerpts = places.map(|place| Excerpt {
        file: place.file.clone(),
        line: place.line,
        lines: without_secrets(&lines(place)),
    });
    excerpts
        .filter(|excerpt| !excerpt.lines.is_empty())
        .collect()
}

/// Maximum number of bytes kept of a line.
const LONGEST: usize = 2000;

/// Redacts lines together, because a secret such as a key may have several.
fn without_secrets(lines: &[(u64, String)]) -> Vec<(u64, String)> {
    let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    let clean = redact(&texts.join("\n"));
    let first = lines.first().map_or(1, |(number, _)| *number);
    let cut = |text: &str| dragline_schema::clip(text, LONGEST).to_owned();
    if clean.lines().count() == lines.len() {
        let numbers = lines.iter().map(|(number, _)| *number);
        return numbers.zip(clean.lines().map(cut)).collect();
    }
    (first..).zip(clean.lines().map(cut)).collect()
}

/// What the page shows of the scrapers of a capsule: what their counts know.
const PAGE: &[Section] = &[
    Section::Incidents,
    Section::Scrapers,
    Section::Runs,
    Section::Days,
];

fn page(report: &Report, insight: &Insight, capsule: &Capsule) -> String {
    let finding = render::incident(report, insight, &|place| capsule.lines_at(place));
    let layout = render::Layout {
        sections: PAGE.to_vec(),
        ..render::Layout::default()
    };
    let rest = render::sections(report, &layout);
    render::markdown(&finding) + "\n" + &render::markdown(&rest)
}

impl Capsule {
    /// The lines around a line of evidence, with their numbers; empty if they could not be read.
    pub fn lines_at(&self, place: &Evidence) -> Vec<(u64, String)> {
        let mut all = self.lines.iter();
        let own = all.find(|one| one.file == place.file && one.line == place.line);
        own.map(|one| one.lines.clone()).unwrap_or_default()
    }
}
