//! Lines of logs: around a place, and those behind a number.

use super::html::{self, Html, counted, line_address, name};
use super::view::{Content, Field, Filters, Page, Section};
use super::{Made, NOTHING, parts, tables};
use crate::api::queries::{event_query, find_events, lines_around};
use crate::http::Call;
use crate::model::{EventLine, LinesAround};
use crate::query::{Listing, Place, ScraperKey};

/// Number of lines on each side.
const AROUND: u64 = 25;

pub(super) fn around(call: &Call<'_>) -> Made {
    let around = lines_around(call, AROUND)?;
    let target = around.lines.iter().find(|line| line.is_target);
    let file = html::cut_middle(&around.file, 80);
    let title = match target.and_then(|line| line.line) {
        Some(number) => format!("Line {number} of {file}"),
        None => format!("Lines of {file}"),
    };
    let mut lead: Vec<Html> = around.note.iter().map(|note| Html::text(note)).collect();
    let place = call.params.place()?;
    let command = match target.and_then(|line| line.line) {
        Some(number) => format!("dragline show {}:{number} -C 25", around.file),
        None => format!("dragline show {} --offset {}", around.file, place.offset),
    };
    if target.and_then(|line| line.line).is_some() {
        lead.push(Html::command(&command));
    }
    let mut section = Section::new("lines", "", Content::Lines(parts::log_lines(&around)));
    if let Some(path) = later(&around) {
        section = section.with_more(path, "Later lines");
    }
    let mut sections = Vec::new();
    if let Some(path) = earlier(&around) {
        let link = Html::link(call.base, &path, "Earlier lines");
        sections.push(Section::new(
            "earlier",
            "",
            Content::Words(vec![("more", link)]),
        ));
    }
    sections.push(section);
    Page {
        title,
        lead,
        sections,
        ..Page::default()
    }
    .draw(call, NOTHING)
}

fn earlier(around: &LinesAround) -> Option<String> {
    let first = around.lines.first().filter(|_| around.has_before)?;
    Some(line_address(&Place {
        file: around.file.clone(),
        line: first.line,
        offset: first.offset,
    }))
}

fn later(around: &LinesAround) -> Option<String> {
    let last = around.lines.last().filter(|_| around.has_after)?;
    Some(line_address(&Place {
        file: around.file.clone(),
        line: last.line,
        offset: last.offset,
    }))
}

/// How many lines there are, where that is known, or which part of them is shown.
fn title(call: &Call<'_>, list: &Listing<EventLine>, kind: &str, of: &str) -> String {
    let shown = list.items.len() as u64;
    let lines = |number| counted(number, &format!("{kind}line"), &format!("{kind}lines"));
    let is_first = call.params.text("cursor").is_none();
    match (shown, list.total, list.next.is_some()) {
        (0, ..) => format!("No {kind}lines{of} in this period"),
        (_, Some(total), _) if total > shown => {
            format!("{}{of}, {} of them shown", lines(total), html::count(shown))
        }
        (_, _, true) if is_first => format!("The first {}{of} of this period", lines(shown)),
        (_, _, true) => format!("{} more{of}", lines(shown)),
        (_, _, false) if is_first => format!("{}{of}", lines(shown)),
        (..) => format!("The last {}{of} of this period", lines(shown)),
    }
}

pub(super) fn events(call: &Call<'_>) -> Made {
    let query = event_query(call)?;
    let list = find_events(call, &query)?;
    let key = call.params.scraper_key();
    let of = if key == ScraperKey::default() {
        String::new()
    } else {
        format!(" of {}", name(&key))
    };
    let kind = query
        .event_type
        .as_deref()
        .map(|kind| match kind {
            parts::ITEMS => "item ".to_owned(),
            kind => format!("{} ", kind.replace('_', " ").replace(',', " or ")),
        })
        .unwrap_or_default();
    let title = title(call, &list, &kind, &of);
    let empty = Html::text(
        "Lines that fit would be here, as they were written. Widen the period or remove a condition.",
    );
    let table = tables::lines(
        call,
        &list,
        "Lines as they were written, oldest first",
        empty,
    );
    let text = |name| call.params.text(name).unwrap_or_default();
    let levels = ["DEBUG", "INFO", "WARN", "ERROR"].map(|level| (level, level));
    let filters = Filters {
        path: "/events".to_owned(),
        fields: vec![
            Field {
                kind: "search",
                ..Field::text("text", "Text", text("text"))
            },
            Field::choice(
                "level",
                "Level, at least",
                text("level"),
                [("", "any")].into_iter().chain(levels),
            ),
            Field::text("event_type", "Event type", text("event_type")).hint("any"),
            Field::text("scraper_id", "Scraper", text("scraper_id")).hint("any"),
            Field::text("site", "Site", text("site")).hint("any"),
            Field::text("run_id", "Run", text("run_id")).hint("any"),
        ],
        hidden: ["from", "to"]
            .into_iter()
            .filter_map(|name| Some((name, call.params.text(name)?.to_owned())))
            .collect(),
        ..Filters::default()
    };
    Page {
        title,
        sections: vec![
            Section::new(
                "period",
                "",
                Content::Filters(parts::periods(call, query.window)),
            ),
            Section::new("filters", "", Content::Filters(filters)),
            Section::new("lines", "", Content::Table(table)),
        ],
        ..Page::default()
    }
    .draw(call, NOTHING)
}
