//! Removes terminal colours.

use std::borrow::Cow;

/// A line without terminal colours and links (ECMA-48, CSI and OSC sequences).
pub(crate) fn without_colours(original: &str) -> Cow<'_, str> {
    // rsyslog spells control characters out.
    let spelled = (original.contains('#') && original.contains("#033["))
        .then(|| original.replace("#033[", "\u{1b}["));
    let line = spelled.as_deref().unwrap_or(original);
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(original);
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = match after.strip_prefix('[') {
            Some(sequence) => {
                let end = sequence.find(|c: char| ('\u{40}'..='\u{7e}').contains(&c));
                // The last byte of a sequence is ASCII.
                end.map_or("", |end| &sequence[end + 1..])
            }
            // Links extend up to a bell or the string terminator.
            None => match after.strip_prefix(']') {
                Some(link) => match (link.find('\u{7}'), link.find("\u{1b}\\")) {
                    (Some(bell), end) if end.is_none_or(|end| bell < end) => &link[bell + 1..],
                    (_, Some(end)) => &link[end + 2..],
                    _ => "",
                },
                None => after,
            },
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_no_text() {
        assert_eq!(
            without_colours("\u{1b}[32mINFO\u{1b}[39m \u{1b}[1;33m x\u{1b}["),
            "INFO  x"
        );
        assert_eq!(
            without_colours("[#033[93mDEBUG   #033[0m]: #033"),
            "[DEBUG   ]: #033"
        );
    }
}
