//! `dragline alerts list | history | ack | silence`: what the state holds.

use std::time::Duration;

use anyhow::bail;
use dragline_alerting::history::Entry;
use dragline_alerting::notify::{DeliveryKind, Silence};
use dragline_alerting::{LabelMatch, Matchers, duration};
use dragline_report::render;
use dragline_schema::Timestamp;
use serde_json::json;

use super::{State, clean, lint, load, user};
use crate::args::{SilenceArgs, StateArgs, StateFile, StateFormat, WrongUsage};
use crate::output;
use crate::session::Session;
use crate::times;

/// `dragline alerts list`
pub(super) fn list(args: &StateArgs) -> anyhow::Result<()> {
    State::check_exists(&args.state.path)?;
    let state = State::read(&args.state.path)?;
    let now = times::now()?;
    let mut firing: Vec<_> = state.store.notices.firing().collect();
    firing.sort_by_key(|(alert, _)| {
        (
            std::cmp::Reverse(alert.severity),
            alert.began,
            alert.id.clone(),
        )
    });
    if args.format == StateFormat::Json {
        let all: Vec<_> = firing
            .iter()
            .map(|(alert, taken)| json!({"id": alert.id.short(), "alert": alert, "acknowledged": taken}))
            .collect();
        return json_out(&all);
    }
    for (name, broken) in &state.store.watch.broken {
        let since = minute(broken.since);
        output::tell(&clean(&format!(
            "rule {name} is broken since {since} and judges nothing: {}",
            broken.error
        )));
    }
    let waiting = state.store.notices.waiting();
    if waiting > 0 {
        output::tell(&format!(
            "the budget puts {waiting} of the alerts off to a digest"
        ));
    }
    if firing.is_empty() {
        return output::show("no alert fires\n");
    }
    let mut text = String::new();
    for (alert, taken) in firing {
        let taken = taken.map_or_else(String::new, |taken| {
            format!(", acknowledged by {}", taken.by)
        });
        let length = duration::format(rounded(duration::elapsed(now, alert.began)));
        text += &format!(
            "{:<8} {}\n         since {} ({length}){taken}\n         {}\n",
            alert.severity.as_str().to_uppercase(),
            dragline_report::render::clean(&alert.summary),
            minute(alert.began),
            alert.id.short(),
        );
    }
    output::show(&clean(&text))
}

/// `dragline alerts history`
pub(super) fn history(args: &StateArgs, last: Duration) -> anyhow::Result<()> {
    State::check_exists(&args.state.path)?;
    let state = State::read(&args.state.path)?;
    let now = times::now()?;
    let store = &state.store;
    let entries: Vec<&Entry> = store.history.view(now, last).collect();
    if args.format == StateFormat::Json {
        return json_out(&entries);
    }
    let summary = store
        .history
        .summarise(store.notices.firing().map(|(alert, _)| alert), now);
    let mut text = format!(
        "{} active, {} in the last hour, {} in the last 24 hours\n",
        summary.active, summary.last_hour, summary.last_day
    );
    entries.iter().for_each(|entry| text += &told(entry));
    output::show(&clean(&text))
}

fn told(entry: &Entry) -> String {
    match entry {
        Entry::Transition {
            at,
            alert,
            to,
            reason,
            severity,
            ..
        } => {
            let severity = severity.map_or_else(String::new, |severity| format!(" {severity}"));
            let to = serde_json::to_value(to).ok();
            let to = to
                .as_ref()
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default();
            format!(
                "{} {to}{severity} {}{}: {}\n",
                minute(*at),
                alert.rule,
                alert.labels,
                reason.describe()
            )
        }
        Entry::Notice {
            at,
            channel,
            kind,
            title,
            alerts,
            error,
            is_retried,
            ..
        } => {
            let end = match error {
                None => String::new(),
                Some(error) if *is_retried => format!(" (not sent, tried again: {error})"),
                Some(error) => format!(" (not sent: {error})"),
            };
            let evidence = alerts.iter().flat_map(|alert| &alert.evidence);
            let evidence: Vec<String> = evidence.map(|line| format!("    {line}\n")).collect();
            let evidence = evidence.concat();
            let what = match kind {
                DeliveryKind::Firing => "notice",
                DeliveryKind::Resolved => "notice of the end",
                DeliveryKind::Repeat => "repeated notice",
                DeliveryKind::Digest => "digest",
                DeliveryKind::Report => "report",
            };
            format!(
                "{} {what} to {channel}: {title}{end}\n{evidence}",
                minute(*at)
            )
        }
        Entry::Action { at, by, text } => format!("{} {by}: {text}\n", minute(*at)),
    }
}

