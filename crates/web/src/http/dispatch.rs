//! The way of a request: checks, body, parameters, a thread that may block, the answer.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::routing::{MethodFilter, on};
use dragline_schema::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::cache::{Cache, Kept};
use super::call::{Call, Caller, Params};
use super::guard::{Guard, Peer, ask_for_token, protect};
use super::reply::{Rendered, Reply, accepts_gzip};
use super::{Kind, Problem, Route, stream};
use crate::backend::Backend;
use crate::config::{Limits, WebConfig};
use crate::token::{Role, Tokens};
use crate::{api, pages};

/// Parameters that pages add to forms, besides those of the route.
const FORM_PARAMS: [&str; 1] = ["return_to"];

/// Everything that requests share.
pub(crate) struct App {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) guard: Guard,
    pub(crate) base: String,
    pub(crate) limits: Limits,
    pub(crate) streams: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    cache: Cache,
    /// Becomes true when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(
        config: &WebConfig,
        tokens: Tokens,
        key: [u8; 32],
        backend: Arc<dyn Backend>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            backend,
            guard: Guard::new(config, tokens, key),
            base: config.base_path.clone(),
            limits: config.limits,
            streams: Arc::new(Semaphore::new(config.limits.streams)),
            workers: Arc::new(Semaphore::new(config.limits.workers)),
            cache: Cache::default(),
            stopping,
        }
    }

    fn request_time(&self) -> Duration {
        Duration::from_secs(self.limits.request_seconds)
    }
}

/// The router over all routes.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for route in api::routes().into_iter().chain(pages::routes()) {
        let filter = match route.method {
            Method::POST => MethodFilter::POST,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let path = format!("{}{}", app.base, route.path);
        let (app, route) = (app.clone(), Arc::new(route));
        let handler = move |request: Request| {
            let (app, route) = (app.clone(), route.clone());
            async move { answer(&app, &route, request).await }
        };
        router = router.route(&path, on(filter, handler));
    }
    let nothing = Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address");
    let wrong = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address does not take this method",
    );
    router
        .fallback(refusal(app, nothing))
        .method_not_allowed_fallback(refusal(app, wrong))
}

/// A handler that refuses everything.
fn refusal(
    app: &Arc<App>,
    problem: Problem,
) -> impl Fn(Request) -> Ready<Response<Body>> + Clone + Send + Sync + 'static {
    let app = app.clone();
    move |request| ready(refuse(&app, &request, problem.clone()))
}

fn peer_of(request: &Request) -> Peer {
    let peer = request.extensions().get::<Peer>();
    *peer.expect("the server sets the peer of every request")
}

/// Answers a request that no route takes, after the checks that every request has to pass.
fn refuse(app: &App, request: &Request, problem: Problem) -> Response<Body> {
    let peer = peer_of(request);
    let problem = app
        .guard
        .check_host(request.headers(), peer)
        .err()
        .unwrap_or(problem);
    let is_api = below(app, request.uri().path()).starts_with("/api/");
    let kind = if is_api { Kind::Api } else { Kind::Page };
    // Who is known keeps the navigation.
    let caller = app
        .guard
        .identify(kind, request.headers(), app.backend.now());
    let caller = caller.ok().flatten();
    finish(
        app,
        kind,
        "/",
        request.headers(),
        peer,
        Err(problem),
        caller.as_ref(),
    )
}

/// The path below the base path.
fn below<'p>(app: &App, path: &'p str) -> &'p str {
    path.strip_prefix(app.base.as_str()).unwrap_or(path)
}

async fn answer(app: &Arc<App>, route: &Arc<Route>, request: Request) -> Response<Body> {
    let peer = peer_of(&request);
    let (parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let address = parts
        .uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut caller = None;
    let answered = match check(app, route, &parts, peer) {
        Err(problem) => Err(problem),
        Ok(who) => {
            caller.clone_from(&who);
            if route.kind == Kind::Stream {
                let mut response = stream::open(app, &headers);
                protect(
                    response.headers_mut(),
                    app.guard.is_encrypted(&headers, peer),
                );
                return response;
            }
            let work = process(app, route, parts, body, who, peer);
            timeout(app.request_time(), work).await.unwrap_or_else(|_| {
                Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("not answered within {} s", app.limits.request_seconds),
                ))
            })
        }
    };
    // A form of a page is answered with a page, also when it is refused.
    let is_form = is_form_body(&headers);
    let kind = if is_form && route.kind == Kind::Api {
        Kind::Page
    } else {
        route.kind
    };
    finish(
        app,
        kind,
        &address,
        &headers,
        peer,
        answered,
        caller.as_ref(),
    )
}

