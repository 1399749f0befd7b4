//! What is changed: acknowledgements, silences, the configuration, log lines of other machines.

use axum::http::{Method, StatusCode};
use dragline_alerting::duration;
use dragline_alerting::notify::Silence;
use dragline_alerting::{LabelMatch, Matchers};
use dragline_schema::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{get, post};
use crate::http::{Call, Param, Problem, Reply, Route, param};
use crate::model::{Fix, HeldFiles, IngestAnswer};
use crate::query::IngestBatch;
use crate::token::Role;
use crate::views::{AlertView, SilenceView};

/// The longest silence that a page can set: anything longer belongs in the configuration.
const MAX_SILENCE_SECONDS: i64 = 366 * 24 * 3_600;

/// The labels by which a silence can be set.
const SILENCED_LABELS: [&str; 5] = ["alertname", "scraper_id", "site", "host", "severity"];

const SILENCE: [Param; 8] = [
    param("alertname", "The rule; `*` stands for any characters."),
    param("scraper_id", "The scraper; `*` stands for any characters."),
    param("site", "The site; `*` stands for any characters."),
    param("host", "The machine; `*` stands for any characters."),
    param("severity", "`low`, `medium`, `high` or `critical`."),
    param("for", "How long: `2h`, `3d`. Either this or `until`."),
    param("until", "Until when: RFC 3339 or a date."),
    param("comment", "Why; required."),
];

const HOST: Param = param("host", "The machine.");

const INGEST: [Param; 4] = [
    HOST,
    param(
        "file",
        "The file, as an answer or its sender names it. Of a batch: absent for a sign of life.",
    ),
    param("offset", "The byte offset in the uncompressed file."),
    param(
        "every",
        "Longest time until the machine sends again, in seconds. The default is 60.",
    ),
];

/// A sentence about what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Done {
    /// The sentence.
    message: String,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        post::<AlertView>(
            "/api/v1/alerts/{id}/acknowledge",
            &[],
            "Takes up a firing alert: no more repetitions and no escalation",
            |call| {
                let record = call
                    .backend
                    .acknowledge(call.params.required("id")?, &call.caller.name)?;
                done(call, &AlertView::from(record))
            },
        ),
        post::<Fix>(
            "/api/v1/findings/{id}/mended",
            &[],
            "Marks a finding as mended: what follows decides whether it is",
            |call| {
                let id = call.params.required("id")?;
                let fix = call.backend.mark_mended(id, &call.caller.name)?;
                done(call, &fix)
            },
        ),
        post::<SilenceView>(
            "/api/v1/silences",
            &SILENCE,
            "Mutes notices of matching alerts for a time",
            |call| {
                let record = call.backend.silence(silence(call)?)?;
                done(call, &SilenceView::from(record))
            },
        ),
        Route {
            method: Method::DELETE,
            ..post::<Done>(
                "/api/v1/silences/{id}",
                &[],
                "Ends a silence that was set on the page",
                end_silence,
            )
        },
        post::<Done>(
            "/api/v1/silences/{id}/end",
            &[],
            "The same, for forms, which cannot delete",
            end_silence,
        ),
        post::<Done>(
            "/api/v1/reload",
            &[],
            "Reads the configuration anew; a bad file keeps the old one",
            |call| {
                let message = call.backend.reload(&call.caller.name)?;
                done(call, &Done { message })
            },
        ),
        Route {
            role: Role::Ship,
            ..post::<IngestAnswer>(
                "/api/v1/ingest",
                &INGEST,
                "Takes bytes of a log file from another machine, as they are or compressed with zstd",
                ingest,
            )
        },
        Route {
            role: Role::Ship,
            ..get::<HeldFiles>(
                "/api/v1/ingest",
                &[HOST],
                "What was received from a machine: its files, their lengths, and hashes of their content",
                |call| Reply::json(&call.backend.received(call.params.required("host")?)?),
            )
        },
    ]
}

/// A form goes back to its page; a program gets the result.
fn done<T: Serialize>(call: &Call<'_>, result: &T) -> Result<Reply, Problem> {
    if call.is_form {
        let to = call
            .params
            .text("return_to")
            .filter(|to| is_own_path(to))
            .unwrap_or("/");
        return Ok(Reply::redirect(format!("{}{to}", call.base)));
    }
    Reply::json(result)
}

