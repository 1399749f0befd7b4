//! Alerts, silences and health as the API shows them. Their own crates may change how they store things.

mod alerts;
mod health;

use serde::Serialize;

pub use alerts::{AlertDetailView, AlertEvent, AlertSummaryView, AlertView, SilenceView};
pub use health::{CheckView, HealthChange, HealthHistoryView, HealthResult, HealthView};

/// The name of a value in data.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}
