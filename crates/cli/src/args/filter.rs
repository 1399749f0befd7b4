//! The filters.

use clap::Args;
use dragline_schema::{Level, Timestamp};
use jiff::tz::TimeZone;

use super::WrongUsage;
use crate::times;

#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// Only events from this time on: RFC 3339, a date, `today`, `yesterday`, `monday`, or `7d`, `30min`, `2
    /// days ago` (before --until or now)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Only events of this scraper
    #[arg(long, value_name = "ID")]
    pub(crate) scraper: Option<String>,
    /// Only events of this site and its subdomains: `example.com` includes `shop.example.com`
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<String>,
    /// Only events of this run
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Only events of this log level or above
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub(crate) level: Option<Level>,
    /// Assumed time zone of times without one, such as `Europe/Berlin`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = times::zone)]
    pub(crate) tz: TimeZone,
    /// Whether day or month comes first in dates such as 03/04/2026, if the log does not show it
    #[arg(long, value_name = "ORDER", value_enum)]
    pub(crate) date_order: Option<DateOrder>,
}

/// Order of day and month in a date.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum DateOrder {
    DayFirst,
    MonthFirst,
}

impl From<DateOrder> for dragline_ingest::DateOrder {
    fn from(order: DateOrder) -> Self {
        match order {
            DateOrder::DayFirst => Self::DayFirst,
            DateOrder::MonthFirst => Self::MonthFirst,
        }
    }
}

impl FilterArgs {
    /// Resolves relative times against `now` and returns the filter.
    pub(crate) fn resolve(&self, now: Timestamp) -> Result<dragline_scan::Filter, WrongUsage> {
        let time = |text: &Option<String>, now: Timestamp| {
            let parse = |text: &String| {
                times::parse(text, now, &self.tz)
                    .map_err(|error| WrongUsage::new(&error.to_string()))
            };
            text.as_ref().map(parse).transpose()
        };
        let until = time(&self.until, now)?;
        let filter = dragline_scan::Filter {
            // `7d` counts back from --until, if given.
            since: time(&self.since, until.unwrap_or(now))?,
            until,
            scraper: self.scraper.clone(),
            site: self.site.clone(),
            run: self.run.clone(),
            level: self.level,
        };
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since >= until
        {
            let sentence = format!("--since {since} is not before --until {until}");
            return Err(WrongUsage::new(&sentence));
        }
        Ok(filter)
    }
}

fn level(word: &str) -> Result<Level, String> {
    Level::from_word(word).ok_or_else(|| {
        format!("invalid log level {word:?}: use a level such as debug, info, warn or error")
    })
}
