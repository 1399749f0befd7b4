//! Parts that several pages have: tables of scrapers, runs and groups, numbers, periods, forms.

use super::html::{
    self, Html, Tone, address, line_address, name, path_with, scraper_address, severity_badge,
};
use super::view::{Content, Field, FigureView, Filters, Form, LogLine, Thing, WindowLink};
use super::words::Unit;
use super::{may_act, with_param};
use crate::http::Call;
use crate::model::{Attention, AttentionKind, Figure, Finding, ValueFormat};
use crate::query::{ScraperKey, Window};
use crate::views::AlertView;

/// The longest title of something that needs attention, in characters.
const LONGEST_TITLE: usize = 240;

/// Numbers with what was expected of them. `path` leads from a number to what is behind it; nothing is behind zero.
/// With a window, labels name it as all pages do.
pub(super) fn figures(
    figures: &[Figure],
    window: Option<Window>,
    path: impl Fn(&str) -> Option<String>,
) -> Content {
    let view = |figure: &Figure| {
        let (tone, note) = compare(figure);
        FigureView {
            tone: tone.class(),
            label: label(figure, window),
            value: figure.value.map_or_else(
                || html::UNKNOWN.to_owned(),
                |value| unit(figure).value(value),
            ),
            note,
            path: figure
                .value
                .filter(|value| *value != 0.0)
                .and_then(|_| path(&figure.metric)),
        }
    };
    Content::Figures(figures.iter().map(view).collect())
}

fn label(figure: &Figure, window: Option<Window>) -> String {
    window.map_or_else(
        || figure.label.clone(),
        |window| format!("{} in {}", figure.label, html::period(window.seconds())),
    )
}

/// How the value of a figure is written.
pub(super) fn unit(figure: &Figure) -> Unit {
    match (figure.format, Unit::of(&figure.metric)) {
        (ValueFormat::Number, Unit::Seconds) => Unit::Seconds,
        (format, _) => Unit::Is(format),
    }
}

/// Whether a number is as expected, and the expectation in words.
fn compare(figure: &Figure) -> (Tone, String) {
    let Some(range) = figure.expected else {
        let note = if figure.value.is_none() {
            "no data in this period"
        } else {
            ""
        };
        return (Tone::Plain, note.to_owned());
    };
    let note = format!("expected {}", unit(figure).range(range));
    let is_outside = figure
        .value
        .is_some_and(|value| value < range.lower || value > range.upper);
    (
        if is_outside {
            Tone::Warning
        } else {
            Tone::Plain
        },
        note,
    )
}

/// From a number of a scope to what is behind it.
pub(super) fn behind(metric: &str, scope: &[(&str, &str)], window: Window) -> Option<String> {
    let (from, to) = (window.from.to_string(), window.to.to_string());
    let period = [("from", from.as_str()), ("to", to.as_str())];
    let whole = || scope.iter().chain(&period).copied();
    match metric {
        "errors" => Some(address("/errors", whole())),
        "runs" => Some(address("/runs", whole())),
        _ => {
            let kind = ("event_type", kinds_of(metric)?);
            Some(address("/events", whole().chain([kind])))
        }
    }
}

/// The kinds of lines that are about items.
pub(super) const ITEMS: &str = "product_processed,article_stored";

/// The kinds of lines that a metric counts.
pub(super) fn kinds_of(metric: &str) -> Option<&'static str> {
    match metric.split('.').next().unwrap_or_default() {
        "requests" | "requests_failed" | "success_rate" | "response_time_ms" | "bytes" => {
            Some("request")
        }
        "items" => Some(ITEMS),
        "rate_limits" => Some("rate_limit"),
        _ => None,
    }
}

fn title(call: &Call<'_>, text: &str) -> Html {
    Html::sentence(&html::cut_middle(text, LONGEST_TITLE), call.now)
}

/// Something that needs attention.
pub(super) fn thing(call: &Call<'_>, attention: &Attention) -> Thing {
    let path = match attention.kind {
        AttentionKind::Finding => path_with("/findings", &attention.id),
        AttentionKind::Alert => path_with("/alerts", &attention.id),
        AttentionKind::Health => path_with("/health", &attention.id),
        AttentionKind::Service => "/health#service".to_owned(),
    };
    let mut about = severity_badge(attention.severity);
    if let Some(key) = &attention.scraper {
        about = about.then(
            " · ",
            &Html::link(call.base, &scraper_address(key), &name(key)),
        );
    }
    if attention.since.is_some() {
        about = about.then(" · since ", &Html::time(attention.since, call.now));
    }
    if let Some(handled) = &attention.handled {
        about = about.then(" · ", &Html::text(handled));
    }
    let sample = attention.place.as_ref().zip(attention.sample.as_ref());
    Thing {
        tone: if attention.handled.is_some() {
            ""
        } else {
            Tone::of_severity(attention.severity).class()
        },
        title: title(call, &attention.title),
        path,
        about,
        advice: attention
            .recommendation
            .as_deref()
            .map(|advice| Html::sentence(advice, call.now)),
        sample: sample.map(|(place, text)| (line_address(place), html::cut_middle(text, 300))),
        command: attention.command.clone(),
        forms: Vec::new(),
    }
}

