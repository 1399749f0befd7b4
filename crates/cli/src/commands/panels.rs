//! Runs the SQL panels of the configuration.

use dragline_analytics::sql::{self, Answer};
use dragline_report::model::Panel;

use super::sql::with_question;
use crate::args::ReadArgs;
use crate::config::PanelConfig;
use crate::session::Session;

/// Runs the query of every panel; if a query fails, the panel contains the error message.
pub(super) fn panels(session: &Session, args: &ReadArgs) -> anyhow::Result<Vec<Panel>> {
    let panel = |panel: &PanelConfig| -> anyhow::Result<Panel> {
        let mut told = Panel {
            title: panel.title.clone(),
            sql: panel.sql.clone(),
            columns: Vec::new(),
            rows: Vec::new(),
            chart: None,
            error: None,
        };
        if args.history.from_rollups || args.logs.iter().any(|input| input == "-") {
            let sentence = "Not available: panels need logs that can be read twice, not standard input or a history.";
            told.error = Some(sentence.to_owned());
            return Ok(told);
        }
        match with_question(session, &args.logs, &args.input, |question| {
            sql::ask(question, &panel.sql)
        }) {
            Ok(sql::Asked { answer, .. }) => {
                told.columns = answer.columns();
                told.rows = rows(&answer, panel.limit());
                told.chart = panel.chart(&told.columns);
            }
            Err(error) if error.is::<sql::SqlError>() && !crate::is_cancelled(&error) => {
                told.error = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(told)
    };
    session.config.report.panels.iter().map(panel).collect()
}

fn rows(answer: &Answer, limit: usize) -> Vec<Vec<serde_json::Value>> {
    (0..answer.height().min(limit))
        .map(|row| answer.row(row))
        .collect()
}
