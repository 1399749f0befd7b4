//! Conditions on metrics: `min(cpu_percent{host="a"}[5m]) > 90`.

use std::fmt;
use std::time::Duration;

use super::Selector;
use crate::{LabelMatch, Matchers, duration, suggest};

/// Two values nearer than this are equal for `==` and `!=`.
pub const TOLERANCE: f64 = 0.001;

/// How far back `last` looks where no window is given.
const LOOKBACK: Duration = Duration::from_mins(5);

/// How the samples of a window become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The latest sample.
    Last,
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// A percentile from 50 to 99, interpolated between samples.
    Percentile(u8),
    /// The increase of a counter a second.
    Rate,
    /// The increase of a counter.
    Increase,
    /// The number of samples.
    Count,
    /// No sample at all.
    Absent,
    /// The mean's difference from the expected value, in percent of that.
    Change,
}

/// The functions by name, each with the name that Prometheus has for it.
const FUNCTIONS: &[(&str, &str, Aggregate)] = &[
    ("last", "last_over_time", Aggregate::Last),
    ("avg", "avg_over_time", Aggregate::Avg),
    ("mean", "avg_over_time", Aggregate::Avg),
    ("min", "min_over_time", Aggregate::Min),
    ("max", "max_over_time", Aggregate::Max),
    ("rate", "rate", Aggregate::Rate),
    ("increase", "increase", Aggregate::Increase),
    ("count", "count_over_time", Aggregate::Count),
    ("absent", "absent_over_time", Aggregate::Absent),
    ("change", "change", Aggregate::Change),
];

impl Aggregate {
    /// Whether it is about the growth of a counter.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Rate | Self::Increase)
    }

    /// The function's name in expressions.
    pub fn name(self) -> String {
        match self {
            Self::Percentile(percentile) => format!("p{percentile}"),
            other => FUNCTIONS
                .iter()
                .find(|(_, _, function)| *function == other)
                .map_or_else(String::new, |(name, ..)| (*name).to_owned()),
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        if let Some(digits) = name.strip_prefix('p')
            && let Ok(percentile) = digits.parse::<u8>()
        {
            return match percentile {
                50..=99 => Ok(Self::Percentile(percentile)),
                _ => Err(format!("{name} is out of range: write p50 to p99")),
            };
        }
        FUNCTIONS
            .iter()
            .find(|(short, long, _)| *short == name || *long == name)
            .map(|(.., function)| *function)
            .ok_or_else(|| {
                let known = FUNCTIONS
                    .iter()
                    .map(|(short, ..)| *short)
                    .chain(["p50", "p95", "p99"]);
                format!(
                    "unknown function {name:?}: {}",
                    suggest::sentence(name, known)
                )
            })
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Compare {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// The comparisons; those with two characters first, so that `>=` is never read as `>`.
const COMPARISONS: [(&str, Compare); 6] = [
    (">=", Compare::GreaterOrEqual),
    ("<=", Compare::LessOrEqual),
    ("==", Compare::Equal),
    ("!=", Compare::NotEqual),
    (">", Compare::Greater),
    ("<", Compare::Less),
];

impl Compare {
    /// Whether `value` compares so with `threshold`.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Greater => value > threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::Less => value < threshold,
            Self::LessOrEqual => value <= threshold,
            Self::Equal => (value - threshold).abs() < TOLERANCE,
            Self::NotEqual => (value - threshold).abs() >= TOLERANCE,
        }
    }

    /// The operator.
    pub fn symbol(self) -> &'static str {
        COMPARISONS
            .iter()
            .find(|(_, compare)| *compare == self)
            .map_or("", |(symbol, _)| symbol)
    }

    /// Whether `further` is beyond `threshold` in the direction of the comparison.
    pub(crate) fn is_stricter(self, further: f64, threshold: f64) -> bool {
        match self {
            Self::Greater | Self::GreaterOrEqual => further > threshold,
            Self::Less | Self::LessOrEqual => further < threshold,
            Self::Equal | Self::NotEqual => false,
        }
    }
}

