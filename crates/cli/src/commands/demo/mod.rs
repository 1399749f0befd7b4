//! `dragline demo`: simulates a fleet, writes its logs, and reports on them.

mod live;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use dragline_classifier::RuleSet;
use dragline_demo::{DemoOptions, SCRAPERS, Truth, simulate};
use dragline_report::ReportOptions;
use dragline_report::render::{self, Layout};
use dragline_scan::{ScanOptions, scan};

use self::live::LiveFleet;
use crate::args::{DemoArgs, ServeArgs};
use crate::{output, times};

/// `dragline demo`
pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let now = times::now()?;
    let logs = args.dir.join("logs");
    prepare(&args.dir, &logs)?;
    tell(&format!(
        "{SCRAPERS} simulated scrapers write {} days of logs …",
        args.days
    ));
    let options = DemoOptions {
        logs: logs.clone(),
        days: args.days,
        seed: args.seed,
        end: now,
    };
    let truth = simulate(&options, &|_| {})?;
    let truth_file = args.dir.join("truth.json");
    output::write_file(&truth_file, &(serde_json::to_string_pretty(&truth)? + "\n"))?;

    let rules = RuleSet::shipped();
    let scanned = scan(
        &[logs.display().to_string()],
        &rules,
        &ScanOptions::default(),
    )?;
    let finished = scanned.rollup.finish(now);
    let report = dragline_report::report(&finished, None, &rules, &ReportOptions::at(now))?;
    let document = render::report(&report, &Layout::default());
    let text_file = args.dir.join("report.md");
    let json_file = args.dir.join("report.json");
    let page_file = args.dir.join("report.html");
    let page = render::page(
        &report,
        &dragline_report::activity(&finished),
        &Layout::default(),
    );
    output::write_file(&page_file, &page)?;
    output::write_file(&text_file, &render::markdown(&document))?;
    output::write_file(&json_file, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    output::show(&render::text(&document, &output::terminal(true)))?;
    tell(&format!(
        "\nPlanted incidents: {}\nLogs: {}\nTruth: {}\nReport: {}, {} and {}",
        planted(&truth),
        logs.display(),
        truth_file.display(),
        page_file.display(),
        text_file.display(),
        json_file.display(),
    ));
    if args.live { live(args, &logs) } else { Ok(()) }
}

/// Lets scrapers log live, and serves all logs until Ctrl-C.
fn live(args: &DemoArgs, logs: &Path) -> anyhow::Result<()> {
    let dir = args.dir.join("live");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let fleet = LiveFleet::start(&dir).context("the live scrapers cannot log")?;
    tell("live-shop is refused by its site after a minute; Ctrl-C ends the demo");
    let followed = vec![logs.display().to_string(), dir.display().to_string()];
    let served = super::serve(&ServeArgs::of_demo(
        followed,
        args.listen,
        args.dir.join("state"),
    ));
    fleet.stop();
    served
}

fn planted(truth: &Truth) -> String {
    let told: Vec<String> = truth
        .incidents
        .iter()
        .map(|incident| {
            let since = incident.since.to_string();
            format!(
                "{} on {} since {}",
                incident.kind,
                incident.scraper_id,
                &since[..16]
            )
        })
        .collect();
    told.join(", ")
}

/// Creates the directory, and removes the logs of an earlier demo. A directory with other files is refused.
fn prepare(dir: &Path, logs: &Path) -> anyhow::Result<()> {
    let is_ours = |text: String| text.contains("\"dragline.truth/");
    let was_demo = std::fs::read_to_string(dir.join("truth.json")).is_ok_and(is_ours);
    let is_empty = std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty && !was_demo {
        bail!(
            "{} contains files that no demo created: choose another directory",
            dir.display()
        );
    }
    if was_demo && logs.exists() {
        remove_logs(logs)
            .with_context(|| format!("cannot remove the earlier demo's {}", logs.display()))?;
    }
    std::fs::create_dir_all(logs).with_context(|| format!("cannot create {}", logs.display()))
}

/// Removes the logs of an earlier demo. If there are other files among them, nothing is removed.
fn remove_logs(logs: &Path) -> anyhow::Result<()> {
    if !logs.symlink_metadata()?.is_dir() {
        bail!("it is not a directory");
    }
    let mut own = Vec::new();
    for entry in std::fs::read_dir(logs)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_log = entry.file_type()?.is_file() && dragline_demo::is_log(&name);
        let is_link = entry.file_type()?.is_symlink() && name.ends_with(".current");
        if !is_log && !is_link {
            bail!("{name} was not created by the demo: choose another directory");
        }
        own.push(entry.path());
    }
    own.iter().try_for_each(std::fs::remove_file)?;
    Ok(())
}

/// Prints to stderr; standard output contains only the report.
fn tell(text: &str) {
    let mut stderr = std::io::stderr();
    // On a terminal, flush the report first; on a pipe the order does not matter.
    if stderr.is_terminal() {
        let _ = std::io::stdout().flush();
    }
    let _ = writeln!(stderr, "{text}");
}
