//! Rendering of a report as one self-contained HTML page.
//!
//! The page loads nothing, which its content security policy enforces; all text from logs is escaped. The
//! page is complete without JavaScript: the script adds values under the pointer and sorting of tables.

use std::fmt::Write as _;

use base64::Engine as _;
use dragline_charts::escape;
use sha2::{Digest as _, Sha256};

use super::document::{Align, Block, Document, Tone};
use super::layout::Layout;
use super::{figures, handbook, views};
use crate::assemble::Activity;
use crate::model::Report;

/// Style of the page; the charts have their own.
const STYLE: &str = include_str!("page.css");

/// Renders the report as a page with time series charts.
pub fn page(report: &Report, activity: &Activity, layout: &Layout) -> String {
    let document = views::with_figures(report, layout, &figures::figures(report, activity));
    let made = format!(" at {}", report.generated_at);
    whole(&document, &handbook::handbook(report), &made)
}

/// Renders a document as a self-contained page without charts.
pub fn document_page(document: &Document) -> String {
    whole(document, "", "")
}

fn whole(document: &Document, more: &str, made: &str) -> String {
    let title = document.blocks.iter().find_map(|block| match block {
        Block::Title(title) => Some(title.as_str()),
        _ => None,
    });
    let script = dragline_charts::script();
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{hash}'\">\n\
         <meta name=\"generator\" content=\"dragline\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>{}{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{}{}</main>\n<footer>Made by dragline{}. Times are UTC.</footer>\n\
         <script>{script}</script>\n</body>\n</html>\n",
        escape(title.unwrap_or("Dragline")),
        dragline_charts::css(),
        body(document),
        more,
        escape(made),
    )
}

fn body(document: &Document) -> String {
    let mut out = String::new();
    let mut figures = Vec::new();
    for block in &document.blocks {
        if let Block::Figure(figure) = block {
            figures.push(figure.as_str());
            continue;
        }
        charts(&mut out, &mut figures);
        // Writing to a string cannot fail.
        let _ = match block {
            Block::Title(text) => writeln!(out, "<h1>{}</h1>", escape(text)),
            Block::Heading(text) => writeln!(out, "<h2>{}</h2>", escape(text)),
            Block::Text(tone, text) => {
                writeln!(out, "<p class=\"{}\">{}</p>", tone.class(), escape(text))
            }
            Block::List(points) => {
                list(&mut out, points);
                Ok(())
            }
            Block::Lines(lines) => {
                lines_of(&mut out, lines);
                Ok(())
            }
            Block::Verbatim(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
                writeln!(out, "<pre>{}</pre>", lines.join("\n"))
            }
            Block::Table {
                headers,
                rows,
                figures,
            } => {
                table(&mut out, headers, rows, figures);
                Ok(())
            }
            Block::Figure(_) => Ok(()),
        };
    }
    charts(&mut out, &mut figures);
    out
}

/// Writes consecutive charts as one group.
fn charts(out: &mut String, figures: &mut Vec<&str>) {
    if !figures.is_empty() {
        let _ = writeln!(out, "<div class=\"charts\">{}</div>", figures.concat());
        figures.clear();
    }
}

fn list(out: &mut String, points: &[(Tone, String, Vec<String>)]) {
    out.push_str("<ol class=\"incidents\">\n");
    for (tone, point, below) in points {
        let _ = write!(
            out,
            "<li class=\"{}\"><strong>{}</strong>",
            tone.class(),
            escape(point)
        );
        for line in below {
            below_point(out, line);
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ol>\n");
}

/// Writes a line below a list point: evidence, sample, runbook link, or text.
fn below_point(out: &mut String, line: &str) {
    let part = |prefix: &str| line.strip_prefix(prefix).map(escape);
    let _ = if let Some(place) = part("Evidence: ") {
        write!(
            out,
            "<p class=\"muted\">Evidence: <button type=\"button\" data-copy=\"{place}\"><code>{place}</code></button></p>"
        )
    } else if let Some(sample) = part("› ") {
        write!(out, "<p class=\"sample\"><code>{sample}</code></p>")
    } else if let Some(name) = part("Runbook: dragline runbook ") {
        write!(
            out,
            "<p><a href=\"#runbook-{name}\">Runbook: {name}</a></p>"
        )
    } else {
        write!(out, "<p>{}</p>", escape(line))
    };
}

/// Writes lines of figures (name, spaces, value) as a definition list.
fn lines_of(out: &mut String, lines: &[String]) {
    let begins = |line: &String, column: usize| {
        let bytes = line.as_bytes();
        bytes.get(column - 1) == Some(&b' ') && bytes.get(column).is_some_and(|c| *c != b' ')
    };
    let widest = lines.iter().map(String::len).max().unwrap_or(0);
    let column = (1..widest).find(|column| lines.iter().all(|line| begins(line, *column)));
    let Some(column) = column.filter(|_| lines.len() > 1) else {
        for line in lines {
            let _ = writeln!(out, "<p>{}</p>", escape(line));
        }
        return;
    };
    out.push_str("<dl>\n");
    for line in lines {
        let (name, rest) = line.split_at(column);
        let _ = writeln!(
            out,
            "<dt>{}</dt><dd>{}</dd>",
            escape(name.trim()),
            escape(rest.trim())
        );
    }
    out.push_str("</dl>\n");
}

fn table(
    out: &mut String,
    headers: &[(Align, String)],
    rows: &[(Tone, Vec<String>)],
    figures: &[String],
) {
    let is_number = |column: usize| {
        headers
            .get(column)
            .is_some_and(|(align, _)| matches!(align, Align::Right | Align::SpareRight))
    };
    let set = |column: usize| {
        if is_number(column) {
            " class=\"n\""
        } else {
            ""
        }
    };
    out.push_str("<div class=\"scroll\"><table class=\"sortable\"><thead><tr>");
    for (column, (_, name)) in headers.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", set(column), escape(name));
    }
    if !figures.is_empty() {
        out.push_str("<th>requests per day</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    for (place, (tone, cells)) in rows.iter().enumerate() {
        out.push_str("<tr>");
        for (column, cell) in cells.iter().enumerate() {
            let text = escape(cell);
            let _ = if column == 0 {
                write!(out, "<td class=\"{}\">{text}</td>", tone.class())
            } else {
                write!(out, "<td{}>{text}</td>", set(column))
            };
        }
        if let Some(figure) = figures.get(place) {
            let _ = write!(out, "<td>{figure}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}
