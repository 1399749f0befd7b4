//! The table from which the router, the checks of parameters and the description of the API are made.

use axum::http::Method;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::{Call, Problem, Reply};
use crate::feed::Topic;
use crate::token::Role;

/// Answers a request. It may block.
pub(crate) type Handler = fn(&Call<'_>) -> Result<Reply, Problem>;

/// Gives the schema of an answer and collects those that it refers to.
pub(crate) type Shape = fn(&mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema>;

/// What a route is for, which decides how problems look and what the description contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Part of the API: problems are JSON, unknown parameters are refused.
    Api,
    /// A page.
    Page,
    /// A style sheet, a script or the sign-in: for everybody.
    Public,
    /// The stream of changes.
    Stream,
}

/// A parameter of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Param {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it means and what is allowed.
    pub(crate) about: &'static str,
}

/// Declares a parameter.
pub(crate) const fn param(name: &'static str, about: &'static str) -> Param {
    Param { name, about }
}

/// One route.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    /// What a caller must be allowed.
    pub(crate) role: Role,
    pub(crate) handler: Handler,
    /// What the answer is made of; without topics it is made anew for each request.
    pub(crate) topics: &'static [Topic],
    pub(crate) params: Vec<Param>,
    /// One line for the description.
    pub(crate) summary: &'static str,
    /// The media type and the schema of the answer.
    pub(crate) answer: Option<(&'static str, Option<Shape>)>,
}

impl Route {
    pub(crate) fn new(method: Method, path: &'static str, kind: Kind, handler: Handler) -> Self {
        let role = if method == Method::POST || method == Method::DELETE {
            Role::Act
        } else {
            Role::Read
        };
        Self {
            method,
            path,
            kind,
            role,
            handler,
            topics: &[],
            params: Vec::new(),
            summary: "",
            answer: None,
        }
    }

    /// The names in braces.
    pub(crate) fn path_params(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
