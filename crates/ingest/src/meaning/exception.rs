//! Lists of exceptions, and the causes of errors.

use dragline_schema::{Cause, ScraperError};

pub(super) fn causes_json(causes: &[Cause<'_>]) -> dragline_schema::Json<'static> {
    // Strings always serialise.
    dragline_schema::Json(serde_json::to_string(causes).unwrap_or_default().into())
}

/// The causes of an error as JSON, if there are any.
pub(crate) fn causes_of(causes: &[Cause<'_>]) -> Option<dragline_schema::Json<'static>> {
    (!causes.is_empty()).then(|| causes_json(causes))
}

/// Reads structlog's `dict_tracebacks`: a list with the raised exception first, followed by its causes.
pub(super) fn from_exception_list(list: &str, error: &mut ScraperError<'_>) {
    #[derive(serde::Deserialize)]
    struct Exception {
        exc_type: String,
        #[serde(default)]
        exc_value: String,
        #[serde(default)]
        frames: Vec<Frame>,
    }
    #[derive(serde::Deserialize)]
    struct Frame {
        #[serde(default)]
        filename: String,
        #[serde(default)]
        name: String,
    }
    let Ok(mut chain) = serde_json::from_str::<Vec<Exception>>(list) else {
        return;
    };
    if chain.is_empty() {
        return;
    }
    let raised = chain.remove(0);
    let own = raised
        .frames
        .into_iter()
        .rfind(|frame| !frame.filename.contains("site-packages"));
    error.function = own.map(|frame| frame.name.into());
    error.error_type = Some(raised.exc_type.into());
    error.error_message = Some(raised.exc_value.into());
    let causes: Vec<Cause<'_>> = chain
        .iter()
        .map(|cause| Cause {
            error_type: cause.exc_type.as_str().into(),
            error_message: cause.exc_value.as_str().into(),
        })
        .collect();
    if !causes.is_empty() {
        error.causes = Some(causes_json(&causes));
    }
}
