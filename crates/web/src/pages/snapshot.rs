//! The first page as a file that opens anywhere, also when the service does not run.

use std::time::Duration;

use super::now;
use crate::backend::{Backend, BackendError};
use crate::config::WebConfig;
use crate::http::{Call, Caller, Guard, Params};
use crate::token::{Role, Tokens};

/// The page *Now* as one file: styles inside, no script, no address of the service. It says when it was made and, as it
/// is made anew `every` so often, from when on it is out of date.
///
/// # Errors
/// When the backend cannot answer.
pub fn snapshot(backend: &dyn Backend, every: Duration) -> Result<String, BackendError> {
    let guard = Guard::new(&WebConfig::default(), Tokens::default(), [0; 32]);
    let call = Call {
        backend,
        now: backend.now(),
        params: Params::default(),
        caller: Caller {
            name: String::new(),
            role: Role::Read,
            has_session: false,
        },
        body: &[],
        encoding: None,
        address: "/".to_owned(),
        base: "",
        is_form: false,
        has_tokens: false,
        guard: &guard,
        is_encrypted: false,
        copy_every: Some(every),
    };
    let page = now::page(&call).map_err(|problem| BackendError::Unavailable(problem.detail))?;
    String::from_utf8(page.body)
        .map_err(|error| BackendError::Unavailable(format!("the page is not text: {error}")))
}