/// What is known before the body is read: name, origin, caller, role.
fn check(app: &App, route: &Route, parts: &Parts, peer: Peer) -> Result<Option<Caller>, Problem> {
    app.guard.check_host(&parts.headers, peer)?;
    Guard::check_origin(&parts.method, &parts.headers)?;
    let caller = app
        .guard
        .identify(route.kind, &parts.headers, app.backend.now())?;
    if let Some(caller) = &caller
        && route.kind != Kind::Public
        && !caller.role.allows(route.role)
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "the token {:?} has the role {}; this needs the role {}",
                caller.name,
                caller.role.name(),
                route.role.name()
            ),
        ));
    }
    Ok(caller)
}

/// A request whose body was read.
struct Prepared {
    params: Params,
    body: Vec<u8>,
    encoding: Option<String>,
    is_form: bool,
    address: String,
    caller: Caller,
    is_encrypted: bool,
    compresses: bool,
    now: Timestamp,
}

async fn process(
    app: &Arc<App>,
    route: &Arc<Route>,
    parts: Parts,
    body: Body,
    caller: Option<Caller>,
    peer: Peer,
) -> Result<Arc<Rendered>, Problem> {
    let caller = caller.unwrap_or_else(|| Caller {
        name: String::new(),
        role: Role::Read,
        has_session: false,
    });
    let prepared = prepare(app, route, parts, body, caller, peer).await?;
    if route.topics.is_empty() {
        return run(app, route, prepared).await;
    }
    let key = format!(
        "{} {} {} {} {}",
        prepared.compresses,
        prepared.address,
        prepared.caller.role.name(),
        prepared.caller.has_session,
        prepared.caller.name
    );
    let slot = app.cache.slot(&key);
    let mut kept = slot.lock().await;
    let change = app.backend.feed().latest_of(route.topics);
    let now = prepared.now;
    if let Some(rendered) = kept.as_ref().and_then(|kept| kept.fresh(change, now)) {
        return Ok(rendered);
    }
    let rendered = run(app, route, prepared).await?;
    *kept = rendered
        .is_cacheable()
        .then(|| Kept::new(rendered.clone(), change, now));
    Ok(rendered)
}

async fn prepare(
    app: &App,
    route: &Route,
    mut parts: Parts,
    body: Body,
    caller: Caller,
    peer: Peer,
) -> Result<Prepared, Problem> {
    let mut params = Params::default();
    if let Ok(path) = RawPathParams::from_request_parts(&mut parts, &()).await {
        for (name, value) in &path {
            params.set(name, value.to_owned());
        }
    }
    params.add(parts.uri.query().unwrap_or_default().as_bytes());
    let is_form = is_form_body(&parts.headers);
    let is_raw = route.role == Role::Ship;
    let limit = if is_raw {
        app.limits.ingest_bytes
    } else {
        app.limits.body_bytes
    };
    let mut body = read(body, &parts, limit).await?;
    if is_form {
        params.add(&std::mem::take(&mut body));
    } else if !is_raw && !body.is_empty() {
        add_json(&mut params, &body)?;
    }
    check_names(route, &params, is_form)?;
    let path = below(app, parts.uri.path());
    let query = parts
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    Ok(Prepared {
        params,
        encoding: Some(text(&parts, &header::CONTENT_ENCODING).to_owned())
            .filter(|text| !text.is_empty()),
        body,
        is_form,
        address: format!("{path}{query}"),
        caller,
        is_encrypted: app.guard.is_encrypted(&parts.headers, peer),
        compresses: accepts_gzip(&parts.headers),
        now: app.backend.now(),
    })
}

