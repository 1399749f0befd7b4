//! The categories of errors: each with a name, a colour and a pattern.

/// What kind of trouble an error is.
///
/// The colours are those of Okabe and Ito, which colour-blind readers can tell apart; the pattern
/// tells them apart without any colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Connections, names, timeouts.
    Network,
    /// Pages that were not what the parser expected.
    Parsing,
    /// Where items are stored.
    Database,
    /// Sites that ask for less.
    RateLimit,
    /// Logins and permissions.
    Authentication,
    /// Sites that changed.
    SiteChange,
    /// The scraper's own machine.
    System,
    /// All else.
    Unknown,
}

impl Category {
    /// Every category, in the order of a stack, the first at the bottom.
    pub const ALL: [Self; 8] = [
        Self::Network,
        Self::Parsing,
        Self::Database,
        Self::RateLimit,
        Self::Authentication,
        Self::SiteChange,
        Self::System,
        Self::Unknown,
    ];

    /// The name in data and in class names: `rate_limit`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Parsing => "parsing",
            Self::Database => "database",
            Self::RateLimit => "rate_limit",
            Self::Authentication => "authentication",
            Self::SiteChange => "site_change",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }

    /// The category of a name; [`Unknown`](Self::Unknown) for a name that is none.
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|category| category.name() == name)
            .unwrap_or(Self::Unknown)
    }

    /// The name as words: `rate limit`.
    pub fn label(self) -> String {
        self.name().replace('_', " ")
    }

    /// The lines of its pattern within a tile of six units; empty for a plain fill.
    pub(crate) fn hatch(self) -> &'static str {
        match self {
            Self::Network => "",
            Self::Parsing => "M0 6L6 0M-1 1L1-1M5 7L7 5",
            Self::Database => "M1.5 1.5h0M4.5 4.5h0",
            Self::RateLimit => "M0 0L6 6M-1 5L1 7M5-1L7 1",
            Self::Authentication => "M0 3h6",
            Self::SiteChange => "M3 0v6",
            Self::System => "M0 3h6M3 0v6",
            Self::Unknown => "M3 3h0",
        }
    }
}
