//! The API: `/api/v1`, the aliases of the original feature list, and what probes and Prometheus ask.

mod aliases;
mod openapi;
mod params;
pub(crate) mod queries;
mod read;
mod service;
pub(crate) mod write;

use axum::http::Method;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Ref, Schema};
use utoipa::{PartialSchema as _, ToSchema};

use crate::http::{Handler, Kind, Param, Route};
use crate::query::Listing;

pub use openapi::openapi;

/// All routes of the API.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = read::routes();
    routes.extend(write::routes());
    routes.extend(service::routes());
    routes.extend(aliases::routes());
    routes
}

const JSON: &str = "application/json";

/// The schema of a type, by reference; the type and those that it contains are collected.
fn shape<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    let name = T::name().into_owned();
    if !schemas.iter().any(|(known, _)| *known == name) {
        schemas.push((name.clone(), T::schema()));
        T::schemas(schemas);
    }
    Ref::from_schema_name(name).into()
}

/// The schema of a list of `T`. The library gives lists of all types the same name.
fn list_shape<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    shape::<T>(schemas);
    let name = format!("{}List", T::name());
    if !schemas.iter().any(|(known, _)| *known == name) {
        schemas.push((name.clone(), Listing::<T>::schema()));
    }
    Ref::from_schema_name(name).into()
}

/// A route that answers a part of a list of `T`.
fn list<T: ToSchema>(
    path: &'static str,
    params: &[Param],
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route {
        answer: Some((JSON, Some(list_shape::<T>))),
        ..get::<T>(path, params, summary, handler)
    }
}

/// A route that answers JSON of type `T`.
fn get<T: ToSchema>(
    path: &'static str,
    params: &[Param],
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route {
        params: params.to_vec(),
        summary,
        answer: Some((JSON, Some(shape::<T>))),
        ..Route::new(Method::GET, path, Kind::Api, handler)
    }
}

/// A route that changes something and answers JSON of type `T`.
fn post<T: ToSchema>(
    path: &'static str,
    params: &[Param],
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method: Method::POST,
        role: crate::token::Role::Act,
        ..get::<T>(path, params, summary, handler)
    }
}
