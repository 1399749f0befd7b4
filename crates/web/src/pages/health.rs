//! Health checks, and the service itself.

use super::html::{self, Html, Tone, UNKNOWN, counted, length, path_with, value};
use super::view::{Cell, Content, Form, Head, Page, Row, Section, Table};
use super::words::Unit;
use super::{HEALTH, Made, charts, may_act, or_words};
use crate::http::Call;
use crate::model::{Line, Sender, Series, ServiceStatus, ValueFormat};
use crate::views::{CheckView, HealthHistoryView, HealthView};

pub(super) fn list(call: &Call<'_>) -> Made {
    let health = call.backend.health().map(HealthView::from);
    let service = call.backend.service();
    let (title, tone) = match &health {
        Ok(health) => title(health),
        Err(_) => (
            "The health checks are not available".to_owned(),
            Tone::Unknown,
        ),
    };
    let mut lead = Vec::new();
    if let Ok(health) = &health {
        lead.extend(health.notices.iter().map(|notice| Html::text(notice)));
        if let Some(percent) = health.sites_accessible_percent {
            lead.push(Html::text(&format!(
                "{percent:.0} % of the sites are accessible."
            )));
        }
    }
    let checks = or_words(health, |health| Content::Table(checks(call, &health)));
    let mut sections = vec![Section::new("checks", "", checks)];
    match service {
        Ok(service) => sections.extend(about_service(call, &service)),
        Err(error) => {
            let words = or_words(Err::<(), _>(error), |()| Content::Words(Vec::new()));
            sections.push(Section::new("service", "The service", words));
        }
    }
    Page {
        title,
        tone: Some(tone),
        lead,
        sections,
        ..Page::default()
    }
    .draw(call, HEALTH)
}

fn title(health: &HealthView) -> (String, Tone) {
    let total = health.checks.len() as u64;
    let number = |status: &str| {
        health
            .checks
            .iter()
            .filter(|check| check.status == status)
            .count() as u64
    };
    let (critical, degraded) = (number("critical"), number("degraded"));
    let checks = counted(total, "check", "checks");
    match (total, critical, degraded) {
        (0, ..) => ("No health checks are configured".to_owned(), Tone::Unknown),
        (_, 0, 0) if number("healthy") == total => (format!("{checks}, all healthy"), Tone::Good),
        (_, 0, 0) => (
            format!(
                "{} of {checks} healthy, the others inconclusive",
                number("healthy")
            ),
            Tone::Unknown,
        ),
        (_, 0, degraded) => (format!("{degraded} of {checks} degraded"), Tone::Warning),
        (_, critical, _) => (format!("{critical} of {checks} critical"), Tone::Critical),
    }
}

fn checks(call: &Call<'_>, health: &HealthView) -> Table {
    let row = |check: &CheckView| {
        let time = check.values.get("response_time").copied();
        let shown = value(
            time.map(|seconds| 1_000.0 * seconds),
            ValueFormat::Milliseconds,
        );
        let available = check.availability_percent;
        let percent =
            available.map_or_else(|| UNKNOWN.to_owned(), |percent| format!("{percent:.1} %"));
        let message = check
            .message
            .as_deref()
            .map(|message| Html::text(&html::cut_middle(message, 160)));
        Row::new(vec![
            Cell::new(
                Html::link(call.base, &path_with("/health", &check.name), &check.name)
                    .small(&Html::text(&html::cut_middle(&check.target, 80))),
            ),
            Cell::new(
                Html::badge(Tone::of_status(&check.status), &check.status)
                    .small(&message.unwrap_or_default()),
            ),
            Cell::text(&check.kind),
            Cell::time(call, check.since),
            Cell::time(call, check.checked_at),
            Cell::number(&shown, time),
            Cell::number(&percent, available),
        ])
    };
    Table {
        caption: "Checks in the order of the configuration".to_owned(),
        heads: vec![
            Head::text("Check"),
            Head::text("State"),
            Head::text("Kind"),
            Head::text("Since"),
            Head::text("Checked"),
            Head::number("Time"),
            Head::number("Available, 24 h"),
        ],
        rows: health.checks.iter().map(row).collect(),
        empty: Html("Checks of sites, databases, disks and logs would be here. Add <code>[[health.checks]]</code> to the configuration; <code>dragline health</code> tries them out.".to_owned()),
        is_sortable: true,
        ..Table::default()
    }
}

