//! From the parameters of a request to a query of the backend. Pages use the same.

use dragline_schema::Level;

use crate::http::{Call, Problem};
use crate::model::{ErrorState, EventLine, LinesAround, RunOutcome, ScraperVerdict};
use crate::query::{
    AlertQuery, ErrorQuery, EventQuery, FindingQuery, Listing, MetricQuery, Page, RunQuery,
    ScraperQuery, ScraperSort,
};

/// Maximum number of lines on each side of a place.
const MAX_AROUND: u64 = 200;

/// Number of series of a metric that are answered.
const MAX_SERIES: usize = 50;

/// A list with other items.
pub(crate) fn convert<A, B: From<A>>(list: Listing<A>) -> Listing<B> {
    Listing {
        items: list.items.into_iter().map(B::from).collect(),
        total: list.total,
        next: list.next,
        note: list.note,
    }
}

pub(crate) fn scraper_query(call: &Call<'_>) -> Result<ScraperQuery, Problem> {
    let params = &call.params;
    let names: Vec<&str> = ScraperVerdict::ALL
        .iter()
        .map(|verdict| verdict.name())
        .collect();
    let parse = |words: &str| {
        words
            .split(',')
            .map(|word| ScraperVerdict::parse(word.trim()))
            .collect::<Option<Vec<_>>>()
    };
    Ok(ScraperQuery {
        scope: params.scope(),
        search: params.text("search").map(str::to_owned),
        verdicts: params.word("verdict", parse, &names)?.unwrap_or_default(),
        sort: params
            .word(
                "sort",
                ScraperSort::parse,
                &ScraperSort::ALL.map(ScraperSort::name),
            )?
            .unwrap_or_default(),
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn run_query(call: &Call<'_>) -> Result<RunQuery, Problem> {
    let params = &call.params;
    Ok(RunQuery {
        scope: params.scope(),
        outcome: params.word(
            "outcome",
            RunOutcome::parse,
            &RunOutcome::ALL.map(RunOutcome::name),
        )?,
        window: params.optional_window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn finding_query(call: &Call<'_>) -> Result<FindingQuery, Problem> {
    let params = &call.params;
    Ok(FindingQuery {
        scope: params.scope(),
        is_open: params.word("open", |word| word.parse::<bool>().ok(), &["true", "false"])?,
        kind: params.text("kind").map(str::to_owned),
        window: params.optional_window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn error_query(call: &Call<'_>) -> Result<ErrorQuery, Problem> {
    let params = &call.params;
    Ok(ErrorQuery {
        scope: params.scope(),
        category: params.text("category").map(str::to_owned),
        severity: params.severity()?,
        state: params.word(
            "state",
            ErrorState::parse,
            &ErrorState::ALL.map(ErrorState::name),
        )?,
        search: params.text("search").map(str::to_owned),
        window: params.window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn event_query(call: &Call<'_>) -> Result<EventQuery, Problem> {
    let params = &call.params;
    let level = |word: &str| Level::from_word(word);
    Ok(EventQuery {
        scope: params.scope(),
        run_id: params.text("run_id").map(str::to_owned),
        level: params.word(
            "level",
            level,
            &["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"],
        )?,
        event_type: params.text("event_type").map(str::to_owned),
        text: params.text("text").map(str::to_owned),
        window: params.window(call.now)?,
        page: params.page(Page::DEFAULT_LIMIT)?,
    })
}

/// The lines that a query asks for. Its event type may be several, separated by commas: an answer of the backend is about
/// one, so theirs are put together by their times, as far as one answer of each goes.
pub(crate) fn find_events(
    call: &Call<'_>,
    query: &EventQuery,
) -> Result<Listing<EventLine>, Problem> {
    let kinds = query.event_type.as_deref().unwrap_or_default();
    if !kinds.contains(',') {
        return Ok(call.backend.events(query)?);
    }
    let offset = query.page.offset()?;
    let end = offset.saturating_add(query.page.limit).min(Page::MAX_LIMIT);
    let mut all = Listing {
        items: Vec::new(),
        total: None,
        next: None,
        note: None,
    };
    let mut has_more = false;
    for kind in kinds
        .split(',')
        .map(str::trim)
        .filter(|kind| !kind.is_empty())
    {
        let part = call.backend.events(&EventQuery {
            event_type: Some(kind.to_owned()),
            page: Page {
                cursor: None,
                limit: end,
            },
            ..query.clone()
        })?;
        has_more |= part.next.is_some();
        all.items.extend(part.items);
        all.note = all.note.or(part.note);
    }
    all.items.sort_by_key(|line: &EventLine| line.at);
    has_more |= all.items.len() > end;
    if has_more && end == Page::MAX_LIMIT {
        all.note = Some(format!(
            "Of several event types together, only the first {end} lines are shown: narrow the period, or choose one type."
        ));
    } else if has_more {
        all.next = Some(end.to_string());
    }
    all.items = all.items.into_iter().take(end).skip(offset).collect();
    Ok(all)
}

pub(crate) fn alert_query(call: &Call<'_>) -> Result<AlertQuery, Problem> {
    Ok(AlertQuery {
        scope: call.params.scope(),
        severity: call.params.severity()?,
        page: call.params.page(Page::DEFAULT_LIMIT)?,
    })
}

pub(crate) fn metric_query(call: &Call<'_>) -> Result<MetricQuery, Problem> {
    let params = &call.params;
    let window = params.window(call.now)?;
    let labels = params.text("labels").unwrap_or_default();
    let labels = labels
        .split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| {
            let pair = pair.split_once('=').ok_or_else(|| {
                Problem::bad_request(format!(
                    "invalid labels {pair:?}: write name=value, separated by commas"
                ))
            })?;
            Ok((pair.0.trim().to_owned(), pair.1.trim().to_owned()))
        });
    let usual = (window.seconds() / 120).max(1) as u64;
    Ok(MetricQuery {
        name: params.required("name")?.to_owned(),
        labels: labels.collect::<Result<_, Problem>>()?,
        window,
        step_seconds: params.number("step")?.unwrap_or(usual).max(1),
        limit: MAX_SERIES,
    })
}

pub(crate) fn lines_around(call: &Call<'_>, default: u64) -> Result<LinesAround, Problem> {
    let number = |name| {
        Ok::<_, Problem>(call.params.number(name)?.unwrap_or(default).min(MAX_AROUND) as u32)
    };
    let (before, after) = (number("before")?, number("after")?);
    Ok(call
        .backend
        .lines_around(&call.params.place()?, before, after)?)
}
