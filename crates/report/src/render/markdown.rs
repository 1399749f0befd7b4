//! Rendering of a document as Markdown.

use super::document::{Align, Block, Document};

/// Renders the document as GitHub-flavoured Markdown. All text from logs is escaped.
pub fn markdown(document: &Document) -> String {
    let mut out = String::new();
    write_blocks(&mut out, &document.blocks);
    out
}

fn write_blocks(out: &mut String, blocks: &[Block]) {
    for block in blocks {
        match block {
            Block::Title(text) => out.push_str(&format!("# {}\n\n", escape(text))),
            Block::Heading(text) => out.push_str(&format!("## {}\n\n", escape(text))),
            Block::Text(_, text) => out.push_str(&format!("{}\n\n", escape(text))),
            Block::Fold { summary, blocks } => {
                out.push_str(&format!("## {}\n\n", escape(summary)));
                write_blocks(out, blocks);
            }
            Block::List { first, points } => {
                for (number, (_, point, below)) in (*first..).zip(points) {
                    out.push_str(&format!("{number}. {}\n", escape(point)));
                    for line in below {
                        out.push_str(&format!("   - {}\n", escape(&line.plain())));
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
                // An indented block, which no text can terminate.
                for line in lines {
                    out.push_str(&format!("    {}\n", super::terminal::clean(line)));
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
}

/// Separator between characters that would otherwise form a link or a mention on sites that detect them after
/// rendering.
const APART: &str = "<!-- -->";

/// Escapes text: no markup, table cells, line breaks, links or mentions.
fn escape(text: &str) -> String {
    let text = super::terminal::clean(text);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        let before = &text[..at];
        match c {
            '#' if rest.starts_with(|next: char| next.is_ascii_digit()) => {
                out.extend(["\\#", APART]);
            }
            '@' if rest.starts_with(char::is_alphanumeric) => out.extend(["@", APART]),
            '-' if before.ends_with("GH") || before.ends_with("gh") => out.extend(["-", APART]),
            ':' if rest.starts_with("//") => out.push_str("\\:"),
            '.' if before.ends_with("www") => out.push_str("\\."),
            // A list item or a horizontal rule.
            '-' | '+' if before.trim_start().is_empty() && ends_marker(rest) => {
                out.extend(['\\', c]);
            }
            '.' | ')' if is_number(before.trim_start()) && ends_marker(rest) => {
                out.extend(['\\', c]);
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '$' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// Whether the text before `rest` would be a marker at the start of a line.
fn ends_marker(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([' ', '-'])
}

/// Whether a period after it would make it a list item.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Tone;

    /// The Markdown parser must return the text itself, in paragraphs.
    #[test]
    fn nothing_in_a_text_is_markup() {
        use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
        for text in [
            "~~gone~~ ~~~ *a* _b_ __c__ `d` [e](http://f) ![g](h) <i>j</i> $k$",
            "@someone https://a.test/x?y=1 www.b.test #12 GH-13 owner/repo#14 c@d.test",
            "- one",
            "+ two",
            "1. three",
            "2) four",
            "# five",
            "> six",
            "| a | b |",
            "---",
        ] {
            let escaped = escape(text);
            for alive in ["https://", "www.", "@s", "#1", "GH-1", "@d"] {
                assert!(!escaped.contains(alive), "{alive} in {escaped}");
            }
            let mut shown = String::new();
            // Smart punctuation is not markup.
            let options = Options::all() - Options::ENABLE_SMART_PUNCTUATION;
            for event in Parser::new_ext(&escaped, options) {
                match event {
                    Event::Text(text) => shown.push_str(&text),
                    Event::InlineHtml(html) => assert_eq!(&*html, APART),
                    Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => {}
                    other => panic!("{text:?} as {escaped:?} has {other:?}"),
                }
            }
            assert_eq!(shown, text);
        }
    }

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