fn about_service(call: &Call<'_>, service: &ServiceStatus) -> Vec<Section> {
    let problems = service
        .problems
        .iter()
        .map(|problem| ("critical", Html::badge(Tone::Critical, problem)));
    let problems: Vec<_> = problems.collect();
    let title = match problems.len() as u64 {
        0 => "The service works".to_owned(),
        number => format!("The service has {}", counted(number, "problem", "problems")),
    };
    let mut sections = vec![Section::new(
        "service",
        title,
        Content::Facts(service_facts(call, service)),
    )];
    if !problems.is_empty() {
        sections.push(Section::new("problems", "", Content::Words(problems)));
    }
    sections.push(Section::new(
        "inputs",
        "What it reads",
        Content::Table(inputs(call, service)),
    ));
    if !service.senders.is_empty() {
        sections.push(Section::new(
            "senders",
            "Machines that send logs",
            Content::Table(senders(call, &service.senders)),
        ));
    }
    sections.push(Section::new(
        "tasks",
        "What it does regularly",
        Content::Table(tasks(call, service)),
    ));
    if may_act(call) {
        let form = Form {
            title: String::new(),
            path: "/api/v1/reload".to_owned(),
            fields: Vec::new(),
            hidden: vec![("return_to", "/health".to_owned())],
            button: "Read the configuration anew",
        };
        sections.push(Section::new("reload", "", Content::Forms(vec![form])));
    }
    sections
}

fn service_facts(call: &Call<'_>, service: &ServiceStatus) -> Vec<(String, Html)> {
    let bytes = |bytes: Option<u64>| {
        Html::text(&value(bytes.map(|bytes| bytes as f64), ValueFormat::Bytes))
    };
    let running = call.now.since(service.started_at) as f64 / 1e6;
    let configuration = match (&service.config_file, &service.config_error) {
        (None, _) => Html::text("defaults: there is no configuration file"),
        (Some(file), None) => Html::text(file).then(
            ", read ",
            &Html::time(Some(service.config_read_at), call.now),
        ),
        (Some(file), Some(error)) => Html::badge(Tone::Critical, "the present file is not in use")
            .then(" ", &Html::text(&format!("{file}: {error}"))),
    };
    vec![
        ("Version".to_owned(), Html::text(&service.version)),
        (
            "Started".to_owned(),
            Html::time(Some(service.started_at), call.now)
                .then(", ", &Html::text(&format!("{} ago", length(running)))),
        ),
        ("Configuration".to_owned(), configuration),
        ("Size of the store".to_owned(), bytes(service.store_bytes)),
        ("Free disk".to_owned(), bytes(service.disk_free_bytes)),
    ]
}

fn inputs(call: &Call<'_>, service: &ServiceStatus) -> Table {
    let row = |input: &crate::model::Input| {
        let state = match &input.error {
            None => Html::badge(Tone::Good, "followed"),
            Some(error) => Html::badge(Tone::Critical, "not readable").small(&Html::text(error)),
        };
        Row::new(vec![
            Cell::words(&input.path),
            Cell::new(state),
            Cell::count(Some(input.files)),
            Cell::time(call, input.last_event),
        ])
    };
    Table {
        caption: "Directories and files".to_owned(),
        heads: vec![
            Head::text("Path"),
            Head::text("State"),
            Head::number("Files"),
            Head::text("Latest event"),
        ],
        rows: service.inputs.iter().map(row).collect(),
        empty: Html(
            "Nothing is read. Name directories: <code>dragline serve logs/</code>.".to_owned(),
        ),
        ..Table::default()
    }
}

fn senders(call: &Call<'_>, senders: &[Sender]) -> Table {
    let row = |sender: &Sender| {
        let state = if sender.is_silent {
            Html::badge(Tone::Critical, "silent")
        } else {
            Html::badge(Tone::Good, "sends")
        };
        let bytes = sender.bytes as f64;
        Row::new(vec![
            Cell::text(&sender.host),
            Cell::new(state),
            Cell::time(call, Some(sender.last_seen)),
            Cell::number(&value(Some(bytes), ValueFormat::Bytes), Some(bytes)),
        ])
    };
    Table {
        caption: "Since the start of the service".to_owned(),
        heads: vec![
            Head::text("Machine"),
            Head::text("State"),
            Head::text("Latest batch"),
            Head::number("Received"),
        ],
        rows: senders.iter().map(row).collect(),
        is_sortable: true,
        ..Table::default()
    }
}

