//! `dragline alerts run`: one round for cron.

use std::io::IsTerminal as _;
use std::mem;
use std::time::Duration;

use anyhow::bail;
use dragline_alerting::channel::Channels;
use dragline_alerting::config::AlertConfig;
use dragline_alerting::dispatch::Dispatch;
use dragline_alerting::history::Entry;
use dragline_alerting::notice::{Notice, minute};
use dragline_alerting::notify::NotifyConfig;
use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::state::PhaseName;
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Change, LAG_ALERT, Unread};
use dragline_alerting::{Alert, Observation};
use dragline_report::render;
use dragline_schema::Timestamp;
use dragline_watch::{Round, Scene, Wanted, evaluate, of_checks, switch_off_unchecked};
use serde_json::json;

use super::{Context, State, clean, lint, load, read_logs, with_ending};
use crate::args::{RunArgs, StateFormat};
use crate::commands::health;
use crate::output;
use crate::session::Session;

/// From when on the newest line is old, in microseconds.
const OLD: i64 = 36 * 3_600_000_000;

/// How much earlier than usual cron may start a round.
const JITTER: Duration = Duration::from_secs(45);

/// `dragline alerts run`
pub(super) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.logs.rules.session())?;
    let mut config = load(&session, &args.logs.rules)?;
    let mut state = if args.dry_run {
        State::read(&args.state.path)?
    } else {
        State::open(&args.state.path)?
    };
    // A missing password should not be found out by the first alert, and must not stop the other channels.
    let (channels, mistakes) = session.config.channels();
    for mistake in &mistakes {
        output::tell(&clean(mistake));
    }
    let problems = lint::problems_of_rules(&session, &config);
    for problem in problems
        .iter()
        .chain(&lint::problems_of_notifications(&config))
    {
        output::tell(&clean(problem));
    }
    let checks = checks(&session, &mut config.rules)?;
    let context = Context::of(&session);
    let before = state.store.clone();
    let mut wanted = context.wanted(&config, &session).going_on(&before);
    let (mut scene, unread) = read_what_is_there(&session, args, &mut wanted, &before)?;
    let (more, unkept) = match checks {
        Some(checks) => run_checks(checks, &config, &mut scene, (args, &wanted))?,
        None => (Vec::new(), None),
    };
    let round = evaluate(&scene, &wanted, &mut state.store, &more);
    // An input that is missing ends the round with an error, which says so.
    if unread.is_none() {
        tell_unread(&scene, &state);
    }
    tell_age(&scene, &session, before.watch.last_tick);
    // Once, or when somebody looks: cron mails whatever is printed.
    if before.watch.last_tick.is_none() || args.dry_run || std::io::stdout().is_terminal() {
        tell_names(&scene, &config.notify, &before);
    }
    tell_late(&round, config.watch.lateness);
    let notify = NotifyConfig {
        notify: dragline_alerting::notify::NotifySettings {
            // A round collects everything since the last one: there is nothing to wait for.
            group_wait: Duration::ZERO,
            // Cron is not exact: a round that is a little early must not wait for the next one.
            group_interval: config.notify.notify.group_interval.saturating_sub(JITTER),
            ..config.notify.notify.clone()
        },
        silence: [config.notify.silence.clone(), state.store.silences.clone()].concat(),
        ..config.notify.clone()
    };
    let judged = Outcome {
        scene: &scene,
        rules: &config.rules,
        notify: &notify,
        round: &round,
        now: session.now,
    };
    if args.dry_run {
        let notices = planned(&state, &judged);
        judged.show(args, &state, &notices, &[])?;
        return unread.map_or(Ok(()), Err);
    }
    // What was judged is kept, whatever becomes of the notices. A full disk must not be the reason why nobody hears of it.
    let unsaved = state.save().err();
    let failures = send(&mut state, &channels, &judged);
    let unsaved = state.save().err().or(unsaved).or(unkept);
    judged.show(args, &state, &[], &failures)?;
    for (name, broken) in &state.store.watch.broken {
        output::tell(&format!("rule {name}: {}", clean(&broken.error)));
    }
    if let Some(error) = unsaved {
        return Err(error.context(
            "what was judged and sent cannot be kept: the next round sends the same again",
        ));
    }
    if let Some(error) = unread {
        return Err(error);
    }
    match (failures.len(), mistakes.len()) {
        (0, 0) => tell_undelivered(&state, &judged),
        (0, broken) => bail!("channels that cannot be used: {broken}"),
        (unsent, _) => bail!("{unsent} of the notices could not be sent"),
    }
}

