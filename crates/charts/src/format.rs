//! Formats values: thin spaces between thousands, units, and only significant digits.

/// Narrow no-break space, used between thousands and between a number and its unit.
const THIN: char = '\u{202f}';
const MINUS: char = '\u{2212}';

/// The kind of a chart's values, which determines their format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Plain numbers, such as counts: `12 400`.
    #[default]
    Number,
    /// Fractions of one, shown as percentages: 0.63 is `63 %`.
    Percent,
    /// Milliseconds; from 1000 on shown as seconds: `1.5 s`.
    Milliseconds,
    /// Bytes, with decimal prefixes: `4.2 MB`.
    Bytes,
}

impl Format {
    /// Formats a value for people, with three significant digits where they matter.
    ///
    /// ```
    /// use dragline_charts::Format;
    /// assert_eq!(Format::Number.value(12_400.0), "12\u{202f}400");
    /// assert_eq!(Format::Percent.value(0.634), "63.4\u{202f}%");
    /// ```
    pub fn value(self, value: f64) -> String {
        let (divisor, unit) = match self {
            // Counts keep all digits.
            Self::Number => (1.0, ""),
            _ => self.unit(value.abs()),
        };
        let scaled = value / divisor;
        joined(&number(scaled, significant(scaled)), unit)
    }

    /// The label of a tick on an axis with maximum `top` and ticks `step` apart. All ticks of an axis
    /// have the same unit.
    pub(crate) fn tick(self, value: f64, step: f64, top: f64) -> String {
        let (divisor, unit) = self.unit(top.abs());
        if value.abs() < step * 1e-6 {
            return joined("0", if self == Self::Percent { unit } else { "" });
        }
        let decimals = -(step / divisor * 1.000_001).log10().floor();
        joined(
            &number(value / divisor, decimals.clamp(0.0, 9.0) as usize),
            unit,
        )
    }

    /// The divisor, and the unit of the result, for values up to `top`.
    fn unit(self, top: f64) -> (f64, &'static str) {
        let units: &[(f64, &str)] = match self {
            Self::Number => &[(1e9, "bn"), (1e6, "M"), (1.0, "")],
            Self::Percent => &[(0.01, "%")],
            Self::Milliseconds => &[(1e3, "s"), (1.0, "ms")],
            Self::Bytes => &[
                (1e12, "TB"),
                (1e9, "GB"),
                (1e6, "MB"),
                (1e3, "kB"),
                (1.0, "B"),
            ],
        };
        let fitting = units.iter().find(|(divisor, _)| top >= *divisor);
        fitting.or(units.last()).copied().unwrap_or((1.0, ""))
    }
}

fn joined(number: &str, unit: &str) -> String {
    if unit.is_empty() {
        number.to_owned()
    } else {
        format!("{number}{THIN}{unit}")
    }
}

/// The number of decimals that give three significant digits; zero for whole numbers.
fn significant(value: f64) -> usize {
    if value.fract().abs() < f64::EPSILON || value.abs() >= 1000.0 {
        return 0;
    }
    (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize
}

/// Formats a number with grouped thousands and at most `decimals` decimals; very large and very small
/// numbers get an exponent.
fn number(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if size >= 1e15 || (size > 0.0 && size < 1e-6) {
        return format!("{value:.1e}").replace('-', &MINUS.to_string());
    }
    let text = format!("{size:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut out = String::with_capacity(text.len() + 8);
    if value < 0.0 && text.contains(|c| ('1'..='9').contains(&c)) {
        out.push(MINUS);
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        let plain = |format: Format, value| format.value(value).replace(THIN, " ");
        assert_eq!(plain(Format::Number, 1_234_567.0), "1 234 567");
        assert_eq!(plain(Format::Number, -1234.0), "−1 234");
        assert_eq!(plain(Format::Number, 0.123_456), "0.123");
        assert_eq!(plain(Format::Number, 1e18), "1.0e18");
        assert_eq!(plain(Format::Percent, 1.0), "100 %");
        assert_eq!(plain(Format::Milliseconds, 250.0), "250 ms");
        assert_eq!(plain(Format::Milliseconds, 1534.0), "1.53 s");
        assert_eq!(plain(Format::Bytes, 4_200_000.0), "4.2 MB");
        assert_eq!(plain(Format::Number, -0.0), "0");
    }

    #[test]
    fn ticks_share_a_unit() {
        let tick = |value| {
            Format::Milliseconds
                .tick(value, 500.0, 2000.0)
                .replace(THIN, " ")
        };
        assert_eq!([0.0, 500.0, 1000.0].map(tick), ["0", "0.5 s", "1 s"]);
        assert_eq!(Format::Number.tick(0.3, 0.1, 0.5), "0.3");
        assert_eq!(
            Format::Number
                .tick(1_500_000.0, 500_000.0, 2e6)
                .replace(THIN, " "),
            "1.5 M"
        );
    }
}