fn tasks(call: &Call<'_>, service: &ServiceStatus) -> Table {
    let row = |task: &crate::model::Task| {
        let age = task.last_success.map(|at| call.now.since(at) as f64 / 1e6);
        let state = match (&task.error, age) {
            (Some(error), _) => Html::badge(Tone::Critical, "failed").small(&Html::text(error)),
            (None, None) => Html::badge(Tone::Unknown, "not yet"),
            (None, Some(_)) => Html::badge(Tone::Good, "works"),
        };
        Row::new(vec![
            Cell::text(&task.name),
            Cell::new(state),
            Cell::time(call, task.last_success),
        ])
    };
    Table {
        caption: "Tasks with their last success".to_owned(),
        heads: ["Task", "State", "Last success"].map(Head::text).into(),
        rows: service.tasks.iter().map(row).collect(),
        empty: Html::text("Nothing is done regularly."),
        ..Table::default()
    }
}

pub(super) fn check(call: &Call<'_>) -> Made {
    let history =
        HealthHistoryView::from(call.backend.health_check(call.params.required("name")?)?);
    let check = &history.check;
    let mut sections = vec![Section::new(
        "facts",
        "",
        Content::Facts(check_facts(call, check)),
    )];
    if let Some(series) = response_times(&history) {
        sections.push(Section::new(
            "chart",
            "",
            Content::Charts(vec![charts::figure(&series, call.now)]),
        ));
    }
    sections.push(Section::new(
        "changes",
        "Changes",
        Content::Table(changes(call, &history)),
    ));
    Page {
        title: format!("{} is {}", check.name, check.status),
        tone: Some(Tone::of_status(&check.status)),
        lead: check
            .message
            .iter()
            .map(|message| Html::text(message))
            .collect(),
        up: Some(("/health".to_owned(), "Health".to_owned())),
        sections,
    }
    .draw(call, HEALTH)
}

fn check_facts(call: &Call<'_>, check: &CheckView) -> Vec<(String, Html)> {
    let percent = check
        .availability_percent
        .map_or_else(|| UNKNOWN.to_owned(), |percent| format!("{percent:.1} %"));
    let mut facts = vec![
        ("Kind".to_owned(), Html::text(&check.kind)),
        ("Target".to_owned(), Html::text(&check.target)),
        ("Since".to_owned(), Html::time(check.since, call.now)),
        ("Checked".to_owned(), Html::time(check.checked_at, call.now)),
        (
            "Last result".to_owned(),
            Html::badge(Tone::of_status(&check.last_result), &check.last_result),
        ),
        ("Available in 24 h".to_owned(), Html::text(&percent)),
    ];
    if check.results_in_a_row > 0 {
        let words = format!(
            "{} of {} results that would change the state",
            check.results_in_a_row, check.results_needed
        );
        facts.push(("Turning".to_owned(), Html::text(&words)));
    }
    let measured = check.values.iter().map(|(name, number)| {
        // Times are measured in seconds.
        let shown = if name.ends_with("_time") {
            value(Some(1_000.0 * number), ValueFormat::Milliseconds)
        } else {
            Unit::of(name).value(*number)
        };
        (name.replace('_', " "), Html::text(&shown))
    });
    facts.extend(measured);
    facts
}

fn response_times(history: &HealthHistoryView) -> Option<Series> {
    history
        .results
        .iter()
        .find_map(|result| result.response_time)?;
    Some(Series {
        metric: "response_time".to_owned(),
        title: format!("Response time of {}", history.check.name),
        unit: "response time".to_owned(),
        format: ValueFormat::Milliseconds,
        times: history.results.iter().map(|result| result.at).collect(),
        lines: vec![Line {
            label: "response time".to_owned(),
            values: history
                .results
                .iter()
                .map(|result| result.response_time.map(|seconds| 1_000.0 * seconds))
                .collect(),
        }],
        ..Series::default()
    })
}

fn changes(call: &Call<'_>, history: &HealthHistoryView) -> Table {
    let row = |change: &crate::views::HealthChange| {
        Row::new(vec![
            Cell::time(call, Some(change.at)),
            Cell::text(change.from.as_deref().unwrap_or(UNKNOWN)),
            Cell::new(Html::badge(Tone::of_status(&change.to), &change.to)),
            Cell::words(&html::cut_middle(&change.reason, 240)),
        ])
    };
    Table {
        caption: "Changes of the state, the latest first".to_owned(),
        heads: ["Time", "From", "To", "Why"].map(Head::text).into(),
        rows: history.changes.iter().rev().map(row).collect(),
        empty: Html::text("The state did not change since the check was first performed."),
        is_sortable: true,
        ..Table::default()
    }
}