/// `dragline alerts ack`
pub(super) fn acknowledge(id: &str, file: &StateFile, by: Option<&str>) -> anyhow::Result<()> {
    State::check_exists(&file.path)?;
    let mut state = State::open(&file.path)?;
    let now = times::now()?;
    let by = by.map_or_else(user, str::to_owned);
    let taken = state.store.notices.acknowledge(id, &by, now);
    if taken.is_empty() {
        let names: Vec<String> = state
            .store
            .notices
            .firing()
            .map(|(alert, _)| alert.id.short())
            .collect();
        match names.as_slice() {
            [] => bail!("no alert fires, so there is none to acknowledge"),
            names => bail!(
                "no alert that fires begins with {id:?}; those that fire: {}",
                names.join(", ")
            ),
        }
    }
    for alert in &taken {
        state.store.history.record_action(
            &by,
            &format!("acknowledged {}{}", alert.rule, alert.labels),
            now,
        );
    }
    state.save()?;
    let lines: Vec<String> = taken
        .iter()
        .map(|alert| format!("acknowledged {}{}\n", alert.rule, alert.labels))
        .collect();
    output::show(&clean(&lines.concat()))
}

/// `dragline alerts silence`
pub(super) fn silence(args: &SilenceArgs) -> anyhow::Result<()> {
    State::check_exists(&args.state.path)?;
    let session = Session::open(&args.rules.session())?;
    let config = load(&session, &args.rules)?;
    let mut state = if args.list {
        State::read(&args.state.path)?
    } else {
        State::open(&args.state.path)?
    };
    let now = session.now;
    state
        .store
        .silences
        .retain(|silence| silence.ends.is_none_or(|ends| now < ends));
    if args.list {
        let own = state.store.silences.iter();
        let mut lines: Vec<String> = own
            .map(|silence| format!("{} {}\n", silence.id(), shown(silence)))
            .collect();
        let configured = config.notify.silence.iter();
        let configured = configured.filter(|silence| silence.ends.is_none_or(|ends| now < ends));
        lines.extend(configured.map(|silence| format!("(configuration) {}\n", shown(silence))));
        if lines.is_empty() {
            lines.push("no silence\n".to_owned());
        }
        return output::show(&clean(&lines.concat()));
    }
    let by = args.by.clone().unwrap_or_else(user);
    let told = if let Some(id) = &args.end {
        let ended = end(&mut state.store.silences, id)?;
        format!("ended the silence {}", shown(&ended))
    } else {
        let mut matchers = Matchers::default();
        for (label, value) in &args.matchers {
            if matchers.iter().any(|(known, _)| known == label) {
                let sentence = format!(
                    "--match {label} is given twice, and both cannot match: make two silences"
                );
                return Err(WrongUsage::new(&sentence).into());
            }
            matchers.insert(label.clone(), LabelMatch::One(value.clone()));
        }
        for problem in lint::problems_of_silence(&config, &matchers) {
            output::tell(&clean(&problem));
        }
        let silence = Silence {
            matchers,
            starts: Some(now),
            // clap requires it.
            ends: args.length.map(|length| duration::after(now, length)),
            weekly: None,
            comment: args.comment.clone(),
            by: by.clone(),
        };
        let muted = state
            .store
            .notices
            .firing()
            .filter(|(alert, _)| silence.mutes(&alert.labels, now));
        let told = format!(
            "silenced {}: {} of the alerts that fire",
            shown(&silence),
            muted.count()
        );
        state.store.silences.push(silence);
        told
    };
    state.store.history.record_action(&by, &told, now);
    state.save()?;
    output::show(&format!("{}\n", clean(&told)))
}

/// Removes the silence whose id begins with `id`.
fn end(silences: &mut Vec<Silence>, id: &str) -> anyhow::Result<Silence> {
    let meant = silences
        .iter()
        .enumerate()
        .filter(|(_, silence)| !id.is_empty() && silence.id().starts_with(id))
        .map(|(index, _)| index)
        .collect::<Vec<_>>();
    match meant[..] {
        [index] => Ok(silences.remove(index)),
        [] => bail!(
            "there is no silence {id:?}: --list shows all {}",
            silences.len()
        ),
        _ => bail!(
            "{} silences begin with {id:?}: write more of the id",
            meant.len()
        ),
    }
}

fn shown(silence: &Silence) -> String {
    let until = match (silence.ends, &silence.weekly) {
        (Some(ends), _) => format!(" until {}", minute(ends)),
        (None, Some(weekly)) => format!(" {weekly}"),
        (None, None) => " without an end".to_owned(),
    };
    let comment = if silence.comment.is_empty() {
        String::new()
    } else {
        format!(" ({})", silence.comment)
    };
    format!("{}{until}{comment}", silence.matchers)
}

fn json_out(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    output::show(&format!("{}\n", render::clean_json(&text)))
}

/// `2026-03-04 06:00 UTC`.
fn minute(time: Timestamp) -> String {
    format!("{} UTC", time.to_string()[..16].replace('T', " "))
}

fn rounded(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs() / 60 * 60)
}
