//! Reading of conditions.

use std::ops::RangeInclusive;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};

use super::{Condition, Operator, Test};
use crate::field::{Field, Unit};
use dragline_schema::{nearest, parse_duration};

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid condition {text:?}: {reason}")]
pub struct ConditionError {
    text: String,
    reason: String,
}

/// Largest compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        parse(text.trim()).map_err(|reason| ConditionError {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<Condition, String> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if text.starts_with('[') {
        return Err(without_brackets(text));
    }
    let field = Field::by_name(name).ok_or_else(|| unknown_field(name))?;
    let (operator, value) = split_operator(rest.trim_start())?;
    let test = match field.unit() {
        Unit::Text => parse_text(field, operator, value)?,
        _ => parse_number(field, operator, value)?,
    };
    Ok(Condition {
        text: text.to_owned(),
        field,
        test,
        is_optional: false,
    })
}

fn without_brackets(text: &str) -> String {
    let name = text.trim_start_matches('[').split(']').next().unwrap_or("");
    let name = match name.to_ascii_lowercase().as_str() {
        "certificate_expiration" => "certificate_days".to_owned(),
        other => other.to_owned(),
    };
    match Field::by_name(&name) {
        Some(field) => format!("write `{}` without brackets", field.name()),
        None => unknown_field(&name),
    }
}

fn unknown_field(name: &str) -> String {
    let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
    match nearest(name, names.iter().copied()) {
        Some(similar) => format!("there is no field {name:?}; did you mean `{similar}`?"),
        None => format!(
            "there is no field {name:?}; the fields are {}",
            names.join(", ")
        ),
    }
}

/// Longer operators first: `>=` must never be read as `>`.
const OPERATORS: [&str; 9] = [
    "not matches",
    "matches",
    "==",
    "!=",
    "<=",
    ">=",
    "<",
    ">",
    "in",
];

fn split_operator(rest: &str) -> Result<(&'static str, &str), String> {
    let found = OPERATORS.iter().find_map(|operator| {
        let value = rest.strip_prefix(operator)?;
        // A word must end where the operator ends: `inside` is not `in`.
        let is_word = operator.ends_with(|c: char| c.is_ascii_alphabetic());
        let goes_on = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        (!(is_word && goes_on)).then(|| (*operator, value.trim()))
    });
    match found {
        Some((_, "")) => Err("the value after the operator is missing".to_owned()),
        Some((_, value)) if value.starts_with('=') => {
            Err("unknown operator; the operators are == != < <= > >= in matches".to_owned())
        }
        Some(found) => Ok(found),
        None if rest.starts_with('=') => Err("write `==` instead of `=`".to_owned()),
        None => Err(format!(
            "expected one of == != < <= > >= in matches after the field, found {rest:?}"
        )),
    }
}

fn parse_number(field: Field, operator: &str, value: &str) -> Result<Test, String> {
    let operator = match operator {
        "==" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "in" => return parse_list(field, value),
        _ => {
            return Err(format!(
                "`{operator}` compares text, and {} is a number",
                field.name()
            ));
        }
    };
    Ok(Test::Compare(operator, parse_value(field, value)?))
}

/// Reads `(200-299, 404)`.
fn parse_list(field: Field, value: &str) -> Result<Test, String> {
    let inner = value
        .strip_prefix('(')
        .and_then(|value| value.strip_suffix(')'))
        .ok_or("`in` needs a list in parentheses, such as (200-299, 404)")?;
    let ranges: Result<Vec<_>, String> = inner
        .split(',')
        .map(|item| parse_range(field, item.trim()))
        .collect();
    Ok(Test::In(ranges?))
}

fn parse_range(field: Field, item: &str) -> Result<RangeInclusive<f64>, String> {
    let Some((from, to)) = item.split_once('-') else {
        let value = parse_value(field, item)?;
        return Ok(value..=value);
    };
    let (from, to) = (
        parse_value(field, from.trim())?,
        parse_value(field, to.trim())?,
    );
    if from > to {
        return Err(format!(
            "the range {item} is empty: its end is before its start"
        ));
    }
    Ok(from..=to)
}

fn parse_value(field: Field, value: &str) -> Result<f64, String> {
    let wrong = |expected: &str| {
        Err(format!(
            "{value:?} is not a valid value for {}; expected {expected}",
            field.name()
        ))
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    match field.unit() {
        Unit::Duration => match parse_duration(value) {
            Some(duration) => Ok(duration.as_secs_f64()),
            None => wrong("a time with its unit, such as 800ms or 2s"),
        },
        Unit::Percent => match number(value.trim_end_matches('%').trim_end()) {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
            _ => wrong("a percentage from 0 to 100"),
        },
        Unit::Bytes => match parse_bytes(value) {
            Some(bytes) => Ok(bytes),
            None => wrong("a size such as 5GB or 512MiB"),
        },
        Unit::Number | Unit::Text => match number(value) {
            Some(number) => Ok(number),
            None => wrong("a number"),
        },
    }
}

fn parse_bytes(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

fn parse_text(field: Field, operator: &str, value: &str) -> Result<Test, String> {
    let text = unquote(value)?;
    match operator {
        "matches" | "not matches" => Ok(Test::Matches {
            pattern: compile(&text)?,
            negated: operator == "not matches",
        }),
        "==" | "!=" => Ok(Test::Text {
            text,
            negated: operator == "!=",
        }),
        _ => Err(format!(
            "{} is text; compare it with matches, not matches, == or !=",
            field.name()
        )),
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    let regex = builder.size_limit(LARGEST_PATTERN).build();
    regex.map_err(|error| {
        // The last line of several says what is wrong; the others repeat the pattern.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        format!(
            "invalid regular expression: {}",
            reason.trim_start_matches("error: ")
        )
    })
}

/// Takes the quotes away; a backslash escapes the quote alone, so that patterns keep theirs.
fn unquote(value: &str) -> Result<String, String> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        return Err("text needs quotes, such as body matches \"cart\"".to_owned());
    };
    let inner = value
        .strip_prefix(quote)
        .and_then(|value| value.strip_suffix(quote));
    match inner {
        Some(inner) if value.len() > 1 => {
            Ok(inner.replace(&format!("\\{quote}"), &quote.to_string()))
        }
        _ => Err("the closing quote is missing".to_owned()),
    }
}
