//! A document as Markdown.

use super::document::{Align, Block, Document};

/// Renders the document as GitHub-flavoured Markdown. Whatever came out of logs is escaped.
pub fn markdown(document: &Document) -> String {
    let mut out = String::new();
    for block in &document.blocks {
        match block {
            Block::Title(text) => out.push_str(&format!("# {}\n\n", escape(text))),
            Block::Heading(text) => out.push_str(&format!("## {}\n\n", escape(text))),
            Block::Text(_, text) => out.push_str(&format!("{}\n\n", escape(text))),
            Block::List(points) => {
                for (number, (_, point, below)) in points.iter().enumerate() {
                    out.push_str(&format!("{}. {}\n", number + 1, escape(point)));
                    for line in below {
                        out.push_str(&format!("   - {}\n", escape(line)));
                    }
                }
                out.push('\n');
            }
            Block::Lines(lines) => {
                for line in lines {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    out.push_str(&format!("- {}\n", escape(&words.join(" "))));
                }
                out.push('\n');
            }
            Block::Figure(_) => {}
            Block::Verbatim(lines) => {
                // A block by its indentation: no text can end it.
                for line in lines {
                    out.push_str(&format!("    {}\n", line.replace(char::is_control, " ")));
                }
                out.push('\n');
            }
            Block::Table { headers, rows, .. } => {
                let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
                out.push_str(&row(headers.iter().map(|(_, name)| escape(name)).collect()));
                let rule = |(align, _): &(Align, String)| match align {
                    Align::Right | Align::SpareRight => "--:".to_owned(),
                    _ => "---".to_owned(),
                };
                out.push_str(&row(headers.iter().map(rule).collect()));
                for (_, cells) in rows {
                    out.push_str(&row(cells.iter().map(|cell| escape(cell)).collect()));
                }
                out.push('\n');
            }
        }
    }
    out
}

/// Text that stays text: no markup, no table cells, no line breaks.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in super::terminal::clean(text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Tone;

    #[test]
    fn what_came_out_of_logs_stays_text() {
        let mut document = Document::default();
        document.table(
            &[(Align::Left, "a"), (Align::Right, "n")],
            vec![(Tone::Plain, vec!["<b>|`x`\n# y".into(), "1".into()])],
        );
        assert_eq!(
            markdown(&document),
            "| a | n |\n| --- | --: |\n| &lt;b&gt;\\|\\`x\\` \\# y | 1 |\n\n"
        );
    }
}
