//! Rewrites common SQL that the engine does not support into SQL that it does.
//!
//! - `count(*)` and other functions without a name are named as they are written.
//! - `ORDER BY count(*)`: the engine sorts only by names, so an expression that is sorted by gets an alias. If it is not
//!   selected, it is selected in a subquery.
//! - `date_trunc('hour', at)`: the time is formatted to that unit and parsed again.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, OrderByKind, Query,
    SelectItem, SetExpr, Value, VisitMut as _, VisitorMut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

/// The rewritten query; unchanged if nothing needs rewriting, or if the query cannot be parsed.
pub(super) fn translated(query: &str) -> String {
    let small = query.to_ascii_lowercase();
    if !small.contains('(') {
        return query.to_owned();
    }
    let options = ParserOptions {
        trailing_commas: true,
        ..ParserOptions::default()
    };
    let parser = Parser::new(&GenericDialect).with_options(options);
    let parsed = parser.try_with_sql(query);
    let Ok(mut statements) = parsed.and_then(|mut parser| parser.parse_statements()) else {
        return query.to_owned();
    };
    let mut translator = Translator { changed: false };
    let _ = statements.visit(&mut translator);
    if !translator.changed {
        return query.to_owned();
    }
    let texts: Vec<String> = statements.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

struct Translator {
    changed: bool,
}

impl VisitorMut for Translator {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.changed |= name_what_is_sorted_by(query);
        self.changed |= select_what_is_sorted_by(query);
        if let SetExpr::Select(select) = &mut *query.body {
            self.changed |= name_functions(&mut select.projection);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(other) = truncated(function)
        {
            *expr = other;
            self.changed = true;
        }
        ControlFlow::Continue(())
    }
}

/// Names selected functions as they are written: the engine would call `count(*)` `len`, and `min(a), max(a)` both
/// `a`.
fn name_functions(projection: &mut [SelectItem]) -> bool {
    let mut changed = false;
    for item in projection {
        if let SelectItem::UnnamedExpr(expr) = item
            && let Expr::Function(function) = expr
            // It stands for several columns.
            && !function.name.to_string().eq_ignore_ascii_case("columns")
        {
            let alias = Ident::with_quote('"', expr.to_string().replace('"', "'"));
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias,
            };
            changed = true;
        }
    }
    changed
}

/// Gives selected expressions that are also sorted by an alias, and sorts by the alias.
fn name_what_is_sorted_by(query: &mut Query) -> bool {
    let (Some(order), SetExpr::Select(select)) = (&mut query.order_by, &mut *query.body) else {
        return false;
    };
    let OrderByKind::Expressions(sorted) = &mut order.kind else {
        return false;
    };
    let mut changed = false;
    for by in sorted {
        if !is_computed(&by.expr) {
            continue;
        }
        let same = |expr: &Expr| expr.to_string().eq_ignore_ascii_case(&by.expr.to_string());
        let selected = select.projection.iter_mut().find(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => same(expr),
            _ => false,
        });
        let Some(selected) = selected else { continue };
        if let SelectItem::UnnamedExpr(expr) = selected {
            let alias = Ident::with_quote('"', expr.to_string().replace('"', "'"));
            *selected = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias,
            };
        }
        if let SelectItem::ExprWithAlias { alias, .. } = selected {
            by.expr = Expr::Identifier(alias.clone());
            changed = true;
        }
    }
    changed
}

/// Selects expressions that are only sorted by, in a subquery, because the result must not contain them:
/// `SELECT host … ORDER BY count(*)` becomes
/// `SELECT * EXCLUDE ("sorted by 1") FROM (SELECT host, count(*) AS "sorted by 1" … ORDER BY "sorted by 1")`.
fn select_what_is_sorted_by(query: &mut Query) -> bool {
    let (Some(order), SetExpr::Select(select)) = (&mut query.order_by, &mut *query.body) else {
        return false;
    };
    let OrderByKind::Expressions(sorted) = &mut order.kind else {
        return false;
    };
    // `SELECT DISTINCT` cannot be sorted by what it does not select.
    if select.distinct.is_some() {
        return false;
    }
    let mut added = Vec::new();
    for (place, by) in sorted.iter_mut().enumerate() {
        if !is_computed(&by.expr) {
            continue;
        }
        let alias = Ident::with_quote('"', format!("sorted by {}", place + 1));
        let by = std::mem::replace(&mut by.expr, Expr::Identifier(alias.clone()));
        select.projection.push(SelectItem::ExprWithAlias {
            expr: by,
            alias: alias.clone(),
        });
        added.push(alias.to_string());
    }
    if added.is_empty() {
        return false;
    }
    let with = query.with.take();
    let text = format!(
        "SELECT * EXCLUDE ({}) FROM ({query}) AS \"sorted\"",
        added.join(", ")
    );
    let outer = Parser::parse_sql(&GenericDialect, &text);
    if let Ok(mut statements) = outer
        && let Some(sqlparser::ast::Statement::Query(outer)) = statements.pop()
    {
        *query = *outer;
    }
    query.with = with;
    true
}

