//! Suggestions for mistyped names.

/// Similarity (Jaro-Winkler) from which a name is suggested.
const ALIKE: f64 = 0.75;

/// Returns the name most similar to the typed one, if one is similar enough.
pub(crate) fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let alike = names.map(|name| (strsim::jaro_winkler(typed, name), name));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    best.filter(|(alike, _)| *alike >= ALIKE)
        .map(|(_, name)| name)
}

/// Returns the same as the end of a sentence, or nothing.
pub(crate) fn did_you_mean<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> String {
    nearest(typed, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_names_are_suggested() {
        let names = || ["shop-prices", "jobs-board"].into_iter();
        assert_eq!(nearest("shop-price", names()), Some("shop-prices"));
        assert_eq!(nearest("zzz", names()), None);
        assert_eq!(
            did_you_mean("jobs-bord", names()),
            "; did you mean `jobs-board`?"
        );
    }
}
