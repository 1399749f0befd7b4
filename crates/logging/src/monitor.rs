//! What `#[monitored]` expands to. Not for people.
//!
//! How a run ends is decided by the value that the function returned: [`End`] holds a reference to
//! it, and each trait here is implemented for one more reference to `End` than the next, so that the
//! compiler takes the first that fits ("autoref specialisation", after David Tolnay's
//! case study of the same name).

use std::error::Error;
use std::fmt::{Debug, Display};

use crate::run::Run;

/// The value that a function returned.
#[derive(Debug)]
pub struct End<'v, T>(pub &'v T);

/// `Result` with an error: its causes are recorded too.
pub trait EndByError {
    /// Ends the run by the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T, E: Error> EndByError for &&&&&&End<'_, Result<T, E>> {
    fn end(&self, run: &Run, function: &str) {
        match self.0 {
            Ok(_) => run.finish(),
            Err(error) => run.fail_in(error, function),
        }
    }
}

/// `Result` with something that holds an error: a box, `anyhow`, `eyre`.
pub trait EndByErrorLike {
    /// Ends the run by the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T, E: AsRef<dyn Error + Send + Sync>> EndByErrorLike for &&&&&End<'_, Result<T, E>> {
    fn end(&self, run: &Run, function: &str) {
        match self.0 {
            Ok(_) => run.finish(),
            Err(error) => run.fail_in(error.as_ref(), function),
        }
    }
}

/// `Result` with a box that stays in its thread.
pub trait EndByLocalErrorLike {
    /// Ends the run by the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T, E: AsRef<dyn Error>> EndByLocalErrorLike for &&&&End<'_, Result<T, E>> {
    fn end(&self, run: &Run, function: &str) {
        match self.0 {
            Ok(_) => run.finish(),
            Err(error) => run.fail_in(error.as_ref(), function),
        }
    }
}

/// `Result` with anything that can be shown.
pub trait EndByDisplay {
    /// Ends the run by the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T, E: Display> EndByDisplay for &&&End<'_, Result<T, E>> {
    fn end(&self, run: &Run, function: &str) {
        match self.0 {
            Ok(_) => run.finish(),
            Err(error) => run.fail_with_text(std::any::type_name::<E>(), error, Some(function)),
        }
    }
}

/// `Result` with anything that programmers can be shown.
pub trait EndByDebug {
    /// Ends the run by the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T, E: Debug> EndByDebug for &&End<'_, Result<T, E>> {
    fn end(&self, run: &Run, function: &str) {
        match self.0 {
            Ok(_) => run.finish(),
            Err(error) => {
                let text = format!("{error:?}");
                run.fail_with_text(std::any::type_name::<E>(), &text, Some(function));
            }
        }
    }
}

/// `Result` with an error that says nothing.
pub trait EndByResult {
    /// Ends the run by the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T, E> EndByResult for &End<'_, Result<T, E>> {
    fn end(&self, run: &Run, function: &str) {
        if self.0.is_ok() {
            run.finish();
        } else {
            let text = "an error that cannot be shown";
            run.fail_with_text(std::any::type_name::<E>(), &text, Some(function));
        }
    }
}

/// Anything else: whoever returns has succeeded.
pub trait EndByValue {
    /// Ends the run by the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T> EndByValue for End<'_, T> {
    fn end(&self, run: &Run, _function: &str) {
        run.finish();
    }
}
