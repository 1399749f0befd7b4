//! Support code for the expansion of `#[monitored]`. Not a public API.
//!
//! The return value of the function determines how its run ends. [`End`] holds a reference to the value.
//! Each trait here is implemented for one more reference level of `End` than the next trait, so that the
//! compiler selects the first one that applies ("autoref specialisation", after David Tolnay's case study
//! of the same name).

use std::error::Error;
use std::fmt::{Debug, Display};

use crate::run::Run;

/// The return value of a function.
#[derive(Debug)]
pub struct End<'v, T>(pub &'v T);

/// For a `Result` with a [`std::error::Error`]; its causes are recorded as well.
pub trait EndByError {
    /// Ends the run according to the value.
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

/// For a `Result` with a container of an error: a box, `anyhow`, `eyre`.
pub trait EndByErrorLike {
    /// Ends the run according to the value.
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

/// For a `Result` with a box that is not `Send`.
pub trait EndByLocalErrorLike {
    /// Ends the run according to the value.
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

/// For a `Result` with an error that implements `Display`.
pub trait EndByDisplay {
    /// Ends the run according to the value.
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

/// For a `Result` with an error that implements `Debug`.
pub trait EndByDebug {
    /// Ends the run according to the value.
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

/// For a `Result` with any other error.
pub trait EndByResult {
    /// Ends the run according to the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T, E> EndByResult for &End<'_, Result<T, E>> {
    fn end(&self, run: &Run, function: &str) {
        if self.0.is_ok() {
            run.finish();
        } else {
            let text = "error without Display or Debug";
            run.fail_with_text(std::any::type_name::<E>(), &text, Some(function));
        }
    }
}

/// For all other types: a function that returns has succeeded.
pub trait EndByValue {
    /// Ends the run according to the value.
    fn end(&self, run: &Run, function: &str);
}

impl<T> EndByValue for End<'_, T> {
    fn end(&self, run: &Run, _function: &str) {
        run.finish();
    }
}
