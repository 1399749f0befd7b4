//! The parameters of the API.

use crate::http::{Param, param};

pub(super) const SCRAPER: Param = param(
    "scraper_id",
    "The scraper. Absent: any; empty: those whose id is unknown.",
);
pub(super) const SITE: Param = param(
    "site",
    "The site. Absent: any; empty: those whose site is unknown.",
);
pub(super) const RUN: Param = param(
    "run_id",
    "The run, which is unique for its scraper and site only.",
);
pub(super) const FROM: Param = param(
    "from",
    "Start of the window: RFC 3339, a date, or how long ago (`6h`, `7d`). The default is 24 hours before `to`.",
);
pub(super) const TO: Param = param(
    "to",
    "End of the window, which does not belong to it. The default is now.",
);
pub(super) const LIMIT: Param = param(
    "limit",
    "Maximum number of items, 1 to 1000. The default is 100.",
);
pub(super) const CURSOR: Param =
    param("cursor", "Where to go on: the `next` of the answer before.");
pub(super) const SEARCH: Param = param("search", "A part of the name, in any case.");
pub(super) const VERDICT: Param = param(
    "verdict",
    "Only these, separated by commas: `down`, `blocked`, `silent_failure`, `layout_changed`, `stalled`, `missed`, `degraded`, `no_data`, `healthy`.",
);
pub(super) const SORT: Param = param(
    "sort",
    "`attention` (the default), `name`, `requests`, `items`, `errors`, `success_rate` or `last_event`.",
);
pub(super) const OUTCOME: Param = param(
    "outcome",
    "Only this: `running`, `finished`, `failed`, `cancelled`, `stalled`, `killed` or `truncated`.",
);
pub(super) const CATEGORY: Param = param(
    "category",
    "Only this category of errors: `network`, `parsing`, …",
);
pub(super) const SEVERITY: Param = param(
    "severity",
    "`low`, `medium`, `high` or `critical`. For alerts: this and above.",
);
pub(super) const STATE: Param = param(
    "state",
    "Only `new`, `regressed`, `ongoing` or `resolved` groups.",
);
pub(super) const FILE: Param = param("file", "The file, as an answer names it.");
pub(super) const LINE: Param = param("line", "The number of the line, from 1.");
pub(super) const OFFSET: Param =
    param("offset", "The byte offset of the line after decompression.");
pub(super) const BEFORE: Param = param(
    "before",
    "Number of lines before it, at most 200. The default is 10.",
);
pub(super) const AFTER: Param = param(
    "after",
    "Number of lines after it, at most 200. The default is 10.",
);
pub(super) const LEVEL: Param = param(
    "level",
    "Only this level and above: `DEBUG`, `INFO`, `WARN`, `ERROR`, …",
);
pub(super) const EVENT_TYPE: Param = param(
    "event_type",
    "Only these types of events, separated by commas: `request`, `scraper_error`, …",
);
pub(super) const TEXT: Param = param("text", "Only lines that contain this text, in any case.");
pub(super) const KIND: Param = param(
    "kind",
    "Only this kind of finding: `block_wave`, `layout_change`, …",
);
pub(super) const OPEN: Param = param(
    "open",
    "`true`: only open findings; `false`: only those that are over.",
);
pub(super) const STEP: Param = param(
    "step",
    "The distance of two points in seconds. The default is a 120th of the window.",
);
pub(super) const LABELS: Param = param(
    "labels",
    "Only series with these labels: `site=shop.example.com,status=200`.",
);
pub(super) const FORMAT: Param = param("format", "`csv` (the default) or `json`.");
pub(super) const METRIC: Param = param("metric", "The metric, for the table `metric`.");
