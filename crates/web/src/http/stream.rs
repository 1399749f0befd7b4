//! The stream of changes (server-sent events): the revision and the topics that changed.
//!
//! A client gets at most one event per [`PAUSE`], with everything that changed since its last one. A client that is
//! slow gets fewer and larger ones: nothing is queued for it, and nothing is lost.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;

use super::Problem;
use super::dispatch::App;
use super::reply::{Rendered, Reply};
use super::server::stopped;
use crate::feed::{Changes, Revision, Topic};

/// The shortest time between two events of one client.
const PAUSE: Duration = Duration::from_millis(250);

/// After this time without an event a comment is sent, so that both ends notice a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client waits before it connects again.
const RETRY_MILLIS: u64 = 2_000;

/// The data of an event `change` or `resync`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChangeEvent {
    /// The revision of the data.
    pub(crate) revision: String,
    /// What changed since the event before; all topics in a `resync`.
    pub(crate) changed: Vec<Topic>,
}

/// Opens a stream, from the revision in `Last-Event-ID` on.
pub(crate) fn open(app: &Arc<App>, headers: &HeaderMap) -> Response<Body> {
    let Ok(permit) = app.streams.clone().try_acquire_owned() else {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "{} streams are open, which is the limit; try again later",
                app.limits.streams
            ),
        );
        let reply = Reply::new("application/problem+json", problem.json());
        return Rendered::new(reply.with_status(problem.status), false).respond(headers);
    };
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let seen = last.map(|last| {
        Revision::parse(last).unwrap_or(Revision {
            epoch: 0,
            number: 0,
        })
    });
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(feed(app.clone(), sender, seen, permit));
    let mut response = Response::new(Body::new(Stream(receiver)));
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    // For proxies that would collect the events.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Writes events until the client is gone or the server stops.
async fn feed(
    app: Arc<App>,
    sender: mpsc::Sender<Bytes>,
    seen: Option<Revision>,
    _permit: OwnedSemaphorePermit,
) {
    let source = app.backend.feed();
    let mut wake = source.subscribe();
    let mut stopping = app.stopping.clone();
    let mut seen = seen.unwrap_or_else(|| source.revision());
    let hello = format!(
        "retry: {RETRY_MILLIS}\nid: {}\n: connected\n\n",
        source.revision()
    );
    if sender.send(hello.into()).await.is_err() {
        return;
    }
    loop {
        wake.borrow_and_update();
        let now = source.revision();
        let event = match source.changes_since(seen) {
            Changes::Everything => Some(write("resync", now, Topic::ALL.to_vec())),
            Changes::Topics(topics) if topics.is_empty() => None,
            Changes::Topics(topics) => Some(write("change", now, topics)),
        };
        if let Some(event) = event {
            // A change between the two questions is reported again; none is left out.
            seen = now;
            if sender.send(event).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(PAUSE) => continue,
                () = sender.closed() => return,
                () = stopped(&mut stopping) => return,
            }
        }
        tokio::select! {
            woken = timeout(HEARTBEAT, wake.changed()) => match woken {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    if sender.send(Bytes::from_static(b": heartbeat\n\n")).await.is_err() {
                        return;
                    }
                }
            },
            () = sender.closed() => return,
            () = stopped(&mut stopping) => return,
        }
    }
}

fn write(name: &str, revision: Revision, changed: Vec<Topic>) -> Bytes {
    let event = ChangeEvent {
        revision: revision.to_string(),
        changed,
    };
    // Topics and revisions have no line breaks.
    let data = serde_json::to_string(&event).expect("an event has no keys that are not texts");
    format!("event: {name}\nid: {revision}\ndata: {data}\n\n").into()
}

/// The body of a stream.
struct Stream(mpsc::Receiver<Bytes>);

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let next = self.0.poll_recv(context);
        next.map(|bytes| bytes.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}
