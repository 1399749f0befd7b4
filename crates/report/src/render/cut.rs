//! Cuts the texts of a column to a width.

use std::collections::{BTreeMap, BTreeSet};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Characters that a cut text keeps from what it has in common with others, for orientation.
const CONTEXT: usize = 2;

/// The texts of a column, each with its cut form.
type Cuts<'c> = BTreeMap<&'c str, String>;

/// Cuts the cells of a column to a width. Different cells stay different: where the middle cut would make them alike,
/// they start shortly before they begin to differ; if that does not suffice, they are numbered.
pub(super) fn cut_column(cells: &[&str], width: usize) -> Vec<String> {
    let mut cuts: Cuts<'_> = cells
        .iter()
        .map(|cell| (*cell, middle(cell, width)))
        .collect();
    for group in alike(&cuts) {
        let from = common_prefix(&group).saturating_sub(CONTEXT);
        cuts.extend(group.into_iter().map(|text| {
            let rest: String = text.chars().skip(from).collect();
            (text, format!("…{}", middle(&rest, width.saturating_sub(1))))
        }));
    }
    let still = alike(&cuts).into_iter().flatten();
    let numbered: Vec<(&str, String)> = (1..)
        .zip(still)
        .map(|(number, text)| {
            let mark = format!("~{number}");
            let head = take(text.chars(), width.saturating_sub(mark.len()));
            (text, head + &mark)
        })
        .collect();
    cuts.extend(numbered);
    cells.iter().map(|cell| cuts[cell].clone()).collect()
}

/// The groups of different texts with equal cut forms.
fn alike<'c>(cuts: &Cuts<'c>) -> Vec<BTreeSet<&'c str>> {
    let mut by_cut: BTreeMap<&str, BTreeSet<&'c str>> = BTreeMap::new();
    for (text, cut) in cuts {
        by_cut.entry(cut).or_default().insert(text);
    }
    let groups = by_cut.into_values();
    groups.filter(|group| group.len() > 1).collect()
}

/// The number of characters that all texts start with.
fn common_prefix(group: &BTreeSet<&str>) -> usize {
    // In order, the first and the last text differ first.
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return 0;
    };
    let same = first.chars().zip(last.chars()).take_while(|(a, b)| a == b);
    same.count()
}

/// Cuts in the middle: the ends of a path or message are the most informative.
fn middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(1);
    let head = take(text.chars(), keep.div_ceil(2));
    let tail: String = take(text.chars().rev(), keep / 2).chars().rev().collect();
    format!("{head}…{tail}")
}

fn take(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += columns(*c);
            used <= width
        })
        .collect()
}

/// The most columns that a character adds to a text. The selector of emoji presentation has no width of its own and
/// widens the symbol before it.
fn columns(c: char) -> usize {
    match c {
        '\u{fe0f}' => 1,
        _ => c.width().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_text_is_cut_in_the_middle() {
        assert_eq!(middle("abcdefghij", 5), "ab…ij");
        assert_eq!(middle("größe", 5), "größe");
        assert_eq!(middle("\u{1f56f}\u{fe0f}abcde", 5), "\u{1f56f}\u{fe0f}…de");
    }

    #[test]
    fn texts_that_differ_in_the_middle_stay_different() {
        let cells = [
            "harbour_lights_daily_scraper",
            "harbour_prices_daily_scraper",
            "mint",
        ];
        let cut = cut_column(&cells, 12);
        assert_eq!(cut, ["…r_lig…raper", "…r_pri…raper", "mint"]);
    }

    proptest! {
        #[test]
        fn different_texts_stay_different(
            cells in proptest::collection::vec("[ab]{0,30}", 1..40),
            width in 8usize..20,
        ) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let cut = cut_column(&cells, width);
            for (a, b) in cells.iter().zip(&cut) {
                prop_assert!(b.width() <= width, "{b}");
                for (other, short) in cells.iter().zip(&cut) {
                    prop_assert_eq!(a == other, b == short, "{} {}", a, other);
                }
            }
        }
    }
}
