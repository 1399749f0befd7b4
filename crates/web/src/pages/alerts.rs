//! Alerts: those that fire, what happened, silences and rules.

use super::html::{
    self, Html, Tone, UNKNOWN, count, counted, length, line_address, name, path_with,
    severity_badge, value,
};
use super::view::{Cell, Content, Form, Head, Page, Row, Section, Table};
use super::{ALERTS, Made, charts, downloads, may_act, note_of, or_words, parts, parts_of};
use crate::api::queries::{alert_query, convert};
use crate::http::Call;
use crate::model::{RuleSummary, ValueFormat, WatchStatus};
use crate::query::{ExportTable, Listing, Page as Part};
use crate::views::{AlertDetailView, AlertEvent, AlertSummaryView, AlertView, SilenceView};

pub(super) fn list(call: &Call<'_>) -> Made {
    let alerts: Listing<AlertView> = convert(call.backend.alerts(&alert_query(call)?)?);
    let watch = call.backend.watch();
    let (title, tone) = title(&alerts);
    let mut sections = Vec::new();
    let mut firing = Content::Attention(
        alerts
            .items
            .iter()
            .map(|alert| parts::alert(call, alert))
            .collect(),
    );
    if alerts.items.is_empty() {
        firing = Content::Words(vec![("empty", nothing_fires(call, watch.as_ref().ok()))]);
    }
    sections.push(Section::new("firing", "", firing));
    let pages = parts_of(call, &alerts);
    if !pages.is_empty() {
        let links = pages
            .iter()
            .map(|(path, label)| ("pages", Html::link(call.base, path, label)));
        sections.push(Section::new("parts", "", Content::Words(links.collect())));
    }
    sections.push(Section::new("silences", "Silences", silences(call)));
    if may_act(call) {
        sections.push(Section::new(
            "silence",
            "",
            Content::Forms(vec![parts::silence(call, &[])]),
        ));
    }
    let window = call.params.window(call.now)?;
    sections.push(Section::new(
        "period",
        "What happened",
        Content::Filters(parts::periods(call, window)),
    ));
    let history = or_words(
        call.backend.alert_history(window, &Part::first(50)),
        |list| {
            Content::Table(Table {
                downloads: downloads(call, ExportTable::Alerts),
                ..history(call, &convert(list))
            })
        },
    );
    sections.push(Section::new("history", "", history));
    let rules = or_words(watch, |watch| Content::Table(rules(&watch)));
    sections.push(Section::new("rules", "Rules", rules));
    let lead = call
        .backend
        .alert_summary()
        .map(|summary| summarise(&summary.into()));
    Page {
        title,
        tone: Some(tone),
        lead: lead.into_iter().collect(),
        sections,
        ..Page::default()
    }
    .draw(call, ALERTS)
}

fn title(alerts: &Listing<AlertView>) -> (String, Tone) {
    let total = alerts.total.unwrap_or(alerts.items.len() as u64);
    let taken = alerts
        .items
        .iter()
        .filter(|alert| alert.acknowledged_by.is_some())
        .count() as u64;
    let tone = alerts
        .items
        .iter()
        .map(|alert| Tone::of_severity(alert.severity))
        .max();
    match (total, taken) {
        (0, _) => ("No alert fires".to_owned(), Tone::Good),
        (total, 0) => (
            counted(total, "alert fires", "alerts fire"),
            tone.unwrap_or(Tone::Warning),
        ),
        (total, taken) => {
            let title = format!(
                "{}, {} taken up",
                counted(total, "alert fires", "alerts fire"),
                count(taken)
            );
            (title, tone.unwrap_or(Tone::Warning))
        }
    }
}

