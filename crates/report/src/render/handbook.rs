//! Runbooks embedded in the HTML page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use dragline_charts::escape;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::model::Report;
use crate::runbooks::{name_of, runbook, runbook_title};

/// Renders the runbooks that the recommendations refer to as collapsible sections.
pub(super) fn handbook(report: &Report) -> String {
    let paths = report
        .recommendations
        .iter()
        .filter_map(|advice| advice.runbook.as_deref());
    let names: BTreeSet<&str> = paths.map(name_of).collect();
    let known: Vec<(&str, &str)> = names
        .iter()
        .filter_map(|name| Some((*name, runbook(name)?)))
        .collect();
    if known.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h2>Runbooks</h2>\n");
    for (name, text) in known {
        let body = text.split_once('\n').map_or("", |(_, body)| body);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<details class=\"runbook\" id=\"runbook-{name}\"><summary>{}</summary>{}</details>",
            escape(runbook_title(text)),
            rendered(body, &names)
        );
    }
    out
}

/// Renders Markdown as HTML. Links to other runbooks on the page point to them; all other links are removed.
fn rendered(text: &str, names: &BTreeSet<&str>) -> String {
    let is_here = |path: &str| names.contains(name_of(path)) && !path.contains("://");
    let mut dropped = Vec::new();
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let stays = is_here(&dest_url);
            dropped.push(!stays);
            let dest_url = CowStr::from(format!("#runbook-{}", name_of(&dest_url)));
            stays.then_some(Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }))
        }
        Event::End(TagEnd::Link) => {
            (!dropped.pop().unwrap_or(false)).then_some(Event::End(TagEnd::Link))
        }
        // Headings become paragraphs, because the runbook is part of another page.
        Event::Start(Tag::Heading { .. }) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Paragraph)),
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}
