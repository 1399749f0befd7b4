//! Changes every text in serialised bytes.

use rmp::Marker;

/// Replaces every text in `MessagePack`, names of fields and keys of maps included, by what `change` makes of it.
/// Containers announce only the number of values that follow, so one pass over the bytes finds all texts. `None` if the
/// bytes end within a value.
pub(crate) fn each_text(bytes: &[u8], change: impl Fn(&str) -> String) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let (head, text) = shape(Marker::from_u8(*first), rest)?;
        let (value, after) = rest.split_at_checked(head.checked_add(text.unwrap_or(0))?)?;
        rest = after;
        let text = text.and_then(|_| std::str::from_utf8(&value[head..]).ok());
        match text {
            Some(text) => {
                // Writing to memory does not fail.
                rmp::encode::write_str(&mut out, &change(text)).ok()?;
            }
            None => out.extend_from_slice(value),
        }
    }
    Some(out)
}

/// The number of bytes of a value without its text, and of its text if it is one.
fn shape(marker: Marker, bytes: &[u8]) -> Option<(usize, Option<usize>)> {
    let number = |width: usize| {
        let digits = bytes.get(1..=width)?;
        let number = digits
            .iter()
            .fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte));
        Some(number)
    };
    Some(match marker {
        Marker::FixStr(len) => (1, Some(usize::from(len))),
        Marker::Str8 => (2, Some(number(1)?)),
        Marker::Str16 => (3, Some(number(2)?)),
        Marker::Str32 => (5, Some(number(4)?)),
        Marker::FixPos(_)
        | Marker::FixNeg(_)
        | Marker::Null
        | Marker::True
        | Marker::False
        | Marker::Reserved
        | Marker::FixMap(_)
        | Marker::FixArray(_) => (1, None),
        Marker::U8 | Marker::I8 => (2, None),
        Marker::U16 | Marker::I16 | Marker::Array16 | Marker::Map16 | Marker::FixExt1 => (3, None),
        Marker::U32 | Marker::I32 | Marker::F32 | Marker::Array32 | Marker::Map32 => (5, None),
        Marker::U64 | Marker::I64 | Marker::F64 => (9, None),
        Marker::Bin8 => (number(1)?.checked_add(2)?, None),
        Marker::Bin16 => (number(2)?.checked_add(3)?, None),
        Marker::Bin32 => (number(4)?.checked_add(5)?, None),
        Marker::FixExt2 => (4, None),
        Marker::FixExt4 => (6, None),
        Marker::FixExt8 => (10, None),
        Marker::FixExt16 => (18, None),
        Marker::Ext8 => (number(1)?.checked_add(3)?, None),
        Marker::Ext16 => (number(2)?.checked_add(4)?, None),
        Marker::Ext32 => (number(4)?.checked_add(6)?, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Value = (
        BTreeMap<String, Vec<Option<String>>>,
        Vec<(i64, u64, f64, bool)>,
        String,
    );

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_text_is_changed_and_nothing_else(
            map in proptest::collection::btree_map(".{0,40}", proptest::collection::vec(proptest::option::of(".{0,80}"), 0..20), 0..20),
            numbers in proptest::collection::vec((any::<i64>(), any::<u64>(), any::<f64>().prop_filter("NaN", |n| !n.is_nan()), any::<bool>()), 0..70),
            text in ".{0,70000}",
        ) {
            let value: Value = (map, numbers, text);
            let bytes = rmp_serde::to_vec_named(&value).unwrap();
            prop_assert_eq!(each_text(&bytes, str::to_owned).unwrap(), bytes.clone());
            let marked = |text: &String| format!("<{text}>");
            let changed = each_text(&bytes, |text| format!("<{text}>")).unwrap();
            let read: Value = rmp_serde::from_slice(&changed).unwrap();
            let (map, numbers, text) = &value;
            let map = map.iter().map(|(key, list)| {
                (marked(key), list.iter().map(|one| one.as_ref().map(marked)).collect())
            });
            prop_assert_eq!(read, (map.collect(), numbers.clone(), marked(text)));
        }

        #[test]
        fn bytes_of_anything_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = each_text(&bytes, str::to_owned);
        }
    }
}
