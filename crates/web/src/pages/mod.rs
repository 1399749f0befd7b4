//! Pages.
use crate::http::{Caller, Problem, Reply, Route};

pub(crate) fn routes() -> Vec<Route> {
    Vec::new()
}
pub(crate) fn sign_in_page(_base: &str) -> Reply {
    Reply::html(String::new())
}
pub(crate) fn problem_page(_base: &str, problem: &Problem, _caller: Option<&Caller>) -> Reply {
    Reply::html(problem.detail.clone())
}
