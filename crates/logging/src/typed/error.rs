//! The error event, with the error's type, causes and context.

use std::borrow::Cow;
use std::fmt;

use dragline_schema::wire::{self, Object};
use dragline_schema::{ErrorText, Value};
use tracing::Level;

use super::{TARGET, backtrace, utf8};
use crate::classify;
use crate::clock::{Clock as _, SystemClock};
use crate::core::RunCore;

/// Builder for the event of an error.
#[must_use = "the error is recorded by `log`"]
#[derive(Debug)]
pub struct ErrorEvent<'r> {
    run: &'r RunCore,
    error_type: String,
    error_message: String,
    causes: Option<String>,
    traceback: Option<Cow<'r, str>>,
    url: Option<&'r str>,
    status: Option<u16>,
    function: Option<&'r str>,
    context: Vec<(String, String)>,
}

impl<'r> ErrorEvent<'r> {
    pub(crate) fn from_text(run: &'r RunCore, error_type: &str, error_message: &str) -> Self {
        Self {
            run,
            error_type: error_type.to_owned(),
            error_message: error_message.to_owned(),
            causes: None,
            traceback: backtrace::capture().map(Cow::Owned),
            url: None,
            status: None,
            function: None,
            context: Vec::new(),
        }
    }

    pub(crate) fn from_error<E: std::error::Error + ?Sized>(run: &'r RunCore, error: &E) -> Self {
        let mut event = Self::from_text(run, &type_name_of(error), &error.to_string());
        let mut causes = vec![b'['];
        let mut source = error.source();
        while let Some(cause) = source {
            if causes.len() > 1 {
                causes.push(b',');
            }
            let mut object = Object::begin(&mut causes);
            object.text("error_type", &type_by_debug(cause));
            object.text("error_message", &cause.to_string());
            object.end();
            source = cause.source();
        }
        causes.push(b']');
        event.causes = (causes.len() > 2).then(|| utf8(causes));
        event
    }

    /// Sets the URL of the page on which the error occurred.
    pub fn url(mut self, url: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.url = Some(url.as_ref());
        self
    }

    /// Sets the HTTP status code that belongs to the error.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the stack trace or backtrace, such as that of an `anyhow::Error`. Default: with the setting
    /// `backtraces`, that of the call that made this event.
    pub fn traceback(mut self, text: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.traceback = Some(text.as_ref().into());
        self
    }

    /// Sets the function in which the error occurred.
    pub fn function(mut self, name: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.function = Some(name.as_ref());
        self
    }

    /// Adds a number, a bool or a text to the context, under a key.
    pub fn context<'v>(mut self, key: impl AsRef<str>, value: impl Into<ContextValue<'v>>) -> Self {
        let mut json = Vec::new();
        wire::push_value(&value.into().0, &mut json);
        self.add_context(key.as_ref(), utf8(json));
        self
    }

    /// Adds any serialisable value to the context, under a key. A value that fails to serialise is left
    /// out. The recorder redacts secrets in it by their keys.
    pub fn context_value(mut self, key: impl AsRef<str>, value: &impl serde::Serialize) -> Self {
        if let Ok(json) = serde_json::to_string(value) {
            self.add_context(key.as_ref(), json);
        }
        self
    }

    fn add_context(&mut self, key: &str, json: String) {
        self.context.retain(|(other, _)| other != key);
        self.context.push((key.to_owned(), json));
    }

    /// Records the error at ERROR.
    pub fn log(self) {
        let consecutive = self.run.stats.error();
        let text = || ErrorText {
            error_type: self.error_type.as_str().into(),
            message: self.error_message.as_str().into(),
            traceback: self.traceback.as_deref(),
            status_code: self.status,
            url: self.url,
            consecutive_failures: Some(consecutive),
            errors_last_minute: Some(self.run.stats.errors_in_minute(SystemClock.now())),
            site: self.run.site.as_deref(),
            ..ErrorText::default()
        };
        let verdict = classify::verdict(text, self.causes.as_deref());
        let context = (!self.context.is_empty()).then(|| {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            for (key, json) in &self.context {
                object.raw(key, |out| out.extend_from_slice(json.as_bytes()));
            }
            object.end();
            utf8(out)
        });
        log!(
            self.run,
            Level::ERROR,
            "scraper_error",
            error_type = Some(&*self.error_type).filter(|text| !text.is_empty()),
            error_message = &*self.error_message,
            causes = self.causes.as_deref(),
            traceback = self.traceback.as_deref(),
            url = self.url,
            status_code = self.status,
            error_category = verdict.as_ref().map(|verdict| verdict.category.as_str()),
            error_severity = verdict.as_ref().map(|verdict| verdict.severity.as_str()),
            consecutive_failures = consecutive,
            function = self.function,
            context = context.as_deref(),
        );
    }
}

/// A value in an error's context: a number, a bool or a text.
#[derive(Debug, Clone)]
pub struct ContextValue<'v>(Value<'v>);

macro_rules! context_value {
    ($($kind:ty => $make:expr;)*) => {
        $(impl<'v> From<$kind> for ContextValue<'v> {
            fn from(value: $kind) -> Self {
                let make: fn($kind) -> Value<'v> = $make;
                Self(make(value))
            }
        })*
    };
}

context_value! {
    &'v str => |text| Value::Str(text.into());
    String => |text| Value::Str(text.into());
    bool => Value::Bool;
    f64 => Value::F64;
    i32 => |n| Value::I64(n.into());
    i64 => Value::I64;
    u32 => |n| Value::U64(n.into());
    u64 => Value::U64;
    usize => |n| Value::U64(n as u64);
}

/// The compiler's name for an error's type, without generic arguments, plus the variant that a derived
/// `Debug` shows for an enum: `shop::Error::Status`. For a `dyn` error, only the name from its `Debug` is
/// available.
fn type_name_of<E: std::error::Error + ?Sized>(error: &E) -> String {
    let name = std::any::type_name_of_val(error);
    let name = name.split('<').next().unwrap_or(name);
    let variant = type_by_debug(&error);
    if name.starts_with("dyn ") {
        return variant;
    }
    // The `Debug` implementations of the standard library show the content, not the variant.
    let is_std = ["std::", "core::", "alloc::"]
        .iter()
        .any(|std| name.starts_with(std));
    let last = name.rsplit("::").next().unwrap_or(name);
    if is_std || variant.is_empty() || variant == last {
        name.to_owned()
    } else {
        format!("{name}::{variant}")
    }
}

/// The first word of an error's `Debug`, which is the name of the type or variant if `Debug` is derived.
/// Causes are `dyn Error`, so nothing better is available.
fn type_by_debug(error: &dyn fmt::Debug) -> String {
    let text = format!("{error:?}");
    let word: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    if word.starts_with(|c: char| c.is_ascii_uppercase()) {
        word
    } else {
        String::new()
    }
}
