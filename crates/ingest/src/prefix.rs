//! What containers put in front of lines.

use dragline_schema::Level;

/// What stands behind the prefix of a container's runtime or tool; `None` when there is none.
///
/// Kubernetes writes `2026-03-04T11:22:33.123456789Z stdout F ` (CRI), `docker compose logs`
/// `name-1  | `, `kubectl logs --prefix` `[pod/name/container] `, and platforms a time before what
/// is JSON.
pub(crate) fn without(line: &str) -> Option<&str> {
    kubernetes(line)
        .or_else(|| compose(line))
        .or_else(|| kubectl(line))
        .or_else(|| time(line))
}

fn kubernetes(line: &str) -> Option<&str> {
    let (time, rest) = line.split_once(' ')?;
    let rest = rest
        .strip_prefix("stdout ")
        .or_else(|| rest.strip_prefix("stderr "))?;
    let rest = rest
        .strip_prefix("F ")
        .or_else(|| rest.strip_prefix("P "))?;
    is_time(time).then_some(rest)
}

fn compose(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once("| ")?;
    let name = name.trim_end_matches(' ');
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_name = !name.is_empty() && name.len() <= 80 && name.chars().all(is_part);
    // `ERROR | message` is somebody's format, and no container is called so.
    (is_name && Level::from_word(name).is_none()).then_some(rest)
}

fn kubectl(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("[pod/")?.split_once("] ")?;
    name.contains('/').then_some(rest)
}

fn time(line: &str) -> Option<&str> {
    let (time, rest) = line.split_once(' ')?;
    (rest.starts_with('{') && is_time(time)).then_some(rest)
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefixes_of_containers() {
        for (line, rest) in [
            (
                "2026-03-04T11:22:33.123456789Z stdout F {\"a\":1}",
                Some("{\"a\":1}"),
            ),
            (
                "2026-03-04T11:22:33.123456789Z stderr P ERROR x",
                Some("ERROR x"),
            ),
            (
                "shop-1  | 2026-03-04 11:22:33,123 INFO shop: x",
                Some("2026-03-04 11:22:33,123 INFO shop: x"),
            ),
            ("shop-1  | ", Some("")),
            ("[pod/shop-7f/main] {\"a\":1}", Some("{\"a\":1}")),
            ("2026-03-04T11:22:33.123Z {\"a\":1}", Some("{\"a\":1}")),
            ("2026-03-04 11:22:33.353 | INFO     | a:b:3 - x", None),
            ("a table | of words", None),
            ("ERROR | the page is gone", None),
            ("[pod] x", None),
            ("", None),
        ] {
            assert_eq!(without(line), rest, "{line}");
        }
    }
}