/// Says which channels have not taken all, why, and when they are tried again.
///
/// # Errors
/// If there are any.
fn tell_undelivered(state: &State, judged: &Outcome<'_>) -> anyhow::Result<()> {
    let store = &state.store;
    let waiting = store.notices.undelivered(judged.notify, judged.now);
    let why = |name: &str| {
        let failures = store.history.iter().filter_map(|entry| match entry {
            Entry::Notice { channel, error, .. } if channel == name => error.as_deref(),
            _ => None,
        });
        let why = failures.last();
        why.map_or_else(String::new, |why| format!(" ({})", clean(why)))
    };
    let sentence = |(name, next): (&str, Timestamp)| {
        let next = minute(next.max(judged.now));
        format!("{name}{}, tried again at {next} UTC", why(name))
    };
    let all: Vec<String> = waiting.into_iter().map(sentence).collect();
    if all.is_empty() {
        return Ok(());
    }
    bail!("notices could not be sent to {}", all.join("; "))
}

/// Reads the logs that are there, and says why others could not be read. Checks and alerts go on without them, and a notice
/// says that nothing else does.
///
/// # Errors
/// Only if the command is to stop.
fn read_what_is_there<'w>(
    session: &Session,
    args: &RunArgs,
    wanted: &mut Wanted<'w>,
    before: &'w AlertStore,
) -> anyhow::Result<(Scene, Option<anyhow::Error>)> {
    let error = match read_scene(session, args, &args.logs.logs, wanted, before) {
        Ok(scene) => return Ok((scene, None)),
        Err(error) if crate::is_stopped(&error) => return Err(error),
        Err(error) => error,
    };
    let (found, missing): (Vec<String>, Vec<String>) =
        args.logs.logs.iter().cloned().partition(|log| {
            log == "-" || dragline_ingest::discover(std::slice::from_ref(log)).is_ok()
        });
    if !missing.is_empty() && !found.is_empty() {
        match read_scene(session, args, &found, wanted, before) {
            Ok(mut scene) => {
                scene.unread = Some(Unread::Part(error.to_string()));
                return Ok((scene, Some(error)));
            }
            Err(stop) if crate::is_stopped(&stop) => return Err(stop),
            Err(_) => {}
        }
    }
    let scene = Scene::unread(&args.logs.logs, &error.to_string());
    Ok((scene, Some(error)))
}

/// Reads logs, further back if something came late.
fn read_scene<'w>(
    session: &Session,
    args: &RunArgs,
    logs: &[String],
    wanted: &mut Wanted<'w>,
    before: &'w AlertStore,
) -> anyhow::Result<Scene> {
    let scene = read_logs(session, &args.logs, logs, wanted)?;
    let Some(again) = wanted.judging_again(&scene, before) else {
        return Ok(scene);
    };
    *wanted = again;
    read_logs(session, &args.logs, logs, wanted)
}

/// Says what of the logs is not judged in time, until an alert says the same to the channels.
fn tell_unread(scene: &Scene, state: &State) {
    let mut firing = state.store.notices.firing();
    let is_told = firing.any(|(alert, _)| alert.id.rule == LAG_ALERT);
    if let Some(Unread::Part(why)) = scene.unread.as_ref().filter(|_| !is_told) {
        output::tell(&clean(why));
    }
}

/// Says how old the newest line is when nothing came for long: rules only see what was written.
fn tell_age(scene: &Scene, session: &Session, before: Option<Timestamp>) {
    let newest = scene.finished.period.map(|(_, last)| last);
    // Once: cron mails whatever is printed.
    let is_new = |newest: Timestamp| before.is_none_or(|before| before.since(newest) <= OLD);
    let is_old = |newest: &Timestamp| session.now.since(*newest) > OLD && is_new(*newest);
    let rests = |newest: &Timestamp| rests(scene, session.now.since(*newest));
    if let Some(newest) = newest.filter(|newest| is_old(newest) && !rests(newest)) {
        output::tell(&format!(
            "the newest line is of {} UTC: are the logs still written here?",
            minute(newest)
        ));
    }
}

/// Whether there were such pauses before: nothing runs at weekends. A single one may have been an outage.
fn rests(scene: &Scene, pause: i64) -> bool {
    let runs = scene.finished.runs.iter();
    let mut starts: Vec<Timestamp> = runs.filter_map(|run| run.start).collect();
    starts.sort_unstable();
    let pairs = starts.windows(2);
    pairs.filter(|pair| pair[1].since(pair[0]) >= pause).count() > 1
}

/// Names the scrapers and sites of the configuration that neither a log nor an earlier round knows.
fn tell_names(scene: &Scene, notify: &NotifyConfig, before: &AlertStore) {
    let keys = scene.finished.runs.iter().map(|run| &run.key);
    let keys: Vec<_> = keys.collect();
    let earlier = |label: &'static str| {
        let starts = before.starts.keys();
        starts.filter_map(move |labels| labels.get(label).map(str::to_owned))
    };
    let scrapers = keys.iter().filter_map(|key| key.scraper_id.clone());
    let scrapers = scrapers.chain(before.newest.keys().cloned());
    let sites = keys.iter().filter_map(|key| key.site.clone());
    let scrapers = scrapers.chain(earlier("scraper_id")).collect();
    let sites = sites.chain(earlier("site")).collect();
    for problem in lint::problems_of_names(notify, &scrapers, &sites) {
        output::tell(&clean(&problem));
    }
}