fn is_form_body(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    content_type.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

fn text<'p>(parts: &'p Parts, name: &header::HeaderName) -> &'p str {
    let value = parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

async fn read(body: Body, parts: &Parts, limit: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {limit} bytes"),
        )
    };
    let announced: Option<usize> = text(parts, &header::CONTENT_LENGTH).parse().ok();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    // A body that breaks off and one that is too large end alike; the length tells them apart.
    to_bytes(body, limit).await.map(Vec::from).map_err(|error| {
        let is_limit = std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("length limit"));
        if is_limit {
            too_large()
        } else {
            Problem::bad_request("the body broke off")
        }
    })
}

/// Takes the members of a JSON object as parameters.
fn add_json(params: &mut Params, body: &[u8]) -> Result<(), Problem> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is no JSON object: {error}")))?;
    for (name, value) in object {
        let value = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => value.to_string(),
            _ => {
                return Err(Problem::bad_request(format!(
                    "{name:?} has to be a text, a number or a truth value"
                )));
            }
        };
        params.set(&name, value);
    }
    Ok(())
}

/// Refuses names that nobody reads: a filter with a typing error would answer something else.
fn check_names(route: &Route, params: &Params, is_form: bool) -> Result<(), Problem> {
    if route.kind != Kind::Api {
        return Ok(());
    }
    let known: Vec<&str> = route
        .params
        .iter()
        .map(|param| param.name)
        .chain(route.path_params())
        .chain(FORM_PARAMS.into_iter().filter(|_| is_form))
        .collect();
    let Some(unknown) = params.names().find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let hint = dragline_schema::nearest(unknown, known.iter().copied()).map_or_else(
        || format!("there are: {}", known.join(", ")),
        |near| format!("did you mean {near:?}?"),
    );
    Err(Problem::bad_request(format!(
        "unknown parameter {unknown:?}: {hint}"
    )))
}

/// Runs the handler on a thread that may block.
async fn run(
    app: &Arc<App>,
    route: &Arc<Route>,
    prepared: Prepared,
) -> Result<Arc<Rendered>, Problem> {
    let permit = app.workers.clone().acquire_owned().await;
    let (app, route) = (app.clone(), route.clone());
    let work = tokio::task::spawn_blocking(move || {
        // Held until the work is done, also when nobody waits for it any more.
        let _permit = permit;
        let call = Call {
            backend: &*app.backend,
            now: prepared.now,
            params: prepared.params,
            caller: prepared.caller,
            body: &prepared.body,
            encoding: prepared.encoding,
            address: prepared.address,
            base: &app.base,
            is_form: prepared.is_form,
            has_tokens: !app.guard.tokens.is_empty(),
            guard: &app.guard,
            is_encrypted: prepared.is_encrypted,
            copy_every: None,
        };
        (route.handler)(&call).map(|reply| Arc::new(Rendered::new(reply, prepared.compresses)))
    });
    work.await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "a fault in Dragline: the log of the service says more",
        ))
    })
}

/// The response: the answer or the problem, with the headers that every response has.
fn finish(
    app: &App,
    kind: Kind,
    address: &str,
    headers: &HeaderMap,
    peer: Peer,
    answered: Result<Arc<Rendered>, Problem>,
    caller: Option<&Caller>,
) -> Response<Body> {
    let is_encrypted = app.guard.is_encrypted(headers, peer);
    let mut response = match answered {
        Ok(rendered) => rendered.respond(headers),
        Err(problem) => {
            let status = problem.status;
            let reply = match kind {
                Kind::Api | Kind::Stream => Reply::new("application/problem+json", problem.json()),
                // Who is not known may not learn more than how to sign in.
                Kind::Page if status == StatusCode::UNAUTHORIZED => {
                    pages::sign_in_page(&app.base, below(app, address), None)
                }
                Kind::Page | Kind::Public => {
                    pages::problem_page(&app.base, below(app, address), &problem, caller)
                }
            };
            let mut response = Rendered::new(reply.with_status(status), false).respond(headers);
            if status == StatusCode::UNAUTHORIZED && kind != Kind::Page {
                ask_for_token(response.headers_mut());
            }
            response
        }
    };
    protect(response.headers_mut(), is_encrypted);
    response
}