/// A finding in a list.
pub(super) fn finding(call: &Call<'_>, finding: &Finding) -> Thing {
    let mut about = if finding.is_open {
        severity_badge(finding.severity)
    } else {
        Html::badge(Tone::Unknown, "over")
    };
    if let Some(key) = &finding.scraper {
        about = about.then(
            " · ",
            &Html::link(call.base, &scraper_address(key), &name(key)),
        );
    }
    about = about.then(" · since ", &Html::time(finding.since, call.now));
    if finding.until.is_some() {
        about = about.then(" until ", &Html::time(finding.until, call.now));
    }
    Thing {
        tone: if finding.is_open {
            Tone::of_severity(finding.severity).class()
        } else {
            ""
        },
        title: title(call, &finding.title),
        path: path_with("/findings", &finding.id),
        about,
        advice: Some(&finding.recommendation)
            .filter(|advice| finding.is_open && !advice.is_empty())
            .map(|advice| Html::sentence(advice, call.now)),
        sample: None,
        command: None,
        forms: Vec::new(),
    }
}

/// An alert in a list, with what can be done about it.
pub(super) fn alert(call: &Call<'_>, alert: &AlertView) -> Thing {
    let mut about = severity_badge(alert.severity);
    let key = ScraperKey {
        scraper_id: alert.labels.get("scraper_id").cloned(),
        site: alert.labels.get("site").cloned(),
    };
    if key != ScraperKey::default() {
        about = about.then(
            " · ",
            &Html::link(call.base, &scraper_address(&key), &name(&key)),
        );
    }
    about = about.then(" · since ", &Html::time(Some(alert.began), call.now));
    if let Some(by) = &alert.acknowledged_by {
        about = about.then(" · ", &Html::text(&format!("taken up by {by}")));
    }
    if alert.silenced_until.is_some() {
        about = about.then(
            " · silenced until ",
            &Html::time(alert.silenced_until, call.now),
        );
    }
    let sample = alert.place.as_ref().zip(alert.evidence.first());
    let mut forms = Vec::new();
    if may_act(call) && alert.status == "firing" && alert.acknowledged_by.is_none() {
        forms.push(Form {
            title: String::new(),
            path: path_with("/api/v1/alerts", &alert.id) + "/acknowledge",
            fields: Vec::new(),
            hidden: vec![("return_to", call.address.clone())],
            button: "Acknowledge",
        });
    }
    Thing {
        tone: Tone::of_severity(alert.severity).class(),
        title: title(call, &alert.summary),
        path: path_with("/alerts", &alert.id),
        about,
        advice: None,
        sample: sample.map(|(place, text)| (line_address(place), html::cut_middle(text, 300))),
        command: None,
        forms,
    }
}

/// The form that mutes alerts of a scope.
pub(super) fn silence(call: &Call<'_>, preset: &[(&'static str, &str)]) -> Form {
    let preset = |name: &str| {
        let found = preset.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value).unwrap_or_default()
    };
    let lengths = [
        ("1h", "1 hour"),
        ("4h", "4 hours"),
        ("24h", "1 day"),
        ("3d", "3 days"),
        ("7d", "7 days"),
    ];
    Form {
        title: "Mute notices for a time".to_owned(),
        path: "/api/v1/silences".to_owned(),
        fields: vec![
            Field::text("alertname", "Rule", preset("alertname")).hint("any"),
            Field::text("scraper_id", "Scraper", preset("scraper_id")).hint("any"),
            Field::text("site", "Site", preset("site")).hint("any"),
            Field::choice("for", "For", "4h", lengths),
            Field::text("comment", "Why", "")
                .hint("the site rebuilds its shop")
                .required(),
        ],
        hidden: vec![("return_to", call.address.clone())],
        button: "Silence",
    }
}

/// The choice of a period, which keeps all other parameters.
pub(super) fn periods(call: &Call<'_>, window: Window) -> Filters {
    let presets = [
        ("1h", "1 h"),
        ("6h", "6 h"),
        ("24h", "24 h"),
        ("7d", "7 d"),
        ("30d", "30 d"),
    ];
    let (from, to) = (call.params.text("from"), call.params.text("to"));
    let is_current = |preset: &str| to.is_none() && from.unwrap_or("24h") == preset;
    let link = |(preset, label): (&'static str, &'static str)| {
        let (path, query) = call.address.split_once('?').unwrap_or((&call.address, ""));
        let kept: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| !["from", "to", "cursor"].contains(&&**name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let kept = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        WindowLink {
            path: address(path, kept.chain([("from", preset)])),
            label,
            is_current: is_current(preset),
        }
    };
    let is_custom = !presets.iter().any(|(preset, _)| is_current(preset));
    let custom = Html::time(Some(window.from), call.now)
        .then(" to ", &Html::time(Some(window.to), call.now));
    let path = call.address.split('?').next().unwrap_or_default();
    Filters {
        path: path.to_owned(),
        windows: presets.map(link).into(),
        custom: is_custom.then_some(custom),
        ..Filters::default()
    }
}

/// A link that sorts a list by a column, unless it is sorted by it.
pub(super) fn sort_by(call: &Call<'_>, by: &'static str, default: &str) -> Option<String> {
    let now = call.params.text("sort").unwrap_or(default);
    (now != by).then(|| with_param(call, "sort", Some(by)))
}

/// Lines around a place, the one asked for marked.
pub(super) fn log_lines(lines: &crate::model::LinesAround) -> Vec<LogLine> {
    let line = |line: &crate::model::LineAround| {
        let is_error = line
            .level
            .as_deref()
            .is_some_and(|level| matches!(level, "ERROR" | "CRITICAL"));
        LogLine {
            class: match (line.is_target, is_error) {
                (true, true) => "target error",
                (true, false) => "target",
                (false, true) => "error",
                (false, false) => "",
            },
            number: line
                .line
                .map_or_else(|| format!("@{}", line.offset), |number| number.to_string()),
            text: line.text.clone(),
            is_target: line.is_target,
        }
    };
    lines.lines.iter().map(line).collect()
}
