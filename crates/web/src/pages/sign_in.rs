//! Signing in with a token, and pages for those who may see nothing else.
#![allow(clippy::unnecessary_wraps, reason = "the signature of handlers")]

use axum::http::StatusCode;

use super::Made;
use super::html::{Html, Tone, capitalised};
use super::view::{Content, Field, Form, Frame, Page, Section};
use crate::api::write::is_own_path;
use crate::http::{Call, Caller, Problem, Reply};

pub(super) fn form(call: &Call<'_>) -> Made {
    if !call.has_tokens {
        return Ok(Reply::redirect(format!("{}/", call.base)));
    }
    Ok(sign_in_page(
        call.base,
        call.params.text("return_to").unwrap_or("/"),
        None,
    ))
}

pub(super) fn sign_in(call: &Call<'_>) -> Made {
    let to = call
        .params
        .text("return_to")
        .filter(|to| is_own_path(to))
        .unwrap_or("/");
    let token = call.params.text("token").unwrap_or_default();
    match call.guard.sign_in(token, call.is_encrypted, call.now) {
        Ok(cookie) => Ok(Reply {
            cookie: Some(cookie),
            ..Reply::redirect(format!("{}{to}", call.base))
        }),
        Err(problem) => {
            Ok(sign_in_page(call.base, to, Some(&problem.detail)).with_status(problem.status))
        }
    }
}

pub(super) fn sign_out(call: &Call<'_>) -> Made {
    let cookie = call.guard.sign_out(call.is_encrypted);
    Ok(Reply {
        cookie: Some(cookie),
        ..Reply::redirect(format!("{}/sign-in", call.base))
    })
}

/// The page that asks for a token, and says what was wrong with the last one.
pub(crate) fn sign_in_page(base: &str, return_to: &str, wrong: Option<&str>) -> Reply {
    let form = Form {
        title: String::new(),
        path: "/sign-in".to_owned(),
        fields: vec![Field {
            kind: "password",
            ..Field::text("token", "Token", "").required()
        }],
        hidden: vec![(
            "return_to",
            if is_own_path(return_to) {
                return_to
            } else {
                "/"
            }
            .to_owned(),
        )],
        button: "Sign in",
    };
    let page = Page {
        title: wrong.map_or_else(
            || "Sign in to see the scrapers".to_owned(),
            |_| "This token does not let you in".to_owned(),
        ),
        tone: wrong.map(|_| Tone::Critical),
        lead: vec![Html::text(&sentence(wrong.unwrap_or(
            "The operator of this service makes tokens; one with the role read or act signs in here",
        )))],
        sections: vec![Section::new("sign-in", "", Content::Forms(vec![form]))],
        ..Page::default()
    };
    framed(&page, base, None)
}

/// What was not done, by the beginning of the address that was asked to, and the page from where.
const ACTIONS: [(&str, &str, &str, &str); 4] = [
    (
        "/api/v1/reload",
        "The configuration was not read anew",
        "/health",
        "Back to Health",
    ),
    (
        "/api/v1/alerts",
        "The alert was not taken up",
        "/alerts",
        "Back to Alerts",
    ),
    (
        "/api/v1/silences",
        "The silence was not changed",
        "/alerts",
        "Back to Alerts",
    ),
    (
        "/api/v1/findings",
        "The finding was not marked",
        "/findings",
        "Back to the findings",
    ),
];

/// The page about a problem with a request to an address, which is below the base.
pub(crate) fn problem_page(
    base: &str,
    address: &str,
    problem: &Problem,
    caller: Option<&Caller>,
) -> Reply {
    let action = ACTIONS.iter().find(|(path, ..)| address.starts_with(path));
    let (path, label) = action.map_or(("/", "Back to the start"), |one| (one.2, one.3));
    let title = match problem.status {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::CONFLICT
            if action.is_some() =>
        {
            action.map_or("", |one| one.1)
        }
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::BAD_REQUEST => "Dragline does not understand this address",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::SERVICE_UNAVAILABLE => "Not available now",
        _ => problem.title(),
    };
    let words = vec![
        ("", Html::text(&sentence(&problem.detail))),
        ("", Html::link(base, path, label)),
    ];
    let page = Page {
        title: title.to_owned(),
        tone: Some(Tone::Warning),
        sections: vec![Section::new("problem", "", Content::Words(words))],
        ..Page::default()
    };
    framed(&page, base, caller)
}

/// A sentence with its capital letter and its full stop.
fn sentence(text: &str) -> String {
    format!("{}.", capitalised(text.trim_end_matches('.')))
}

fn framed(page: &Page, base: &str, caller: Option<&Caller>) -> Reply {
    let frame = Frame {
        base,
        path: "",
        caller: caller.map(|caller| (caller.name.as_str(), caller.has_session)),
        stream: String::new(),
        topics: String::new(),
        now: None,
        copy: None,
    };
    page.render(frame)
        .unwrap_or_else(|problem| Reply::new("text/plain; charset=utf-8", problem.detail))
}
