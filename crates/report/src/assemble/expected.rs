//! The range expected at each step of a series from the steps before it.

use dragline_insights::Expectation;

/// Computes the expected ranges. The first and last step are partial and are not learned from.
///
/// As long as all steps were equal, exactly their value is expected: the range that chance would allow for such a count
/// would be far wider than anything that was seen.
pub(super) fn ranges(
    mut expectation: Expectation,
    times: impl ExactSizeIterator<Item = i64>,
    values: &[Option<f64>],
) -> Vec<Option<(f64, f64)>> {
    let last = times.len().saturating_sub(1);
    let mut seen: Option<(f64, f64)> = None;
    times
        .zip(values)
        .enumerate()
        .map(|(index, (time, value))| {
            let range = expectation.range(time);
            let range = range.map(|range| match seen {
                Some((least, most)) if least.to_bits() == most.to_bits() => (least, most),
                _ => range,
            });
            if let Some(value) = value.filter(|_| index > 0 && index < last) {
                expectation.learn(time, value);
                let (least, most) = seen.unwrap_or((value, value));
                seen = Some((least.min(value), most.max(value)));
            }
            range
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_insights::DAY;

    #[test]
    fn a_constant_series_expects_its_value() {
        let expect = |values: &[f64]| {
            let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
            let times: Vec<i64> = (0..values.len() as i64).map(|day| day * DAY).collect();
            ranges(Expectation::of_total(), times.into_iter(), &values)
        };
        let mut values = vec![12.0; 30];
        assert_eq!(expect(&values)[28], Some((12.0, 12.0)));
        // Once it has varied, there is a range.
        values[20] = 14.0;
        let range = expect(&values)[28].unwrap();
        assert!(range.0 < 12.0 && range.1 > 12.0, "{range:?}");
    }
}