/// Says that the clock was ahead, or that events came so late that their time cannot be judged again or that they changed what
/// was reported.
fn tell_late(round: &Round, lateness: Duration) {
    if let Some((until, from)) = round.ahead {
        output::tell(&format!(
            "the last round judged until {until}, which is later than now: the clock was ahead; what came after {from} is judged \
             again"
        ));
    }
    let Some((late, again)) = round.late else {
        return;
    };
    let (events, first) = (late.events, late.first);
    if again.is_none() {
        output::tell(&format!(
            "{events} events since {first} came after that time was judged, and no state is old enough to judge it again: \
             `dragline alerts backtest` shows what would have fired"
        ));
    } else if round.retracted() > 0 {
        output::tell(&format!(
            "{events} events since {first} came after that time was judged, and show that {} not so; if logs always come \
             late, set `lateness` in [alerts] to how late they come (it is {})",
            match round.retracted() {
                1 => "an alert was".to_owned(),
                count => format!("{count} alerts were"),
            },
            dragline_alerting::duration::format(lateness)
        ));
    }
}

/// The checks that rules watch, if any do. Rules about others are switched off.
fn checks(
    session: &Session,
    rules: &mut [Rule],
) -> anyhow::Result<Option<dragline_health::Config>> {
    let is_watched = |rule: &Rule| matches!(rule.condition, Condition::Health(..));
    if !rules.iter().any(is_watched) {
        return Ok(None);
    }
    let checks = session.config.health()?;
    switch_off_unchecked(rules, &checks);
    Ok(Some(checks))
}

/// Runs the checks; the error says that their states could not be kept, which must not keep alerts back.
fn run_checks(
    checks: dragline_health::Config,
    config: &AlertConfig,
    scene: &mut Scene,
    (args, wanted): (&RunArgs, &Wanted<'_>),
) -> anyhow::Result<(Vec<Observation>, Option<anyhow::Error>)> {
    let signals = health::find_signals(&scene.finished, wanted.now);
    if scene.unread.is_none() {
        health::tell_unknown(&checks, &signals, false);
    }
    let memory = with_ending(&args.state.path, "health");
    let memory = (!args.dry_run).then_some(memory.as_path());
    let (report, kept) = health::check(checks, memory, &signals, wanted.now)?;
    let messages = report.messages();
    scene.checks = messages
        .map(|(name, message)| (name.to_owned(), message.to_owned()))
        .collect();
    let watches_uplink = |rule: &Rule| match &rule.condition {
        Condition::Health(selector, _) => selector.takes(dragline_health::Report::UPLINK),
        _ => false,
    };
    if !config.rules.iter().any(watches_uplink) {
        // No alert says so.
        for notice in &report.notices {
            output::tell(&clean(&notice.message));
        }
    }
    // As late as this round judges: what is later, no round would see.
    Ok((of_checks(&report, wanted.last_tick()), kept.err()))
}

/// What a round found, and what it was judged by.
struct Outcome<'o> {
    scene: &'o Scene,
    rules: &'o [Rule],
    notify: &'o NotifyConfig,
    round: &'o Round,
    now: Timestamp,
}

/// Sends what is to be sent; returns the failures: channel and reason. While a channel hangs, what the others took is kept.
fn send(state: &mut State, channels: &Channels, judged: &Outcome<'_>) -> Vec<(String, String)> {
    let dispatch = Dispatch {
        channels,
        config: judged.notify,
        now: judged.now,
        // Spreads repeated attempts of several machines.
        jitter: f64::from(std::process::id() % 100) / 100.0,
    };
    let explain = |alert: &Alert| judged.scene.explain(alert, judged.rules, judged.now);
    let mut notices = mem::take(&mut state.store.notices);
    let mut history = mem::take(&mut state.store.history);
    let round = dispatch.run(&mut notices, &mut history, explain, |notices, history| {
        (state.store.notices, state.store.history) = (notices.clone(), history.clone());
        // It is saved again at the end, which says what is wrong.
        let _ = state.save();
    });
    (state.store.notices, state.store.history) = (notices, history);
    state
        .store
        .silences
        .retain(|silence| silence.ends.is_none_or(|ends| judged.now < ends));
    round.failures
}

