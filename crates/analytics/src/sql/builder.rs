//! Collects rows into columns.

use polars::prelude::*;

use super::tables::{Cell, Column, Kind};
use dragline_scan::Row;

/// The columns of a table that is being built.
pub(super) struct Builder {
    columns: Vec<(&'static Column, Values)>,
    rows: usize,
    /// The approximate memory size of the rows.
    bytes: usize,
}

/// The approximate size of a value, in bytes; for text, the overhead per value.
const VALUE: usize = 16;

enum Values {
    Text(StringChunkedBuilder),
    Count(PrimitiveChunkedBuilder<Int64Type>),
    Number(PrimitiveChunkedBuilder<Float64Type>),
    Flag(BooleanChunkedBuilder),
    Time(PrimitiveChunkedBuilder<Int64Type>),
}

impl Builder {
    /// Creates columns without rows.
    pub(super) fn new(columns: impl IntoIterator<Item = &'static Column>) -> Self {
        let columns = columns.into_iter();
        Self {
            columns: columns
                .map(|column| (column, Values::new(column)))
                .collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// The approximate memory size of the rows, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.rows += 1;
        for (column, values) in &mut self.columns {
            let cell = column.value(row);
            self.bytes += VALUE;
            if let Cell::Text(text) = &cell {
                self.bytes += text.len();
            }
            values.push(cell);
        }
    }

    /// Returns the collected rows as a frame and resets the builder.
    pub(super) fn take(&mut self) -> PolarsResult<DataFrame> {
        let height = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let finish = |(column, values): &mut (&'static Column, Values)| {
            std::mem::replace(values, Values::new(column)).finish()
        };
        let columns: PolarsResult<Vec<_>> = self.columns.iter_mut().map(finish).collect();
        DataFrame::new(height, columns?)
    }
}

impl Values {
    fn new(column: &Column) -> Self {
        let name = || column.name.into();
        match column.kind {
            Kind::Text => Self::Text(StringChunkedBuilder::new(name(), 0)),
            Kind::Count => Self::Count(PrimitiveChunkedBuilder::new(name(), 0)),
            Kind::Number => Self::Number(PrimitiveChunkedBuilder::new(name(), 0)),
            Kind::Flag => Self::Flag(BooleanChunkedBuilder::new(name(), 0)),
            Kind::Time => Self::Time(PrimitiveChunkedBuilder::new(name(), 0)),
        }
    }

    /// Appends a cell; a cell of another kind becomes null.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(values), Cell::Text(text)) => values.append_value(text),
            (Self::Text(values), _) => values.append_null(),
            (Self::Count(values), Cell::Count(count)) => values.append_value(count as i64),
            (Self::Number(values), Cell::Number(number)) => values.append_value(number),
            (Self::Number(values), _) => values.append_null(),
            (Self::Flag(values), Cell::Flag(flag)) => values.append_value(flag),
            (Self::Flag(values), _) => values.append_null(),
            (Self::Time(values), Cell::Time(time)) => values.append_value(time),
            (Self::Count(values) | Self::Time(values), _) => values.append_null(),
        }
    }

    fn finish(self) -> PolarsResult<polars::prelude::Column> {
        let series = match self {
            Self::Text(values) => values.finish().into_series(),
            Self::Count(values) => values.finish().into_series(),
            Self::Number(values) => values.finish().into_series(),
            Self::Flag(values) => values.finish().into_series(),
            Self::Time(values) => {
                let micros = values.finish().into_series();
                micros.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?
            }
        };
        Ok(series.into())
    }
}