fn nothing_fires(call: &Call<'_>, watch: Option<&WatchStatus>) -> Html {
    let Some(watch) = watch else {
        return Html::text("Alerts that fire would be here.");
    };
    let rules = watch.rules.iter().filter(|rule| rule.enabled).count() as u64;
    let words = format!(
        "Alerts that fire would be here. {} evaluated",
        counted(rules, "rule is", "rules are")
    );
    match watch.evaluated_until {
        Some(_) => Html::text(&words)
            .then(", last for ", &Html::time(watch.evaluated_until, call.now))
            .then("", &Html::text(".")),
        None => Html::text(&format!("{words}, but were not yet.")),
    }
}

fn summarise(summary: &AlertSummaryView) -> Html {
    Html::text(&format!(
        "{} in the last hour, {} in the last 24 hours.",
        counted(summary.last_hour, "alert fired", "alerts fired"),
        count(summary.last_day)
    ))
}

fn silences(call: &Call<'_>) -> Content {
    let list = match call.backend.silences(&Part::first(50)) {
        Ok(list) => list,
        Err(error) => return or_words(Err::<(), _>(error), |()| Content::Words(Vec::new())),
    };
    let list: Listing<SilenceView> = convert(list);
    let row = |silence: &SilenceView| {
        let matches: Vec<String> = silence
            .matches
            .iter()
            .map(|(name, values)| format!("{name} = {}", values.join(" or ")))
            .collect();
        let what = if matches.is_empty() {
            "all alerts".to_owned()
        } else {
            matches.join(", ")
        };
        let state = if silence.is_in_force {
            Html::badge(Tone::Plain, "in force")
        } else {
            Html::badge(Tone::Unknown, "not now")
        };
        let origin = if silence.is_of_page {
            silence.by.clone()
        } else {
            "configuration".to_owned()
        };
        let when = match &silence.weekly {
            Some(weekly) => Html::text(weekly),
            None if silence.ends.is_none() => Html::text("permanently"),
            None => Html::text("until ").then("", &Html::time(silence.ends, call.now)),
        };
        Row::new(vec![
            Cell::words(&html::cut_middle(&what, 120)),
            Cell::new(state.small(&Html::text(&counted(
                silence.muted,
                "alert muted",
                "alerts muted",
            )))),
            Cell::new(when),
            Cell::words(&html::cut_middle(&silence.comment, 160)),
            Cell::text(&origin),
            Cell::new(end_button(call, silence)),
        ])
    };
    Content::Table(Table {
        caption: "Silences mute notices, never the alerts themselves".to_owned(),
        heads: ["Alerts", "State", "When", "Why", "By", "Action"]
            .map(Head::text)
            .into(),
        rows: list.items.iter().map(row).collect(),
        empty: Html::text(
            "No notices are muted. Set a silence below, or [[notify.silences]] in the configuration.",
        ),
        note: note_of(&list),
        ..Table::default()
    })
}

/// A button that ends a silence.
fn end_button(call: &Call<'_>, silence: &SilenceView) -> Html {
    if !silence.is_of_page || !may_act(call) {
        return Html::default();
    }
    let path = format!(
        "{}{}/end",
        call.base,
        path_with("/api/v1/silences", &silence.id)
    );
    Html(format!(
        "<form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"return_to\" value=\"{}\"><button class=\"quiet\">End</button></form>",
        Html::text(&path).0,
        Html::text(&call.address).0
    ))
}

