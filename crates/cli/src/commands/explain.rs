//! `dragline explain`: judges a capsule again.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use dragline_capsule::{Capsule, Judged, LARGEST};
use dragline_report::model::Insight;
use dragline_report::render::{self, Document, Tone};
use serde::Serialize;

use crate::args::ExplainArgs;
use crate::output;

/// The answer as JSON.
#[derive(Serialize)]
struct Explanation<'e> {
    /// Whether the verdict is the same as when the capsule was made.
    is_same: bool,
    /// A sentence for each difference.
    differences: &'e [String],
    /// The version that made it, and when.
    made_by: &'e str,
    made_at: String,
    /// What the counts give; null if they no longer give the finding.
    insight: Option<&'e Insight>,
    /// The verdict on the scraper.
    verdict: Option<&'e str>,
    /// What they gave when the capsule was made.
    made_as: &'e Insight,
    lines: Vec<Excerpt<'e>>,
    page: &'e str,
}

#[derive(Serialize)]
struct Excerpt<'e> {
    file: &'e str,
    line: u64,
    lines: &'e [(u64, String)],
}

/// `dragline explain`
pub(crate) fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let name = args.file.display();
    let bytes = bytes_of(&args.file).with_context(|| format!("cannot read {name}"))?;
    let capsule = Capsule::read(&bytes).with_context(|| name.to_string())?;
    let judged = capsule.judge().with_context(|| name.to_string())?;
    if args.page {
        let lines = capsule
            .page()
            .lines()
            .map(|line| render::clean(line) + "\n");
        output::show(&lines.collect::<String>())?;
    } else {
        let document = || document(&capsule, &judged);
        output::write(&args.output, document, &explanation(&capsule, &judged))?;
    }
    if judged.differences.is_empty() {
        return Ok(());
    }
    bail!(
        "{name}: judged again, the verdict differs: {}",
        judged.differences.join("; ")
    )
}

/// Reads a file that is not larger than a capsule may be.
fn bytes_of(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST {
        bail!("it is larger than 1 MiB, which no incident capsule is");
    }
    Ok(bytes)
}

fn document(capsule: &Capsule, judged: &Judged) -> Document {
    let insight = judged.insight.as_ref().unwrap_or(capsule.insight());
    let lines = |place: &_| capsule.lines_at(place);
    let mut document = render::incident(&judged.report, insight, &lines);
    document.heading("Judged again".to_owned());
    let (by, at) = capsule.made();
    let outcome = if judged.differences.is_empty() {
        "The same verdict as when the capsule was made"
    } else {
        "Another verdict than when the capsule was made"
    };
    let runs = judged.report.runs.len();
    let verdict = judged
        .verdict
        .as_deref()
        .map_or_else(String::new, |verdict| {
            format!(" The scraper is {}.", verdict.replace('_', " "))
        });
    let text =
        format!("{outcome} (dragline {by}, {at}), from the counts of {runs} runs in it.{verdict}");
    document.text(Tone::Plain, text);
    for difference in &judged.differences {
        document.text(Tone::Critical, difference.clone());
    }
    document
}

fn explanation<'e>(capsule: &'e Capsule, judged: &'e Judged) -> Explanation<'e> {
    let (made_by, made_at) = capsule.made();
    let lines = capsule.lines().iter().map(|excerpt| Excerpt {
        file: &excerpt.file,
        line: excerpt.line,
        lines: &excerpt.lines,
    });
    Explanation {
        is_same: judged.differences.is_empty(),
        differences: &judged.differences,
        made_by,
        made_at: made_at.to_string(),
        insight: judged.insight.as_ref(),
        verdict: judged.verdict.as_deref(),
        made_as: capsule.insight(),
        lines: lines.collect(),
        page: capsule.page(),
    }
}
