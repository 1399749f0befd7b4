//! `SHOW TABLES` and `DESCRIBE TABLE`, which are answered without reading any log.

use polars::prelude::*;

use super::tables::TABLES;
use super::{Answer, COUNTED, Kind, SqlError, has_counters, words_of};
use crate::frames::COUNTERS;

/// The answer to `SHOW TABLES`, `DESCRIBE TABLE` and `DESC TABLE`; `None` for any other query.
///
/// # Errors
/// If there is no such table.
pub fn describe(query: &str) -> Option<Result<Answer, SqlError>> {
    let words = words_of(query);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["show", "tables"] => Some(answer([("table", names()), ("about", abouts())])),
        ["describe" | "desc", name] | ["describe" | "desc", "table", name] => Some(columns(name)),
        _ => None,
    }
}

fn names() -> Vec<String> {
    let events = TABLES.iter().map(|table| table.name);
    let all = events.chain(COUNTED.iter().map(|(name, ..)| *name));
    all.map(str::to_owned).collect()
}

fn abouts() -> Vec<String> {
    let events = TABLES.iter().map(|table| table.about);
    let all = events.chain(COUNTED.iter().map(|(_, about, _)| *about));
    all.map(str::to_owned).collect()
}

fn columns(name: &str) -> Result<Answer, SqlError> {
    let (mut columns, mut kinds, mut abouts) = (Vec::new(), Vec::new(), Vec::new());
    let mut add = |name: &str, kind: &str, about: &str| {
        columns.push(name.to_owned());
        kinds.push(kind.to_owned());
        abouts.push(about.trim().trim_end_matches('.').to_owned());
    };
    let event = TABLES.iter().find(|table| table.name == name);
    let counted = COUNTED.iter().find(|(known, ..)| *known == name);
    if let Some(table) = event {
        for column in table.columns() {
            add(column.name, column.kind.as_sql(), column.about);
        }
    } else if let Some((name, _, own)) = counted {
        for (column, kind, about) in *own {
            add(column, kind, about);
        }
        for counter in COUNTERS.iter().filter(|_| has_counters(name)) {
            add(counter.name, Kind::Count.as_sql(), counter.about);
        }
    } else {
        return Err(SqlError::NoTable(format!(" `{name}`"), names().join(", ")));
    }
    answer([("column", columns), ("type", kinds), ("about", abouts)])
}

fn answer<const N: usize>(columns: [(&str, Vec<String>); N]) -> Result<Answer, SqlError> {
    let columns = columns.map(|(name, values)| Column::new(name.into(), values));
    Ok(Answer::new(DataFrame::new_infer_height(columns.into())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_columns_are_told() {
        let rows = |query: &str| describe(query).map(|answer| answer.unwrap().height());
        assert_eq!(rows("SHOW TABLES;"), Some(TABLES.len() + COUNTED.len()));
        assert!(rows("describe requests") > Some(15) && rows("DESC runs") > Some(20));
        assert!(rows("SELECT 1 FROM runs").is_none());
        assert!(describe("DESCRIBE nothing").is_some_and(|answer| answer.is_err()));
    }
}
