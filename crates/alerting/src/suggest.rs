//! "did you mean": the nearest of the valid words.

pub(crate) use dragline_schema::nearest;

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
