//! Parses levels: words, and numbers on each writer's own scale.

use dragline_schema::{Level, Value};

/// The scale that a field name implies, whichever library writes it.
pub(super) fn scale_named(name: &str) -> Option<Scale> {
    Some(match name {
        "levelno" => Scale::Python,
        "severity_number" | "severityNumber" | "SeverityNumber" => Scale::OpenTelemetry,
        "PRIORITY" | "priority" => Scale::Syslog,
        "SeverityLevel" => Scale::Azure,
        "logLevel" => Scale::Node,
        _ => return None,
    })
}

/// A numeric scale of levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scale {
    /// 10 is debug.
    #[default]
    Python,
    /// 10 is trace: pino, bunyan.
    Node,
    /// 7 is debug, 0 is emergency.
    Syslog,
    /// 1 is trace, 21 is fatal.
    OpenTelemetry,
    /// 0 is verbose, 4 is critical.
    Azure,
}

pub(super) fn level_of(value: &Value<'_>, scale: Scale) -> Option<Level> {
    match value {
        Value::Str(word) => {
            Level::from_word(word).or_else(|| numeric_level(word.parse().ok()?, scale))
        }
        other => numeric_level(other.as_u64()?, scale),
    }
}

/// 10 is trace in pino and bunyan, debug in Python; 0 to 7 are syslog levels; thousands are logstash levels.
pub(super) fn numeric_level(number: u64, scale: Scale) -> Option<Level> {
    let step = match scale {
        Scale::OpenTelemetry => Some(number.checked_sub(1)? / 4),
        // Azure's lowest level is debug.
        Scale::Azure => Some(number.saturating_add(1)),
        _ => None,
    };
    if let Some(step) = step {
        let steps = [
            Level::Trace,
            Level::Debug,
            Level::Info,
            Level::Warn,
            Level::Error,
            Level::Critical,
        ];
        return steps.get(usize::try_from(step).ok()?).copied();
    }
    Some(match number {
        0..=2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        7 => Level::Debug,
        1000.. => return numeric_level(number / 1000, Scale::Python),
        // Monolog's levels are multiples of 50 from 100.
        100.. if number.is_multiple_of(50) => match number {
            100 => Level::Debug,
            200 | 250 | 800 => Level::Info,
            300 | 900 => Level::Warn,
            400 => Level::Error,
            _ => Level::Critical,
        },
        // 10 is debug in Python, trace in pino.
        _ => {
            let steps = [
                Level::Trace,
                Level::Debug,
                Level::Info,
                Level::Warn,
                Level::Error,
            ];
            let tens = (number / 10) as usize;
            let step = if scale == Scale::Node {
                tens.saturating_sub(1)
            } else {
                tens
            };
            steps.get(step).copied().unwrap_or(Level::Critical)
        }
    })
}