/// The notices that would be sent, as text.
fn planned(state: &State, judged: &Outcome<'_>) -> Vec<(String, Notice)> {
    let mut notices = state.store.notices.clone();
    let deliveries = notices.decide(judged.notify, judged.now);
    let explain = |alert: &Alert| judged.scene.explain(alert, judged.rules, judged.now);
    let notice = |delivery: dragline_alerting::notify::Delivery| {
        (
            delivery.channel.clone(),
            Notice::new(&delivery, judged.now, explain),
        )
    };
    deliveries.into_iter().map(notice).collect()
}

impl Outcome<'_> {
    fn to_json(
        &self,
        state: &State,
        planned: &[(String, Notice)],
        failures: &[(String, String)],
    ) -> serde_json::Value {
        let (round, notices) = (self.round, &state.store.notices);
        let changes: Vec<_> = round
            .changes
            .iter()
            .filter(|change| change.alert.is_some())
            .collect();
        json!({
            "firing": notices.firing().count(),
            "muted": notices.muted(self.notify, self.now).count(),
            "put_off": notices.waiting(),
            "evaluations": round.evaluations,
            "late": round.late.map(|(late, from)| json!({"events": late.events, "first": late.first, "judged_again_from": from})),
            "clock_ahead": round.ahead.map(|(until, from)| json!({"judged_until": until, "judged_again_from": from})),
            "changes": changes,
            "planned": planned.iter().map(|(channel, notice)| json!({"channel": channel, "notice": notice})).collect::<Vec<_>>(),
            "failures": failures.iter().map(|(channel, error)| json!({"channel": channel, "error": error})).collect::<Vec<_>>(),
        })
    }

    fn show(
        &self,
        args: &RunArgs,
        state: &State,
        planned: &[(String, Notice)],
        failures: &[(String, String)],
    ) -> anyhow::Result<()> {
        let round = self.round;
        let firing = state.store.notices.firing().count();
        let muted: Vec<_> = state.store.notices.muted(self.notify, self.now).collect();
        if round.dropped > 0 {
            output::tell(&format!(
                "{} samples found no room: some series are not judged; narrow the rules with labels",
                round.dropped
            ));
        }
        if args.format == StateFormat::Json {
            let value = self.to_json(state, planned, failures);
            let text = serde_json::to_string_pretty(&value)?;
            return output::show(&format!("{}\n", render::clean_json(&text)));
        }
        let lines = round.changes.iter().filter_map(|change| {
            let alert = change.alert.as_ref()?;
            let is_muted = muted.iter().any(|muted| muted.id == alert.id);
            Some(line_of(
                change,
                alert,
                &self.scene.summary(alert, self.rules),
                is_muted,
            ))
        });
        let mut text: String = lines.collect();
        for (channel, notice) in planned {
            text += &format!(
                "\nwould go to {channel}:\n{}\n",
                dragline_alerting::render::plain(notice)
            );
        }
        for (channel, error) in failures {
            text += &format!("not sent to {channel}: {error}\n");
        }
        let settings = &self.notify;
        let is_told = !settings.notify.channels.is_empty() || !settings.named_channels().is_empty();
        if !is_told && !text.is_empty() {
            text += "nobody is notified: name a channel in [notify] channels\n";
        }
        let is_asked = args.dry_run || std::io::stdout().is_terminal();
        if text.is_empty() && !is_asked {
            // Cron mails whatever is printed.
            return Ok(());
        }
        let alerts = if firing == 1 {
            "alert fires"
        } else {
            "alerts fire"
        };
        let kept_back = match muted.len() {
            0 => String::new(),
            count => format!(", {count} of them silenced or inhibited"),
        };
        let waiting = match state.store.notices.waiting() {
            0 => String::new(),
            count => format!("; the budget puts {count} off to a digest"),
        };
        text += &format!("{firing} {alerts}{kept_back}{waiting}\n");
        output::show(&clean(&text))
    }
}

/// A transition that people want to see.
fn line_of(change: &Change, alert: &Alert, summary: &str, is_muted: bool) -> String {
    let severity = alert.severity.as_str().to_uppercase();
    let (from, to) = (change.transition.from, change.transition.to);
    let word = match (from, to) {
        (_, PhaseName::Recovering) => "RECOVERING".to_owned(),
        (PhaseName::Recovering, PhaseName::Firing) => format!("{severity} AGAIN"),
        _ if alert.is_firing() => severity,
        _ => "RESOLVED".to_owned(),
    };
    let minute = &change.transition.at.to_string()[..16];
    let end = if is_muted { " (kept back)" } else { "" };
    // A name of a scraper may contain anything.
    let minute = minute.replace('T', " ");
    let rule = &alert.id.rule;
    // A sentence of our own begins with the name.
    let summary = summary
        .strip_prefix(&format!("{rule}: "))
        .unwrap_or(summary);
    let text = format!("{minute} {word} {rule}: {summary}{end}");
    render::clean(&text) + "\n"
}
