//! Errors in what was typed or configured.

/// An error in arguments or files that is detected after clap has parsed the arguments.
#[derive(Debug)]
pub(crate) struct WrongUsage(String);

impl WrongUsage {
    pub(crate) fn new(sentence: &str) -> Self {
        Self(sentence.to_owned())
    }

    /// Creates the same from an error and its causes.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        Self(crate::sentence(error))
    }
}

impl std::fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// Problems in files that the user wants checked.
#[derive(Debug)]
pub(crate) struct Faulty(pub(crate) String);

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Faulty {}
