//! Reports that were made. Their documents are shown in a sandbox.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::html::{Html, UNKNOWN, counted, path_with};
use super::view::{Cell, Content, Head, Page, Row, Section, Table};
use super::{Made, REPORTS, paged};
use crate::http::{Call, Reply};
use crate::model::ReportInfo;
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
    let title = if total == 0 {
        "No report was made yet".to_owned()
    } else {
        counted(total, "report", "reports") + " made"
    };
    Page {
        title,
        sections: vec![Section::new("reports", "", Content::Table(table))],
        ..Page::default()
    }
    .draw(call, REPORTS)
}

pub(super) fn document(call: &Call<'_>) -> Made {
    let document = call.backend.report(call.params.required("id")?)?;
    Ok(Reply {
        policy: Some(POLICY.clone()),
        ..Reply::html(document)
    })
}