/// A comparison of a metric over a window.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricCondition {
    /// How the samples become one value.
    pub aggregate: Aggregate,
    /// The series.
    pub selector: Selector,
    /// How far back.
    pub window: Duration,
    /// The comparison. [`Aggregate::Absent`] has none and ignores it.
    pub compare: Compare,
    /// What the value is compared with.
    pub threshold: f64,
    /// The value at which a firing alert clears; `None`: the threshold.
    pub clear: Option<f64>,
}

impl MetricCondition {
    /// Parses an expression.
    ///
    /// ```
    /// use dragline_alerting::rule::MetricCondition;
    ///
    /// let condition = MetricCondition::parse(r#"p95(response_seconds{site="a"}[10m]) >= 30"#)?;
    /// assert_eq!(condition.to_string(), r#"p95(response_seconds{site="a"}[10m]) >= 30"#);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// When the text is no expression; the message says what is expected and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, rest: text };
        let (aggregate, selector, window) = parser.call()?;
        let (compare, threshold) = if aggregate == Aggregate::Absent && parser.is_done() {
            (Compare::Greater, 0.0)
        } else if aggregate == Aggregate::Absent {
            return Err("absent(…) is compared with nothing: remove what follows it".to_owned());
        } else {
            parser.comparison()?
        };
        Ok(Self {
            aggregate,
            selector,
            window,
            compare,
            threshold,
            clear: None,
        })
    }

    /// What is compared: `min(cpu_percent{host="a"}[5m])`.
    pub(crate) fn call(&self) -> String {
        let window = duration::format(self.window);
        let matchers = format_matchers(&self.selector.matchers);
        let series = format!("{}{matchers}[{window}]", self.selector.name);
        format!("{}({series})", self.aggregate.name())
    }
}

impl fmt::Display for MetricCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.call())?;
        if self.aggregate == Aggregate::Absent {
            return Ok(());
        }
        write!(f, " {} {}", self.compare.symbol(), self.threshold)
    }
}

fn format_matchers(matchers: &Matchers) -> String {
    if matchers.is_empty() {
        return String::new();
    }
    let each = matchers.iter().map(|(name, wanted)| match wanted {
        LabelMatch::One(value) => format!("{name}={value:?}"),
        LabelMatch::Any(values) => format!("{name}={:?}", values.join("|")),
    });
    format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn is_done(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty()
    }

    fn fail<T>(&self, expected: &str) -> Result<T, String> {
        let column = self.text[..self.text.len() - self.rest.len()]
            .chars()
            .count()
            + 1;
        let found = self.rest.chars().next().map_or_else(
            || "the end".to_owned(),
            |character| format!("{character:?}"),
        );
        Err(format!(
            "expected {expected} at column {column}, found {found}; an expression looks like `avg(dragline_request_duration_seconds{{site=\"shop\"}}[10m]) > 30`"
        ))
    }

    fn eat(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) {
            Ok(())
        } else {
            self.fail(&format!("`{token}`"))
        }
    }

    fn word(&mut self, what: &str) -> Result<&'t str, String> {
        self.rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '*');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return self.fail(what);
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn call(&mut self) -> Result<(Aggregate, Selector, Duration), String> {
        let first = self.word("a function or a metric")?;
        if !self.eat("(") {
            let (selector, window) = self.selector_after(first)?;
            return Ok((Aggregate::Last, selector, window.unwrap_or(LOOKBACK)));
        }
        let aggregate = Aggregate::parse(first)?;
        let name = self.word("the name of a metric")?;
        let (selector, window) = self.selector_after(name)?;
        self.expect(")")?;
        let window = match (window, aggregate) {
            (Some(window), _) => window,
            (None, Aggregate::Last) => LOOKBACK,
            (None, _) => {
                let (function, name) = (aggregate.name(), &selector.name);
                return Err(format!(
                    "{function}({name}) needs a window: write {function}({name}[5m])"
                ));
            }
        };
        if window.is_zero() {
            return Err("a window of 0s holds no sample: write one such as [5m]".to_owned());
        }
        Ok((aggregate, selector, window))
    }

    fn selector_after(&mut self, name: &str) -> Result<(Selector, Option<Duration>), String> {
        let mut matchers = Matchers::default();
        if self.eat("{") {
            while !self.eat("}") {
                let label = self.word("a label")?;
                self.expect("=")?;
                matchers.insert(label, label_match(&self.quoted()?));
                if !self.eat(",") {
                    self.expect("}")?;
                    break;
                }
            }
        }
        let mut window = None;
        if self.eat("[") {
            let end = self.rest.find(']').unwrap_or(self.rest.len());
            window = Some(duration::parse(&self.rest[..end])?);
            self.rest = &self.rest[end..];
            self.expect("]")?;
        }
        Ok((
            Selector {
                name: name.to_owned(),
                matchers,
            },
            window,
        ))
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let Some(end) = self.rest.find('"') else {
            return self.fail("a closing quotation mark");
        };
        let value = self.rest[..end].to_owned();
        self.rest = &self.rest[end + 1..];
        Ok(value)
    }

    fn comparison(&mut self) -> Result<(Compare, f64), String> {
        let Some((symbol, compare)) = COMPARISONS.into_iter().find(|(symbol, _)| self.eat(symbol))
        else {
            return self.fail("one of > >= < <= == !=");
        };
        let number = self.rest.trim();
        let number = number.strip_suffix('%').unwrap_or(number).trim_end();
        match number.parse::<f64>() {
            Ok(threshold) if threshold.is_finite() => {
                self.rest = "";
                Ok((compare, threshold))
            }
            _ => self.fail(&format!("a number after {symbol}")),
        }
    }
}