fn history(call: &Call<'_>, list: &Listing<AlertEvent>) -> Table {
    let row = |event: &AlertEvent| {
        let mut text = Cell::sentence(call, &html::cut_middle(&event.text, 240)).html;
        if let Some(error) = &event.error {
            text = text.small(&Html::text(&html::cut_middle(error, 240)));
        }
        let alert = event.alerts.first().map(|id| {
            let scraper = event.scrapers.first().and_then(Option::as_ref).map(name);
            let shown = scraper.unwrap_or_else(|| html::cut_middle(id, 60));
            Html::link(call.base, &path_with("/alerts", id), &shown)
        });
        let more = event.alerts.len().saturating_sub(1) as u64;
        let alert = alert.unwrap_or_default();
        let alert = if more > 0 {
            alert.small(&Html::text(&format!("and {} more", count(more))))
        } else {
            alert
        };
        Row::new(vec![
            Cell::time(call, Some(event.at)),
            Cell::new(text),
            Cell::new(event.severity.map(severity_badge).unwrap_or_default()),
            Cell::new(alert),
            Cell::text(event.by.as_deref().unwrap_or_default()),
        ])
    };
    Table {
        caption: "Transitions, notices and what people did, the latest first".to_owned(),
        heads: ["Time", "What", "Severity", "Alert", "By"]
            .map(Head::text)
            .into(),
        rows: list.items.iter().map(row).collect(),
        empty: Html::text("Nothing happened in this period."),
        note: note_of(list),
        is_sortable: list.next.is_none(),
        ..Table::default()
    }
}

fn rules(watch: &WatchStatus) -> Table {
    let row = |rule: &RuleSummary| {
        let state = match (&rule.error, rule.enabled, rule.firing) {
            (Some(error), ..) => Html::badge(Tone::Critical, "broken").small(&Html::text(error)),
            (None, false, _) => Html::badge(Tone::Unknown, "off"),
            (None, true, 0) => Html::badge(Tone::Good, "quiet"),
            (None, true, firing) => Html::badge(
                Tone::of_severity(rule.severity),
                &counted(firing, "alert", "alerts"),
            ),
        };
        Row::new(vec![
            Cell::text(&rule.name),
            Cell::new(state),
            Cell::words(&rule.condition),
            Cell::text(rule.severity.as_str()),
        ])
    };
    Table {
        caption: "What is watched".to_owned(),
        heads: ["Rule", "State", "Condition", "Severity"]
            .map(Head::text)
            .into(),
        rows: watch.rules.iter().map(row).collect(),
        empty: Html::text(
            "No rules. The rules of the configuration, and the built-in ones, would be here.",
        ),
        is_sortable: true,
        ..Table::default()
    }
}

pub(super) fn alert(call: &Call<'_>) -> Made {
    let detail = AlertDetailView::from(call.backend.alert(call.params.required("id")?)?);
    let alert = &detail.alert;
    let is_firing = alert.status == "firing";
    let mut sections = vec![Section::new(
        "facts",
        "",
        Content::Facts(facts(call, alert)),
    )];
    if is_firing && may_act(call) {
        let mut forms: Vec<Form> = parts::alert(call, alert).forms;
        let label = |name: &str| {
            alert
                .labels
                .get(name)
                .map(String::as_str)
                .unwrap_or_default()
        };
        let preset = [
            ("alertname", alert.rule.as_str()),
            ("scraper_id", label("scraper_id")),
            ("site", label("site")),
        ];
        forms.push(parts::silence(call, &preset));
        sections.push(Section::new("actions", "", Content::Forms(forms)));
    }
    if let Some(series) = &detail.series {
        sections.push(Section::new(
            "chart",
            "",
            Content::Charts(vec![charts::figure(series, call.now)]),
        ));
    }
    sections.push(Section::new(
        "evidence",
        "Lines that show it",
        evidence(call, alert),
    ));
    let events = Listing {
        items: detail.history.clone(),
        total: None,
        next: None,
        note: None,
    };
    sections.push(Section::new(
        "history",
        "What happened",
        Content::Table(history(call, &events)),
    ));
    Page {
        title: alert.summary.clone(),
        tone: Some(if is_firing {
            Tone::of_severity(alert.severity)
        } else {
            Tone::Good
        }),
        lead: lead(call, alert),
        up: Some(("/alerts".to_owned(), "Alerts".to_owned())),
        sections,
    }
    .draw(call, ALERTS)
}

