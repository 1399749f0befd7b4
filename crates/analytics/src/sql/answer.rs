//! The result of a query, as data and as text.

use std::borrow::Cow;
use std::io::{self, Write};

use dragline_schema::Timestamp;
use polars::prelude::*;
use serde_json::{Map, Value};

/// The result of a query: rows with named columns.
#[derive(Debug, Clone)]
pub struct Answer(DataFrame);

impl Answer {
    pub(super) fn new(frame: DataFrame) -> Self {
        Self(frame)
    }

    /// The columns' names, in order.
    pub fn columns(&self) -> Vec<String> {
        let names = self.0.get_column_names().into_iter();
        names.map(PlSmallStr::to_string).collect()
    }

    /// Whether each column holds numbers.
    pub fn are_numbers(&self) -> Vec<bool> {
        let columns = self.0.columns().iter();
        columns.map(|column| column.dtype().is_numeric()).collect()
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.0.height()
    }

    /// A row's values, in the columns' order.
    pub fn row(&self, row: usize) -> Vec<Value> {
        let columns = self.0.columns().iter();
        columns
            .map(|column| column.get(row).map_or(Value::Null, value))
            .collect()
    }

    /// Writes the rows as JSON objects, one per line.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let names = self.columns();
        for row in 0..self.height() {
            let cells = names.iter().cloned().zip(self.row(row));
            serde_json::to_writer(&mut *out, &cells.collect::<Map<_, _>>())?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Writes the rows as CSV (RFC 4180) with a header line; null becomes an empty cell.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write_csv(&self, out: &mut dyn Write, cells: Cells) -> io::Result<()> {
        let mut line = |texts: Vec<String>| {
            let texts: Vec<String> = texts.iter().map(|text| quoted(&cells.text(text))).collect();
            writeln!(out, "{}", texts.join(","))
        };
        line(self.columns())?;
        (0..self.height()).try_for_each(|row| line(self.row(row).iter().map(shown).collect()))
    }

    /// Writes the rows as Parquet.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write_parquet(&self, out: impl Write) -> io::Result<()> {
        let written = ParquetWriter::new(out).finish(&mut self.0.clone());
        written.map(drop).map_err(io::Error::other)
    }
}

/// How CSV cells are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cells {
    /// Unchanged.
    Plain,
    /// With an apostrophe before text that a spreadsheet would take for a formula.
    Safe,
}

impl Cells {
    fn text(self, text: &str) -> Cow<'_, str> {
        // Spreadsheets ignore leading whitespace, and treat full-width signs like ASCII ones.
        const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
        let is_formula = text.starts_with(['\t', '\r', '\n'])
            || (text.trim_start().starts_with(SIGNS) && text.parse::<f64>().is_err());
        if self == Self::Safe && is_formula {
            Cow::Owned(format!("'{text}"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// A value as text; null is an empty string.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

fn value(value: AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(flag) => Value::Bool(flag),
        AnyValue::String(text) => Value::String(text.to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::Datetime(time, unit, _) | AnyValue::DatetimeOwned(time, unit, _) => {
            Value::String(time_text(time, unit))
        }
        AnyValue::Float32(number) => f64::from(number).into(),
        AnyValue::Float64(number) => number.into(),
        other => match (other.extract::<u64>(), other.extract::<i64>()) {
            (Some(number), _) if other.is_primitive_numeric() => number.into(),
            (_, Some(number)) if other.is_primitive_numeric() => number.into(),
            _ => Value::String(other.to_string()),
        },
    }
}

fn time_text(time: i64, unit: TimeUnit) -> String {
    let micros = match unit {
        TimeUnit::Nanoseconds => time.div_euclid(1000),
        TimeUnit::Microseconds => time,
        TimeUnit::Milliseconds => time.saturating_mul(1000),
    };
    Timestamp::from_micros(micros).to_string()
}
