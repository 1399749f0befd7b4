//! What is answered when something is wrong: `application/problem+json` (RFC 9457), or a page.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::backend::BackendError;

/// A problem as the API answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What is wrong and what to do, in a sentence.
    detail: String,
    /// The first byte that is missing, if a batch leaves a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

/// Why a request is not answered as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    pub(crate) next_offset: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            next_offset: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        let body = ProblemBody {
            kind: "about:blank",
            title: self.title().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            next_offset: self.next_offset,
        };
        serde_json::to_vec(&body).expect("a problem has no keys that are not texts")
    }
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        let mut missing = None;
        let (status, detail) = match error {
            BackendError::NotFound(detail) => (StatusCode::NOT_FOUND, detail),
            BackendError::BadRequest(detail) => (StatusCode::BAD_REQUEST, detail),
            BackendError::Conflict(detail) => (StatusCode::CONFLICT, detail),
            BackendError::Gap {
                next_offset,
                detail,
            } => {
                missing = Some(next_offset);
                (StatusCode::CONFLICT, detail)
            }
            BackendError::Unavailable(detail) => (StatusCode::SERVICE_UNAVAILABLE, detail),
        };
        Self {
            status,
            detail,
            next_offset: missing,
        }
    }
}
