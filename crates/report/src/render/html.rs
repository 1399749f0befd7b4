//! Rendering of a report as one self-contained HTML page.
//!
//! The page loads nothing, which its content security policy enforces; all text from logs is escaped. The
//! page is complete without JavaScript: the script adds values under the pointer and sorting of tables.

use std::fmt::Write as _;

use base64::Engine as _;
use dragline_charts::escape;
use sha2::{Digest as _, Sha256};

use super::document::{Align, Below, Block, Document, Point, Tone};
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
        body(&document.blocks),
        more,
        escape(made),
    )
}

fn body(blocks: &[Block]) -> String {
    let mut out = String::new();
    let mut figures = Vec::new();
    for block in blocks {
        if let Block::Figure(figure) = block {
            figures.push(figure.as_str());
            continue;
        }
        charts(&mut out, &mut figures);
        // Writing to a string cannot fail.
        let _ = match block {
            Block::Title(text) => writeln!(out, "<h1>{}</h1>", inline(text)),
            Block::Heading(text) => writeln!(out, "<h2>{}</h2>", inline(text)),
            Block::Text(tone, text) => {
                writeln!(out, "<p class=\"{}\">{}</p>", tone.class(), inline(text))
            }
            Block::List { first, points } => {
                list(&mut out, *first, points);
                Ok(())
            }
            Block::Fold { summary, blocks } => writeln!(
                out,
                "<details class=\"fold\"><summary>{}</summary>\n{}</details>",
                inline(summary),
                body(blocks)
            ),
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
                is_stacked,
            } => {
                table(&mut out, headers, rows, figures, *is_stacked);
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

/// Escapes text and sets what is between backticks as code.
fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let mut out = String::with_capacity(text.len() + 16);
    for (nth, part) in parts.iter().enumerate() {
        // Every second part is between backticks; the last one only if there is an even number of them.
        let is_code = nth % 2 == 1 && nth + 1 < parts.len() && !part.is_empty();
        out.push_str(&match (is_code, nth % 2) {
            (true, _) => format!("<code>{}</code>", escape(part)),
            (false, 1) => format!(
                "`{}{}",
                escape(part),
                if nth + 1 < parts.len() { "`" } else { "" }
            ),
            _ => escape(part),
        });
    }
    out
}

fn list(out: &mut String, first: usize, points: &[Point]) {
    let _ = match first {
        1 => writeln!(out, "<ol class=\"incidents\">"),
        // The numbers are drawn by a counter, which the attribute does not set.
        _ => writeln!(
            out,
            "<ol class=\"incidents\" start=\"{first}\" style=\"counter-reset:n {}\">",
            first - 1
        ),
    };
    for (tone, point, below) in points {
        let _ = write!(
            out,
            "<li class=\"{}\"><strong>{}</strong>",
            tone.class(),
            inline(point)
        );
        for line in below {
            below_point(out, line);
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ol>\n");
}

/// Writes a line below a list point: evidence, sample, runbook link, or text.
fn below_point(out: &mut String, line: &Below) {
    let _ = match line {
        Below::Evidence { label, file, line } => {
            let place = escape(&format!("{file}:{line}"));
            write!(
                out,
                "<p class=\"evidence\">{}: <code>{place}</code> \
                 <button type=\"button\" data-copy=\"{place}\">Copy</button> \
                 <button type=\"button\" data-copy=\"{}\" title=\"The command that shows the line and its neighbours\">\
                 Copy command</button>{}</p>",
                escape(label),
                escape(&format!(
                    "dragline show {} -C 5",
                    quoted(&format!("{file}:{line}"))
                )),
                link_to(file).map_or_else(String::new, |link| format!(
                    " <a href=\"{link}\" title=\"From where the report was written\">Open file</a>"
                ))
            )
        }
        Below::Sample(sample) => {
            let sample = escape(sample);
            write!(
                out,
                "<p class=\"sample\"><button type=\"button\" data-copy=\"{sample}\"><code>{sample}</code></button></p>"
            )
        }
        Below::Runbook(name) => {
            let name = escape(name);
            write!(
                out,
                "<p><a href=\"#runbook-{name}\">Runbook: {name}</a></p>"
            )
        }
        Below::Text(text) => write!(out, "<p>{}</p>", inline(text)),
    };
}

/// Quotes an argument for a shell, where it needs to be quoted.
fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+,@=".contains(c);
    if argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// The address of a log file: absolute, or relative to the page. `None` for what a browser cannot show: compressed
/// files, members of archives, and standard input.
fn link_to(file: &str) -> Option<String> {
    const PACKED: [&str; 7] = [".gz", ".zst", ".xz", ".bz2", ".lz4", ".br", ".zip"];
    let is_packed = PACKED.iter().any(|end| file.ends_with(end));
    let is_member = [".tar", ".tgz", ".zip", "://"]
        .iter()
        .any(|part| file.contains(part));
    if is_packed || is_member || file == "-" {
        return None;
    }
    let mut address = String::new();
    for byte in file.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            address.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    // A relative path with a prefix cannot be read as an address of another kind.
    Some(match address.strip_prefix('/') {
        Some(rest) => format!("file:///{rest}"),
        None => format!("./{}", address.trim_start_matches("./")),
    })
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
            let _ = writeln!(out, "<p>{}</p>", inline(line));
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
            inline(rest.trim())
        );
    }
    out.push_str("</dl>\n");
}

fn table(
    out: &mut String,
    headers: &[(Align, String)],
    rows: &[(Tone, Vec<String>)],
    figures: &[String],
    is_stacked: bool,
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
    let class = if is_stacked {
        "sortable stacked"
    } else {
        "sortable"
    };
    let label = |column: usize| {
        headers
            .get(column)
            .filter(|_| is_stacked && is_number(column))
            .map_or_else(String::new, |(_, name)| {
                format!(" data-label=\"{}\"", escape(name))
            })
    };
    let _ = write!(
        out,
        "<div class=\"scroll\"><table class=\"{class}\"><thead><tr>"
    );
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
            let text = inline(cell);
            let _ = if column == 0 {
                write!(out, "<td class=\"{}\">{text}</td>", tone.class())
            } else {
                write!(out, "<td{}{}>{text}</td>", set(column), label(column))
            };
        }
        if let Some(figure) = figures.get(place) {
            let _ = write!(out, "<td>{figure}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}
