//! Exceptions as Monolog's line formatter writes them, which is Laravel's and Symfony's:
//! `{"exception":"[object] (Class(code: 0): message at /srv/a.php:12)`, then the stack, and each previous exception
//! in the same form.

use dragline_schema::{Cause, ScraperError};

use super::exception::causes_of;

/// An exception and the previous ones, which caused it.
#[derive(Debug, PartialEq)]
pub(super) struct Exceptions {
    error_type: String,
    message: String,
    causes: Vec<Cause<'static>>,
}

const SIGN: &str = "[object] (";

/// The exceptions in a record's text, and where the object with them begins.
pub(super) fn error(text: &str) -> Option<(usize, Exceptions)> {
    const MOST: usize = 8;
    let begin = text.find(SIGN)?;
    let mut all = text
        .match_indices(SIGN)
        .map(|(at, _)| &text[at + SIGN.len()..]);
    let (error_type, message) = one(all.next()?)?;
    let causes = all.take(MOST).filter_map(one);
    let causes = causes.map(|(error_type, message)| Cause {
        error_type: error_type.into(),
        error_message: message.into(),
    });
    let told = Exceptions {
        error_type,
        message,
        causes: causes.collect(),
    };
    Some((text[..begin].rfind(" {\"").unwrap_or(begin), told))
}

/// `Class(code: 0): message at /srv/a.php:12)`
fn one(text: &str) -> Option<(String, String)> {
    let text = text.split(['\n', '\r']).next()?;
    let text = text.split("\\n[").next()?;
    let (class, rest) = text.split_once("(code: ")?;
    let is_class = class
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\\' | b'@'));
    let (_, message) = rest
        .split_once("): ")
        .filter(|_| is_class && !class.is_empty())?;
    let message = message
        .rsplit_once(" at ")
        .map_or(message, |(message, _)| message);
    let class = class.rsplit('\\').next()?;
    // Inside of JSON, a backslash is written twice.
    Some((class.to_owned(), message.replace("\\\\", "\\")))
}

impl Exceptions {
    /// Completes an error with the type, the message and the causes.
    pub(super) fn complete(self, error: &mut ScraperError<'_>) {
        error.error_type = Some(self.error_type.into());
        error.error_message = Some(self.message.into());
        error.causes = causes_of(&self.causes).or(error.causes.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_previous_exceptions_are_read() {
        let text = "it failed {\"exception\":\"[object] (GuzzleHttp\\\\Exception\\\\ConnectException(code: 0): cURL \
                    error 28: timed out at /srv/vendor/a.php:210)\n[stacktrace]\n#0 {main}\n\n[previous exception] \
                    [object] (PDOException(code: 2002): Connection refused at /srv/b.php:3)\n";
        let (begin, told) = error(text).unwrap();
        assert_eq!(&text[..begin], "it failed");
        assert_eq!(told.error_type, "ConnectException");
        assert_eq!(told.message, "cURL error 28: timed out");
        assert_eq!(told.causes.len(), 1);
        assert_eq!(told.causes[0].error_type, "PDOException");
        assert_eq!(error("[object] (nothing)"), None);
    }
}