/// Whether an address leads to a page of ours: never to another host, never to a script.
pub(crate) fn is_own_path(address: &str) -> bool {
    address.starts_with('/')
        && !address.starts_with("//")
        && !address.contains(['\\', '\r', '\n', '\t', '\0'])
        && address.is_ascii()
}

fn silence(call: &Call<'_>) -> Result<Silence, Problem> {
    let params = &call.params;
    let mut matchers = Matchers::default();
    for name in SILENCED_LABELS {
        if let Some(value) = params.text(name) {
            matchers.insert(name, LabelMatch::One(value.trim().to_owned()));
        }
    }
    if matchers.is_empty() {
        return Err(Problem::bad_request(format!(
            "a silence without conditions would mute everything: give at least one of {}",
            SILENCED_LABELS.join(", ")
        )));
    }
    if let Some(severity) = params.text("severity") {
        dragline_alerting::severity::parse(severity).map_err(Problem::bad_request)?;
    }
    let comment = params.text("comment").map(str::trim).ok_or_else(|| {
        Problem::bad_request("the comment is missing: say why the alerts are muted")
    })?;
    if comment.chars().count() > 500 {
        return Err(Problem::bad_request(
            "the comment is longer than 500 characters",
        ));
    }
    Ok(Silence {
        matchers,
        starts: Some(call.now),
        ends: Some(end_of_silence(call)?),
        weekly: None,
        comment: comment.to_owned(),
        by: call.caller.name.clone(),
    })
}

fn end_of_silence(call: &Call<'_>) -> Result<Timestamp, Problem> {
    let ends = match (call.params.text("for"), call.params.text("until")) {
        (Some(length), _) => {
            let length = duration::parse(length.trim())
                .map_err(|error| Problem::bad_request(format!("invalid for: {error}")))?;
            let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
            call.now.plus_micros(micros)
        }
        (None, Some(until)) if duration::parse(until).is_err() => {
            call.params.time("until", call.now)?.unwrap_or(call.now)
        }
        _ => {
            return Err(Problem::bad_request(
                "say how long: for=2h, or until=2026-03-05T10:00:00Z",
            ));
        }
    };
    let seconds = ends.since(call.now) / 1_000_000;
    if seconds <= 0 || seconds > MAX_SILENCE_SECONDS {
        return Err(Problem::bad_request(
            "the silence has to end in the future, and within a year",
        ));
    }
    Ok(ends)
}

fn end_silence(call: &Call<'_>) -> Result<Reply, Problem> {
    call.backend
        .end_silence(call.params.required("id")?, &call.caller.name)?;
    done(
        call,
        &Done {
            message: "the silence has ended".to_owned(),
        },
    )
}

fn ingest(call: &Call<'_>) -> Result<Reply, Problem> {
    let params = &call.params;
    let encoding = match call.encoding.as_deref() {
        None | Some("identity") => None,
        Some("zstd") => Some("zstd".to_owned()),
        Some(other) => {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("unknown compression {other:?}: send the bytes as they are, or with zstd"),
            ));
        }
    };
    let (file, offset) = (params.text("file"), params.number("offset")?);
    if file.is_some() && offset.is_none() {
        return Err(Problem::bad_request("the offset is missing"));
    }
    let batch = IngestBatch {
        host: params.required("host")?.to_owned(),
        file: file.map(str::to_owned),
        offset: offset.unwrap_or_default(),
        every: params.number("every")?,
        encoding,
        body: call.body.to_vec(),
    };
    Reply::json(&call.backend.ingest(batch, &call.caller.name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_returns_to_a_page_of_ours() {
        for (address, expected) in [
            ("/", true),
            ("/alerts?severity=high", true),
            ("//evil.example.com", false),
            ("/\\evil.example.com", false),
            ("https://evil.example.com", false),
            ("javascript:alert(1)", false),
            ("/a\r\nSet-Cookie: x", false),
            ("", false),
        ] {
            assert_eq!(is_own_path(address), expected, "{address}");
        }
    }
}
