//! Suggestions for mistyped names.

pub(crate) use dragline_schema::nearest;

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
