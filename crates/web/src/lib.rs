//! Pages and API of the monitor, over a [`Backend`] that somebody else implements.
//!
//! Web has no logic of its own. The monitor implements [`Backend`] and starts a [`Server`]; every number, verdict and
//! sentence about a scraper comes from there. Web does what is common to all of it: it checks who asks, reads
//! parameters, pages through lists, draws pages, answers JSON, and tells viewers what changed.
//!
//! ```text
//! socket → server (TLS, limits) → guard (names, origins, tokens) → route (parameters, role)
//!                                                                    ├── api   → JSON   ┐
//!                                                                    └── pages → HTML   ┴→ Backend
//! Backend → Feed → stream of changes → the page's script asks for the parts that changed
//! ```
//!
//! - **One table of routes.** A route has a method, a path, a role, its parameters, the [`Topic`]s that its answer is made
//!   of, and a function. The router, the refusal of unknown parameters, the description of the API ([`openapi`]) and
//!   `docs/api.md` are made from it.
//! - **Blocking handlers.** The functions block, on threads of their own with a bound; the threads that hold the
//!   connections never do. [`Server::start`] needs no runtime of the caller.
//! - **A feed without a queue.** [`Feed`] keeps the latest change of each topic. A viewer that is slow, or was away, asks
//!   what changed since the revision that it saw; nothing is queued for it and nothing is lost. The same numbers tell
//!   when an answer can be used for the next viewer as well: it is made once for each change, however many look at it.
//! - **Pages of sections.** A page is a finding as its title and sections of a few kinds (numbers, charts, tables, lines,
//!   forms), drawn by one template. Sections are what the script replaces.
//! - **Hostile text.** Every text of a template passes [`dragline_charts::escape`]. The content security policy allows no
//!   inline script or style. Reports, which have both, are shown in a sandbox.
//!
//! ```
//! use dragline_web::{Changes, Feed, Role, Token, Topic, WebConfig};
//!
//! // Another address than loopback needs tokens.
//! let mut config = WebConfig { listen: "0.0.0.0:8080".parse().unwrap(), ..WebConfig::default() };
//! assert!(config.check().unwrap_err().to_string().contains("there are no tokens"));
//! let token = Token::generate().unwrap();
//! config.tokens.push(token.entry("alex", Role::Act));
//! assert!(config.check().is_ok());
//!
//! // The monitor publishes what changed; each viewer asks what it missed.
//! let feed = Feed::new(1);
//! let seen = feed.revision();
//! feed.publish(&[Topic::Alerts]);
//! assert_eq!(feed.changes_since(seen), Changes::Topics(vec![Topic::Alerts]));
//! ```

mod api;
mod backend;
mod config;
mod feed;
mod http;
pub mod model;
mod pages;
mod query;
mod session;
mod token;
mod views;

pub use api::openapi;
pub use backend::{Answer, Backend, BackendError};
pub use config::{Limits, TlsFiles, WebConfig, WebConfigError};
pub use feed::{Changes, Feed, Revision, Topic};
pub use http::{Server, StartError};
pub use pages::snapshot;
pub use query::{
    AlertQuery, ErrorQuery, EventQuery, ExportFormat, ExportQuery, ExportTable, FindingQuery,
    IngestBatch, Listing, MetricQuery, Page, Place, RunKey, RunQuery, Scope, ScraperKey,
    ScraperQuery, ScraperSort, Window,
};
pub use token::{Role, Token, TokenEntry, TokenError, Tokens};
pub use views::{
    AlertDetailView, AlertEvent, AlertSummaryView, AlertView, CheckView, HealthChange,
    HealthHistoryView, HealthResult, HealthView, SilenceView,
};