fn lead(call: &Call<'_>, alert: &AlertView) -> Vec<Html> {
    let mut lines = Vec::new();
    if let Some(verdict) = &alert.verdict {
        lines.push(Html::text(&format!(
            "Cause, by comparison with others: {verdict}."
        )));
    }
    if let Some(by) = &alert.acknowledged_by {
        lines.push(
            Html::text(&format!("Taken up by {by}, "))
                .then("", &Html::time(alert.acknowledged_at, call.now))
                .then("", &Html::text(".")),
        );
    }
    if alert.silenced_until.is_some() {
        lines.push(
            Html::text("Silenced until ")
                .then("", &Html::time(alert.silenced_until, call.now))
                .then("", &Html::text(".")),
        );
    }
    lines
}

fn facts(call: &Call<'_>, alert: &AlertView) -> Vec<(String, Html)> {
    // The value of a rule about a sign of life is how long it is overdue.
    let is_time = alert.condition.ends_with("is overdue");
    let number = |number: Option<f64>| match number {
        Some(seconds) if is_time => length(seconds),
        number => value(number, ValueFormat::Number),
    };
    let threshold = alert
        .threshold
        .map(|threshold| format!(", threshold {}", number(Some(threshold))));
    let state = if alert.flapping {
        "flapping"
    } else {
        &alert.status
    };
    let mut facts = vec![
        (
            "State".to_owned(),
            Html::text(&format!("{state}: {}", alert.reason)),
        ),
        ("Severity".to_owned(), severity_badge(alert.severity)),
        (
            "Condition".to_owned(),
            Html(format!("<code>{}</code>", Html::text(&alert.condition).0)),
        ),
        (
            if is_time { "Overdue by" } else { "Value" }.to_owned(),
            Html::text(&(number(alert.value) + &threshold.unwrap_or_default())),
        ),
        ("Began".to_owned(), Html::time(Some(alert.began), call.now)),
        (
            "Fired".to_owned(),
            Html::time(Some(alert.fired_at), call.now),
        ),
    ];
    if alert.ended.is_some() {
        facts.push(("Ended".to_owned(), Html::time(alert.ended, call.now)));
    }
    if let Some(range) = alert.expected {
        facts.push((
            "Usually".to_owned(),
            Html::text(&format!(
                "{} to {}",
                number(Some(range.lower)),
                number(Some(range.upper))
            )),
        ));
    }
    let sent = if alert.channels.is_empty() {
        "nobody yet".to_owned()
    } else {
        alert.channels.join(", ")
    };
    facts.push(("Notified".to_owned(), Html::text(&sent)));
    if let Some(owner) = &alert.owner {
        facts.push(("Owner".to_owned(), Html::text(owner)));
    }
    if let Some(runbook) = &alert.runbook {
        facts.push(("Runbook".to_owned(), runbook_of(runbook)));
    }
    if let Some(command) = &alert.command {
        facts.push(("Command".to_owned(), Html::command(command)));
    }
    facts.extend(
        alert
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), Html::text(value))),
    );
    facts
}

/// A runbook: one of ours by its name, or an address of theirs, as it was written.
fn runbook_of(runbook: &str) -> Html {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if runbook.chars().all(is_name) {
        Html::command(&format!("dragline runbook {runbook}"))
    } else {
        Html::text(runbook)
    }
}

fn evidence(call: &Call<'_>, alert: &AlertView) -> Content {
    let mut words: Vec<(&'static str, Html)> = alert
        .evidence
        .iter()
        .map(|line| ("sample", Html::long(line)))
        .collect();
    if let Some(place) = &alert.place {
        let shown = place
            .line
            .map_or_else(|| UNKNOWN.to_owned(), |line| line.to_string());
        let label = format!(
            "The lines around {}:{shown}",
            html::cut_middle(&place.file, 60)
        );
        words.push(("", Html::link(call.base, &line_address(place), &label)));
    }
    if words.is_empty() {
        words.push((
            "empty",
            Html::text("This alert is about a number; no single line shows it."),
        ));
    }
    Content::Words(words)
}
