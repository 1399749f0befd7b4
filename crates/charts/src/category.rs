//! The error categories, each with a name, a colour and a pattern.

/// The category of an error.
///
/// The colours are those of Okabe and Ito, which colour-blind readers can distinguish. The pattern
/// distinguishes the categories without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Connections, DNS, timeouts.
    Network,
    /// Pages that the parser did not expect.
    Parsing,
    /// The database that stores items.
    Database,
    /// Sites that limit the request rate.
    RateLimit,
    /// Logins and permissions.
    Authentication,
    /// Sites whose layout changed.
    SiteChange,
    /// The scraper's own machine.
    System,
    /// Everything else.
    Unknown,
}

impl Category {
    /// All categories in stacking order, the first at the bottom.
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

    /// The name in data and in CSS class names: `rate_limit`.
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

    /// The category with the given name; [`Unknown`](Self::Unknown) for any other name.
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

    /// The path of its pattern within a tile of six units; empty for a plain fill.
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
