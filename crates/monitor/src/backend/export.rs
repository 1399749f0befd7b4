//! Tables as files.

use dragline_web::model::Export;
use dragline_web::{
    Answer, BackendError, ErrorQuery, ExportFormat, ExportQuery, ExportTable, FindingQuery,
    MetricQuery, Page, RunQuery, ScraperQuery,
};
use serde_json::{Map, Value};

use crate::service::Monitor;

type Row = Map<String, Value>;

impl Monitor {
    pub(super) fn make_export(&self, query: &ExportQuery) -> Answer<Export> {
        let rows = self.rows(query)?;
        if rows.len() > ExportQuery::MAX_ROWS {
            return Err(BackendError::BadRequest(format!(
                "the table has more than {} rows: choose a shorter period, or use `dragline export`",
                ExportQuery::MAX_ROWS
            )));
        }
        let name = query.table.name();
        match query.format {
            ExportFormat::Csv => Ok(Export {
                media_type: "text/csv; charset=utf-8".to_owned(),
                file_name: format!("dragline-{name}.csv"),
                bytes: csv(&rows).into_bytes(),
            }),
            ExportFormat::Json => {
                let bytes = serde_json::to_vec_pretty(&rows);
                Ok(Export {
                    media_type: "application/json".to_owned(),
                    file_name: format!("dragline-{name}.json"),
                    bytes: bytes.map_err(|error| BackendError::Unavailable(error.to_string()))?,
                })
            }
        }
    }

    fn rows(&self, query: &ExportQuery) -> Answer<Vec<Row>> {
        let page = Page {
            cursor: None,
            limit: ExportQuery::MAX_ROWS + 1,
        };
        let scope = query.scope.clone();
        match query.table {
            ExportTable::Scrapers => rows_of(
                &self
                    .list_scrapers(&ScraperQuery {
                        scope,
                        page,
                        ..ScraperQuery::default()
                    })?
                    .items,
            ),
            ExportTable::Runs => rows_of(
                &self
                    .list_runs(&RunQuery {
                        scope,
                        window: Some(query.window),
                        page,
                        ..RunQuery::default()
                    })?
                    .items,
            ),
            ExportTable::Days => rows_of(&self.analysis()?.report.daily),
            ExportTable::Errors => rows_of(
                &self
                    .list_groups(&ErrorQuery {
                        scope,
                        category: None,
                        severity: None,
                        state: None,
                        search: None,
                        window: query.window,
                        page,
                    })?
                    .items,
            ),
            ExportTable::Findings => rows_of(
                &self
                    .list_findings(&FindingQuery {
                        scope,
                        window: Some(query.window),
                        page,
                        ..FindingQuery::default()
                    })?
                    .items,
            ),
            ExportTable::Alerts => rows_of(&self.list_alert_history(query.window, &page)?.items),
            ExportTable::Metric => self.metric_rows(query),
        }
    }

    fn metric_rows(&self, query: &ExportQuery) -> Answer<Vec<Row>> {
        let name = query.metric.clone().ok_or_else(|| {
            BackendError::BadRequest("name the metric to export with `metric`".to_owned())
        })?;
        let labels = super::numbers::labels_of(
            query.scope.scraper_id.as_deref(),
            query.scope.site.as_deref(),
        );
        let answer = self.find_metric(&MetricQuery {
            name,
            labels: labels
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            window: query.window,
            step_seconds: 1,
            limit: 1_000,
        })?;
        let mut rows = Vec::new();
        for series in &answer.series {
            for mut row in rows_of(&series.points)? {
                for (name, value) in &series.labels {
                    row.insert(name.clone(), Value::String(value.clone()));
                }
                rows.push(row);
            }
        }
        Ok(rows)
    }
}

/// Objects as rows: inner objects become columns with a point in their names.
fn rows_of(items: &impl serde::Serialize) -> Answer<Vec<Row>> {
    let value = serde_json::to_value(items)
        .map_err(|error| BackendError::Unavailable(error.to_string()))?;
    let Value::Array(items) = value else {
        return Ok(Vec::new());
    };
    let row = |item| {
        let mut row = Row::new();
        flatten("", item, &mut row);
        row
    };
    Ok(items.into_iter().map(row).collect())
}

fn flatten(prefix: &str, value: Value, row: &mut Row) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                let name = if prefix.is_empty() {
                    name
                } else {
                    format!("{prefix}.{name}")
                };
                flatten(&name, value, row);
            }
        }
        other => {
            row.insert(prefix.to_owned(), other);
        }
    }
}

/// Rows as CSV (RFC 4180). What a spreadsheet would calculate begins with an apostrophe.
fn csv(rows: &[Row]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let mut text = columns
        .iter()
        .map(|name| cell(name))
        .collect::<Vec<_>>()
        .join(",")
        + "\r\n";
    for row in rows {
        let cells = columns.iter().map(|name| match row.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => cell(text),
            Some(Value::Number(number)) => number.to_string(),
            Some(other) => cell(&other.to_string()),
        });
        text += &(cells.collect::<Vec<_>>().join(",") + "\r\n");
    }
    text
}

fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("@x\ny"), "\"'@x\ny\"");
        let rows = rows_of(&serde_json::json!([{"a": {"b": -1, "c": null}}, {"d": "x"}])).unwrap();
        assert_eq!(csv(&rows), "a.b,a.c,d\r\n-1,,\r\n,,x\r\n");
    }
}
