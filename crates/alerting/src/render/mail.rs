//! Mail: a subject, a text and an HTML part.

use super::text::{plain, references};
use super::{clean, cut, escape_html};
use crate::notice::{Notice, NoticeAlert};
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
