//! The description of the API (`OpenAPI` 3.1), made from the table of routes.

use axum::http::Method;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Required,
    ResponseBuilder, Schema, SecurityRequirement,
};

use super::{routes, shape};
use crate::http::{Kind, Param, ProblemBody, Route};
use crate::token::Role;

const ABOUT: &str = "The API of Dragline's monitor. Times are RFC 3339 in UTC; shares are between 0 and 1; unknown is null, \
     never 0. Lists are answered in parts: go on with `cursor`, the `next` of the answer before. Answers have an `ETag`. \
     Problems are `application/problem+json` with a sentence in `detail`. Unknown parameters are refused.";

type Schemas = Vec<(String, RefOr<Schema>)>;

/// The description of the API. It is served at `/api/v1/openapi.json`.
pub fn openapi() -> OpenApi {
    let mut schemas = Schemas::new();
    let problem = shape::<ProblemBody>(&mut schemas);
    let mut paths = PathsBuilder::new();
    for route in routes() {
        let item = PathItem::new(method_of(&route), operation(&route, &problem, &mut schemas));
        paths = paths.path(route.path, item);
    }
    let mut components = ComponentsBuilder::new().security_scheme(
        "token",
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
    );
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Dragline")
                .version("1")
                .description(Some(ABOUT))
                .build(),
        )
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

fn method_of(route: &Route) -> HttpMethod {
    match route.method {
        Method::POST => HttpMethod::Post,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route, problem: &RefOr<Schema>, schemas: &mut Schemas) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .summary(Some(route.summary))
        .operation_id(Some(operation_id(route)));
    for name in route.path_params() {
        operation = operation.parameter(parameter(name, "", ParameterIn::Path));
    }
    let is_ingest = route.role == Role::Ship && route.method == Method::POST;
    if route.method == Method::POST && !is_ingest && !route.params.is_empty() {
        operation = operation.request_body(Some(body(&route.params)));
    } else {
        for Param { name, about } in &route.params {
            operation = operation.parameter(parameter(name, about, ParameterIn::Query));
        }
    }
    if is_ingest {
        let bytes = ContentBuilder::new().build();
        let body = RequestBodyBuilder::new().content("application/octet-stream", bytes);
        operation = operation.request_body(Some(body.build()));
    }
    if let Some((media_type, shape)) = route.answer {
        let schema = shape.map(|shape| shape(schemas));
        let content = ContentBuilder::new().schema(schema).build();
        let answer = ResponseBuilder::new()
            .description("The answer")
            .content(media_type, content);
        operation = operation.response("200", answer.build());
    }
    let content = ContentBuilder::new().schema(Some(problem.clone())).build();
    let refusal = ResponseBuilder::new()
        .description("A problem")
        .content("application/problem+json", content);
    operation = operation.response("default", refusal.build());
    if route.kind != Kind::Public {
        let needed = SecurityRequirement::new("token", [route.role.name()]);
        operation = operation.security(needed);
    }
    operation
}

/// `get_errors_groups_id`; of the aliases `get_api_…`, of routes at the root `get_service_…`.
fn operation_id(route: &Route) -> String {
    let path = match route.path.strip_prefix("/api/v1") {
        Some(path) => path.to_owned(),
        None if route.path.starts_with("/api/") => route.path.to_owned(),
        None => format!("/service{}", route.path),
    };
    let words = path.split(['/', '.']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| word.trim_matches(['{', '}'])).collect();
    format!(
        "{}_{}",
        route.method.as_str().to_lowercase(),
        words.join("_")
    )
}

fn parameter(name: &str, about: &str, place: ParameterIn) -> ParameterBuilder {
    let is_path = matches!(place, ParameterIn::Path);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(if is_path {
            Required::True
        } else {
            Required::False
        })
        .description((!about.is_empty()).then_some(about))
        .schema(Some(
            ObjectBuilder::new().schema_type(SchemaType::new(Type::String)),
        ))
}

fn body(params: &[Param]) -> utoipa::openapi::request_body::RequestBody {
    let object = params
        .iter()
        .fold(ObjectBuilder::new(), |object, Param { name, about }| {
            let text = ObjectBuilder::new()
                .schema_type(SchemaType::new(Type::String))
                .description(Some(*about));
            object.property(*name, text)
        });
    let schema = object.build();
    let content = || ContentBuilder::new().schema(Some(schema.clone())).build();
    RequestBodyBuilder::new()
        .content("application/json", content())
        .content("application/x-www-form-urlencoded", content())
        .build()
}
