//! Errors as Node's loggers write them: an object with a code and nested causes.

use std::borrow::Cow;

use dragline_schema::{Cause, ScraperError};

use crate::parsing::{Object, scalar};

/// Keys of the error object.
const KEYS: [&str; 3] = ["err", "error", "exception"];
/// Maximum number of causes kept.
const MAX_CAUSES: usize = 8;

/// The fields of one error object.
#[derive(Default)]
struct NodeError<'a> {
    error_type: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    /// A code such as `ECONNREFUSED` or `UND_ERR_SOCKET`. Numeric codes come from databases and are ignored.
    code: Option<Cow<'a, str>>,
    cause: Option<Object<'a>>,
}

impl<'a> NodeError<'a> {
    fn of(object: &Object<'a>) -> Self {
        let mut own = Self::default();
        for (key, raw) in &object.fields {
            let text = || match scalar(raw) {
                Some(dragline_schema::Value::Str(text)) => Some(text),
                _ => None,
            };
            match &**key {
                "type" | "name" => own.error_type = own.error_type.or_else(text),
                "message" | "msg" => own.message = text(),
                "code" => own.code = text().filter(|code| is_code(code)),
                "cause" => own.cause = Object::parse(raw.get()),
                _ => {}
            }
        }
        own
    }

    /// The type, or the code if the type is generic and the message does not contain the code.
    fn telling_type(&self) -> Option<Cow<'a, str>> {
        let is_bare = |name: &str| matches!(name, "" | "Error" | "AggregateError");
        let is_said = |code: &str| self.message.as_deref().is_some_and(|m| m.contains(code));
        match (&self.error_type, &self.code) {
            (own, Some(code)) if own.as_deref().is_none_or(is_bare) && !is_said(code) => {
                Some(code.clone())
            }
            (own, _) => own.clone(),
        }
    }
}

fn is_code(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(is_part)
}

/// Whether a record has an error object.
pub(super) fn has_error(record: &Object<'_>) -> bool {
    let mut fields = record.fields.iter();
    fields.any(|(key, raw)| KEYS.contains(&&**key) && raw.get().starts_with('{'))
}

/// Adds the code and the causes of the record's error object.
pub(crate) fn complete<'a>(record: &Object<'a>, error: &mut ScraperError<'a>) {
    let is_error = |(key, _): &&(Cow<'a, str>, _)| KEYS.contains(&&**key);
    let mut objects = record.fields.iter().filter(is_error);
    let parsed = objects.find_map(|(_, raw)| Object::parse(raw.get()));
    let Some(mut node) = parsed.as_ref().map(NodeError::of) else {
        return;
    };
    if let Some(telling) = node.telling_type() {
        error.error_type = Some(telling);
    }
    let mut causes = Vec::new();
    while let Some(object) = node.cause.take() {
        node = NodeError::of(&object);
        if causes.len() == MAX_CAUSES {
            break;
        }
        causes.push(Cause {
            error_type: node.telling_type().unwrap_or_default(),
            error_message: node.message.clone().unwrap_or_default(),
        });
    }
    if error.causes.is_none() && !causes.is_empty() {
        error.causes = Some(super::exception::causes_json(&causes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (String, String) {
        let object = Object::parse(line).unwrap();
        let mut error = ScraperError::default();
        complete(&object, &mut error);
        let text = error.causes.map(|causes| causes.0.into_owned());
        (
            error.error_type.unwrap_or_default().into_owned(),
            text.unwrap_or_default(),
        )
    }

    #[test]
    fn codes_and_causes_of_node() {
        let (error_type, causes) = read(
            r#"{"err":{"type":"TypeError","message":"fetch failed","cause":{"name":"Error",
            "message":"other side closed","code":"UND_ERR_SOCKET"}}}"#,
        );
        assert_eq!(error_type, "TypeError");
        assert_eq!(
            causes,
            r#"[{"error_type":"UND_ERR_SOCKET","error_message":"other side closed"}]"#
        );
        let told = |line: &str| read(line).0;
        assert_eq!(
            told(r#"{"error":{"code":"ECONNRESET","message":"aborted"}}"#),
            "ECONNRESET"
        );
        // A code that is in the message is not repeated, and a database's number is not a Node code.
        assert_eq!(
            told(r#"{"err":{"name":"Error","message":"read ECONNRESET","code":"ECONNRESET"}}"#),
            "Error"
        );
        assert_eq!(
            told(r#"{"err":{"name":"DatabaseError","message":"dup","code":"23505"}}"#),
            "DatabaseError"
        );
        assert_eq!(read(r#"{"err":"boom","level":50}"#), Default::default());
    }
}
