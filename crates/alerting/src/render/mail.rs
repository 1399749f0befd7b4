//! Mail: a subject, a text and an HTML part.

use super::text::{plain, references};
use super::{clean, cut, escape_html};
use crate::duration::format;
use crate::notice::{Chart, Notice, NoticeAlert, minute};
use crate::notify::DeliveryKind;

/// The parts of a mail. Headers are encoded by the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject, with the severity; one line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part. It loads nothing from elsewhere.
    pub html: String,
}

/// Maximum length of a subject, in characters.
const SUBJECT: usize = 200;

/// The notice as mail.
pub fn mail(notice: &Notice) -> Mail {
    let subject = format!(
        "[{}] {}",
        notice.badge(),
        clean(&notice.title).replace('\n', " ")
    );
    Mail {
        subject: cut(&subject, SUBJECT),
        text: plain(notice),
        html: html(notice),
    }
}

fn html(notice: &Notice) -> String {
    let colour = format!("#{:06x}", notice.colour());
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;font-family:sans-serif;color:#212121;background:#ffffff\">\n\
         <h1 style=\"margin:0 0 16px;padding:12px 16px;font-size:18px;color:#ffffff;background:{colour}\">\
         {badge}: {title}</h1>\n",
        title = escape_html(&notice.title),
        badge = escape_html(&notice.badge()),
    );
    let (described, more) = notice.described();
    for entry in described {
        html.push_str(&section(notice, entry, &colour));
    }
    if more > 0 {
        html.push_str(&format!("<p>and {more} more</p>\n"));
    }
    html.push_str("</body></html>\n");
    html
}

fn section(notice: &Notice, entry: &NoticeAlert, colour: &str) -> String {
    let mut html = format!(
        "<section style=\"margin:0 0 16px;padding:0 0 0 12px;border-left:4px solid {colour}\">\n<h2 style=\"margin:0 0 8px;font-size:16px\">{}</h2>\n<table>\n",
        escape_html(&entry.summary)
    );
    let is_digest = notice.kind == DeliveryKind::Digest;
    let references = references(entry);
    let facts = entry
        .facts
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    let rows = facts.chain(references.iter().map(|(name, value)| (*name, value)));
    for (name, value) in
        rows.filter(|(name, _)| !is_digest || matches!(*name, "Since" | "Severity"))
    {
        html.push_str(&format!(
            "<tr><th style=\"text-align:left;padding-right:12px;vertical-align:top\">{}</th><td>{}</td></tr>\n",
            escape_html(name),
            linked(value)
        ));
    }
    html.push_str("</table>\n");
    if let Some(chart) = entry.chart.as_ref().filter(|_| !is_digest) {
        html.push_str(&drawn(chart));
    }
    if !entry.evidence.is_empty() && !is_digest {
        let lines: Vec<String> = entry
            .evidence
            .iter()
            .map(|line| escape_html(line))
            .collect();
        html.push_str(&format!(
            "<pre style=\"padding:8px;background:#f5f5f5;white-space:pre-wrap\">{}</pre>\n",
            lines.join("\n")
        ));
    }
    html.push_str("</section>\n");
    html
}

/// Height of the highest column, in pixels.
const HEIGHT: u64 = 64;

/// A chart as a table, which every mail program shows: no picture is loaded, and none is blocked.
fn drawn(chart: &Chart) -> String {
    let highest = chart.highest();
    let (Some(first), Some(last)) = (chart.columns.first(), chart.columns.last()) else {
        return String::new();
    };
    if highest == 0 {
        return String::new();
    }
    let mut html = String::from(
        "<table role=\"img\" cellspacing=\"1\" cellpadding=\"0\" style=\"margin:8px 0 0\"><tr>\n",
    );
    let bar = |count: u64, colour: &str| {
        // What is there is seen.
        let height = (count * HEIGHT).div_ceil(highest);
        let style =
            format!("width:10px;height:{height}px;background:{colour};font-size:0;line-height:0");
        match height {
            0 => String::new(),
            _ => format!("<div style=\"{style}\"></div>"),
        }
    };
    for column in &chart.columns {
        html.push_str(&format!(
            "<td width=\"10\" style=\"height:{HEIGHT}px;vertical-align:bottom\" title=\"{}: {} requests, {} failed\">{}{}</td>\n",
            minute(column.start),
            column.requests,
            column.failed,
            bar(column.failed, "#c62828"),
            bar(column.requests - column.failed.min(column.requests), "#90a4ae"),
        ));
    }
    html.push_str(&format!(
        "</tr></table>\n<p style=\"margin:0 0 8px;font-size:12px;color:#616161\">Requests per {}, {} to {} UTC; \
         failed ones in red; at most {highest}</p>\n",
        format(chart.width),
        minute(first.start),
        minute(last.start),
    ));
    html
}

/// A value that is a web address becomes a link.
fn linked(value: &str) -> String {
    let text = escape_html(value);
    let is_address = value.starts_with("https://") || value.starts_with("http://");
    if is_address && !value.contains(char::is_whitespace) {
        format!("<a href=\"{text}\">{text}</a>")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dragline_schema::Timestamp;

    use super::*;
    use crate::notice::Column;

    #[test]
    fn a_chart_has_a_column_for_each_part_of_the_time() {
        let column = |hour: i64, requests, failed| Column {
            start: Timestamp::from_seconds(hour * 3_600),
            requests,
            failed,
        };
        let chart = Chart {
            width: Duration::from_hours(1),
            columns: vec![column(0, 128, 0), column(1, 0, 0), column(2, 64, 1)],
        };
        let html = drawn(&chart);
        assert_eq!(html.matches("<td").count(), 3);
        assert_eq!(html.matches("height:64px;background:#90a4ae").count(), 1);
        // One failed request of 128 is a pixel high.
        assert_eq!(html.matches("height:1px;background:#c62828").count(), 1);
        assert!(html.contains("01:00: 0 requests, 0 failed"), "{html}");
        assert!(
            html.contains("Requests per 1h, 1970-01-01 00:00 to 1970-01-01 02:00 UTC"),
            "{html}"
        );
        assert_eq!(drawn(&Chart::default()), "");
    }
}