/// `a|b` is one of two values.
fn label_match(value: &str) -> LabelMatch {
    if value.contains('|') {
        LabelMatch::Any(value.split('|').map(str::to_owned).collect())
    } else {
        LabelMatch::One(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparison_is_what_it_says() {
        for (symbol, below, equal, above) in [
            (">", false, false, true),
            (">=", false, true, true),
            ("<", true, false, false),
            ("<=", true, true, false),
            ("==", false, true, false),
            ("!=", true, false, true),
        ] {
            let condition = MetricCondition::parse(&format!("x {symbol} 90")).unwrap();
            assert_eq!(condition.compare.symbol(), symbol);
            let found = [89.0, 90.0, 91.0].map(|value| condition.compare.holds(value, 90.0));
            assert_eq!(found, [below, equal, above], "{symbol}");
        }
        assert!(Compare::Equal.holds(90.0009, 90.0) && !Compare::NotEqual.holds(90.0009, 90.0));
        assert!(!Compare::Equal.holds(90.002, 90.0) && Compare::NotEqual.holds(90.002, 90.0));
    }

    #[test]
    fn expressions_are_read() {
        for (text, shown) in [
            ("cpu_percent > 90", "last(cpu_percent[5m]) > 90"),
            (
                "avg_over_time(cpu_percent[5m])>90",
                "avg(cpu_percent[5m]) > 90",
            ),
            (
                "change( items_total [1h] ) < -50%",
                "change(items_total[1h]) < -50",
            ),
            (
                "absent(lines{scraper_id=\"a|b\"}[2h])",
                "absent(lines{scraper_id=\"a|b\"}[2h])",
            ),
            (
                "p99(response_seconds{a=\"b\", c=\"d*\"}[1d]) != 0.5",
                "p99(response_seconds{a=\"b\", c=\"d*\"}[1d]) != 0.5",
            ),
        ] {
            let condition =
                MetricCondition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(condition.to_string(), shown);
            assert_eq!(MetricCondition::parse(shown).unwrap(), condition);
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_with_the_column_or_a_suggestion() {
        for (text, hint) in [
            ("", "column 1"),
            ("avgg(cpu[5m]) > 1", "did you mean \"avg\"?"),
            ("avg(cpu) > 1", "avg(cpu[5m])"),
            ("avg(cpu[5]) > 1", "5m"),
            ("cpu => 1", "> >= < <="),
            ("cpu > high", "a number"),
            ("cpu > 1 or 2", "a number"),
            ("p100(cpu[5m]) > 1", "p50 to p99"),
            ("absent(cpu[5m]) > 1", "remove"),
            ("avg(cpu{host=a}[5m]) > 1", "`\"`"),
            ("avg(cpu[0s]) > 1", "[5m]"),
        ] {
            let error = MetricCondition::parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
