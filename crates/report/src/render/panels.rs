//! Charts of the SQL panels of the configuration.

use dragline_charts::{Bar, BarRow, Chart as _, HeatMap, Series, TimeSeries};
use dragline_insights::{hour, weekday};
use dragline_schema::Timestamp;
use serde_json::Value;

use crate::model::{Panel, PanelChart};

/// Maximum number of lines that can be distinguished.
const MOST_LINES: usize = 7;
/// Maximum number of bars.
const MOST_BARS: usize = 40;

/// Renders the chart as HTML.
///
/// # Errors
/// A sentence that says why it cannot be drawn.
pub(super) fn figure(panel: &Panel, chart: &PanelChart) -> Result<String, String> {
    let x = column(panel, &chart.x)?;
    let y: Vec<usize> = chart
        .y
        .iter()
        .map(|name| column(panel, name))
        .collect::<Result<_, _>>()?;
    let drawn = match &*chart.kind {
        "line" => lines(panel, x, &y)?.figure(),
        "bar" => bars(panel, x, first(&y)?).figure(),
        _ => week(panel, x, first(&y)?)?.figure(),
    };
    Ok(drawn)
}

fn first(columns: &[usize]) -> Result<usize, String> {
    let none = || "Chart not drawn: the query returns no second column.".to_owned();
    columns.first().copied().ok_or_else(none)
}

fn column(panel: &Panel, name: &str) -> Result<usize, String> {
    let found = panel.columns.iter().position(|column| column == name);
    found.ok_or_else(|| {
        let all = panel.columns.join(", ");
        format!("Chart not drawn: the result has no column `{name}`; its columns are {all}.")
    })
}

fn number(row: &[Value], column: usize) -> Option<f64> {
    row.get(column)?.as_f64()
}

/// Parses a time or a date to microseconds.
fn time(row: &[Value], column: usize) -> Option<i64> {
    let text = row.get(column)?.as_str()?;
    let whole = || Timestamp::parse(text).ok();
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z")).ok();
    Some(whole().or_else(day)?.as_micros())
}

/// Returns the times of a column, one per row.
fn times(panel: &Panel, x: usize) -> Result<Vec<i64>, String> {
    let times: Option<Vec<i64>> = panel.rows.iter().map(|row| time(row, x)).collect();
    let name = panel.columns.get(x).map_or("x", String::as_str);
    times.ok_or_else(|| format!("Chart not drawn: `{name}` contains a value that is not a time."))
}

fn lines(panel: &Panel, x: usize, y: &[usize]) -> Result<TimeSeries, String> {
    let line = |column: &usize| Series {
        label: panel.columns.get(*column).cloned().unwrap_or_default(),
        values: panel.rows.iter().map(|row| number(row, *column)).collect(),
    };
    Ok(TimeSeries {
        title: panel.title.clone(),
        desc: panel.sql.clone(),
        times: times(panel, x)?,
        series: y.iter().take(MOST_LINES).map(line).collect(),
        from_zero: true,
        ..TimeSeries::default()
    })
}

fn bars(panel: &Panel, x: usize, y: usize) -> BarRow {
    let bar = |row: &Vec<Value>| Bar {
        label: match row.get(x) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "?".to_owned(),
            Some(other) => other.to_string(),
        },
        value: number(row, y),
    };
    BarRow {
        title: panel.title.clone(),
        desc: panel.sql.clone(),
        unit: panel.columns.get(y).cloned().unwrap_or_default(),
        bars: panel.rows.iter().take(MOST_BARS).map(bar).collect(),
        ..BarRow::default()
    }
}

/// Computes the means by weekday and hour.
fn week(panel: &Panel, x: usize, y: usize) -> Result<HeatMap, String> {
    let mut sums = [[(0.0, 0u32); 24]; 7];
    for (at, row) in times(panel, x)?.into_iter().zip(&panel.rows) {
        if let Some(value) = number(row, y) {
            let (sum, count) = &mut sums[weekday(at) as usize][hour(at) as usize];
            *sum += value;
            *count += 1;
        }
    }
    let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
    Ok(HeatMap {
        title: panel.title.clone(),
        desc: panel.sql.clone(),
        unit: panel.columns.get(y).cloned().unwrap_or_default(),
        cells: sums.map(|day| day.map(mean)),
        ..HeatMap::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn panel() -> Panel {
        let rows = [("2026-03-04T11:00:00Z", 3.0), ("2026-03-05", 4.0)];
        Panel {
            title: "Prices".into(),
            sql: "SELECT".into(),
            columns: vec!["at".into(), "price".into()],
            rows: rows
                .map(|(at, price)| vec![json!(at), json!(price)])
                .to_vec(),
            chart: None,
            error: None,
        }
    }

    fn chart(kind: &str, x: &str, y: &str) -> Result<String, String> {
        let chart = PanelChart {
            kind: kind.into(),
            x: x.into(),
            y: vec![y.into()],
        };
        figure(&panel(), &chart)
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        for kind in ["line", "bar", "heatmap"] {
            assert!(
                chart(kind, "at", "price").unwrap().contains("<svg"),
                "{kind}"
            );
        }
        let no_column = chart("bar", "at", "prize").unwrap_err();
        assert!(no_column.contains("`prize`") && no_column.contains("at, price"));
        let no_time = chart("line", "price", "at").unwrap_err();
        assert!(no_time.contains("not a time"), "{no_time}");
    }
}