/// Whether an expression is more than a name or a position.
fn is_computed(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Function(_) | Expr::BinaryOp { .. } | Expr::Cast { .. } | Expr::Case { .. }
    )
}

/// For each unit, the format that truncates a time, and the format that parses the result.
const UNITS: [(&str, &str, &str); 7] = [
    ("second", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S"),
    ("minute", "%Y-%m-%d %H:%M:00", "%Y-%m-%d %H:%M:%S"),
    ("hour", "%Y-%m-%d %H:00:00", "%Y-%m-%d %H:%M:%S"),
    ("day", "%Y-%m-%d 00:00:00", "%Y-%m-%d %H:%M:%S"),
    ("week", "%G-W%V-1 00:00:00", "%G-W%V-%u %H:%M:%S"),
    ("month", "%Y-%m-01 00:00:00", "%Y-%m-%d %H:%M:%S"),
    ("year", "%Y-01-01 00:00:00", "%Y-%m-%d %H:%M:%S"),
];

/// Rewrites `date_trunc('hour', at)` for the engine; `None` if the call is not a `date_trunc` with a known unit.
fn truncated(function: &Function) -> Option<Expr> {
    if !function.name.to_string().eq_ignore_ascii_case("date_trunc") {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(unit)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(time)),
    ] = &list.args[..]
    else {
        return None;
    };
    let Expr::Value(unit) = unit else { return None };
    let Value::SingleQuotedString(unit) = &unit.value else {
        return None;
    };
    let known = UNITS
        .iter()
        .find(|(name, ..)| unit.eq_ignore_ascii_case(name));
    let (_, written, read) = known?;
    let text = format!("SELECT STRPTIME(STRFTIME({time}, '{written}'), '{read}')");
    let statements = Parser::parse_sql(&GenericDialect, &text).ok()?;
    let sqlparser::ast::Statement::Query(query) = statements.into_iter().next()? else {
        return None;
    };
    let SetExpr::Select(select) = *query.body else {
        return None;
    };
    match select.projection.into_iter().next()? {
        SelectItem::UnnamedExpr(expr) => Some(expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_said_in_the_engines_words() {
        for (written, expected) in [
            (
                "SELECT host, count(*) FROM requests GROUP BY host ORDER BY COUNT(*) DESC",
                "SELECT host, count(*) AS \"count(*)\" FROM requests GROUP BY host ORDER BY \"count(*)\" DESC",
            ),
            (
                "SELECT host, count(*) n FROM requests GROUP BY host ORDER BY count(*)",
                "SELECT host, count(*) AS n FROM requests GROUP BY host ORDER BY n",
            ),
            (
                "WITH r AS (SELECT host FROM requests) SELECT host FROM r GROUP BY host ORDER BY count(*) DESC LIMIT 3",
                "WITH r AS (SELECT host FROM requests) SELECT * EXCLUDE (\"sorted by 1\") FROM (SELECT host, count(*) \
                 AS \"sorted by 1\" FROM r GROUP BY host ORDER BY \"sorted by 1\" DESC LIMIT 3) AS \"sorted\"",
            ),
            (
                "SELECT date_trunc('day', at) d FROM requests",
                "SELECT STRPTIME(STRFTIME(at, '%Y-%m-%d 00:00:00'), '%Y-%m-%d %H:%M:%S') AS d FROM requests",
            ),
        ] {
            assert_eq!(translated(written), expected);
        }
        assert_eq!(
            translated("SELECT min(bytes), max(bytes) FROM requests"),
            "SELECT min(bytes) AS \"min(bytes)\", max(bytes) AS \"max(bytes)\" FROM requests"
        );
        for same in [
            "SELECT host FROM requests ORDER BY host",
            "SELECT host n FROM requests ORDER BY 1 DESC",
            "no query order by",
            "SELECT date_trunc('age', at) AS a FROM requests",
        ] {
            assert_eq!(translated(same), same);
        }
    }
}
