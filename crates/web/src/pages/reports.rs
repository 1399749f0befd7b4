//! Reports that were made. Their documents are shown in a sandbox.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::html::{Html, Tone, UNKNOWN, counted, path_with};
use super::view::{Cell, Content, Head, Page, Row, Section, Table};
use super::{Made, REPORTS, paged};
use crate::http::{Call, Reply};
use crate::model::{ReportDelivery, ReportInfo, ReportSchedule};
use crate::query::Page as Part;

/// A report is one file with its own styles and the charts' script, which is named by its hash. It loads nothing, and
/// the sandbox keeps it from reading or changing anything here.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(dragline_charts::script()));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
    )
});

pub(super) fn list(call: &Call<'_>) -> Made {
    let list = call
        .backend
        .reports(&call.params.page(Part::DEFAULT_LIMIT)?)?;
    let row = |report: &ReportInfo| {
        let period = report.period.map(|period| {
            Html::time(Some(period.from), call.now)
                .then(" to ", &Html::time(Some(period.to), call.now))
        });
        Row::new(vec![
            Cell::new(Html::link(
                call.base,
                &path_with("/reports", &report.id),
                &report.title,
            )),
            Cell::time(call, Some(report.made_at)),
            Cell::new(period.unwrap_or_else(|| Html::text(UNKNOWN))),
            Cell::words(report.note.as_deref().unwrap_or_default()),
        ])
    };
    let table = Table {
        caption: "Reports, the latest first".to_owned(),
        heads: ["Report", "Made", "Period", "Sent"].map(Head::text).into(),
        rows: list.items.iter().map(row).collect(),
        empty: Html("Reports would be here once one was made. <code>dragline report logs/ --format html</code> makes one now.".to_owned()),
        ..paged(call, &list)
    };
    let total = list.total.unwrap_or(list.items.len() as u64);
    let schedules = call.backend.report_schedules()?;
    let failing = schedules.iter().filter(|one| has_failed(one)).count() as u64;
    let title = match (failing, total) {
        (0, 0) => "No report was made yet".to_owned(),
        (0, total) => counted(total, "report", "reports") + " made",
        (failing, _) => {
            counted(failing, "report", "reports") + " could not be sent, or not to everybody"
        }
    };
    Page {
        title,
        tone: (failing > 0).then_some(Tone::Warning),
        sections: vec![
            Section::new("reports", "", Content::Table(table)),
            Section::new(
                "schedules",
                "Scheduled",
                Content::Table(scheduled(call, &schedules)),
            ),
        ],
        ..Page::default()
    }
    .draw(call, REPORTS)
}

/// Whether the last report is not made, or did not reach somebody.
fn has_failed(schedule: &ReportSchedule) -> bool {
    let is_missing = |one: &ReportDelivery| one.sent_at.is_none() && one.has_failed;
    schedule.error.is_some() || schedule.deliveries.iter().any(is_missing)
}

fn scheduled(call: &Call<'_>, schedules: &[ReportSchedule]) -> Table {
    let row = |one: &ReportSchedule| {
        let when = Html::text(&one.cron).small(&Html::text(&one.zone));
        let period = counted(one.days, "day", "days");
        let sent = one
            .deliveries
            .iter()
            .map(|one| format!("{}: {}", one.channel, one.state));
        let told = one.late.iter().cloned().chain(one.error.iter().cloned());
        let state = sent.chain(told).collect::<Vec<_>>().join("; ");
        Row::new(vec![
            Cell::text(&one.name),
            Cell::new(when),
            Cell::text(&period),
            Cell::words(&one.channels.join(", ")),
            Cell::time(call, one.next_due),
            Cell::time(call, one.made_at),
            Cell::words(if state.is_empty() { UNKNOWN } else { &state }),
        ])
    };
    let heads = [
        "Name",
        "When",
        "Covers",
        "Channels",
        "Next",
        "Last made",
        "What became of it",
    ];
    Table {
        caption: "Reports that are sent regularly".to_owned(),
        heads: heads.map(Head::text).into(),
        rows: schedules.iter().map(row).collect(),
        empty: Html("Reports that are sent regularly would be here. <code>[[monitor.reports]]</code> in <code>dragline.toml</code> defines one.".to_owned()),
        ..Table::default()
    }
}

pub(super) fn document(call: &Call<'_>) -> Made {
    let document = call.backend.report(call.params.required("id")?)?;
    Ok(Reply {
        policy: Some(POLICY.clone()),
        ..Reply::html(document)
    })
}
