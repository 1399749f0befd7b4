//! "did you mean": the nearest of the valid words.

/// The valid word that is most like `word`, when one is alike at all.
pub(crate) fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    valid
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().max(word.len()) / 2)
        .map(|(_, known)| known)
}

/// `did you mean "x"?`, or the list of all valid words.
pub(crate) fn sentence<'a>(word: &str, valid: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, valid.clone()) {
        Some(known) => format!("did you mean {known:?}?"),
        None => format!(
            "expected one of {}",
            valid.into_iter().collect::<Vec<_>>().join(", ")
        ),
    }
}
