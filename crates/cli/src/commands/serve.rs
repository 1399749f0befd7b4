//! `dragline serve`: the service with its page.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use dragline_alerting::channel::Channels;
use dragline_alerting::config::AlertConfig;
use dragline_health::Environment;
use dragline_monitor::originals::add_originals;
use dragline_monitor::service::{Monitor, Running};
use dragline_monitor::settings::Settings;
use dragline_report::ReportOptions;
use dragline_scan::ReadOptions;
use dragline_watch::switch_off_unchecked;
use dragline_web::{Server, WebConfig};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::{ServeArgs, WrongUsage};
use crate::config::Config;
use crate::output::tell;
use crate::session::Session;

use super::service_log;

/// Time between two looks at signals.
const LOOK: Duration = Duration::from_millis(100);

/// `dragline serve`
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    if args.logs.iter().any(|log| log == "-") {
        return Err(WrongUsage::new(
            "serve cannot follow standard input: name files or directories",
        )
        .into());
    }
    dragline_ingest::check_patterns(&args.logs)
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot receive signals")?;
    let (settings, web) = settings(args).map_err(|error| WrongUsage::new(&error))?;
    // Ends last, so that everything is in the log.
    let _log = service_log::start(&settings.monitor)?;
    let again = args.clone();
    let reload = Box::new(move || settings_of(&again));
    let clock = Arc::new(|| jiff::Timestamp::now().into());
    let monitor = Monitor::open(args.logs.clone(), settings, reload, clock)?;
    let key = monitor.session_key();
    // The page answers while what was measured before is loaded.
    let page = Server::start(
        &web,
        Arc::clone(&monitor) as Arc<dyn dragline_web::Backend>,
        key,
    )
    .inspect_err(|error| tracing::error!("the page cannot be served: {error}"))?;
    let running = match monitor.start() {
        Ok(running) => running,
        Err(error) => {
            page.stop();
            return Err(error.into());
        }
    };
    tell(&format!(
        "following {}; the page is at {}",
        args.logs.join(", "),
        page.url()
    ));
    wait(&mut signals, &monitor);
    end(running, page)
}

/// Waits for the end; reads the configuration again on SIGHUP.
fn wait(signals: &mut Signals, monitor: &Monitor) {
    while !monitor.is_stopping() {
        for signal in signals.pending() {
            if signal != SIGHUP {
                return;
            }
            let (Ok(said) | Err(said)) = monitor.read_configuration();
            tell(&said);
        }
        std::thread::sleep(LOOK);
    }
}

fn end(running: Running, page: Server) -> anyhow::Result<()> {
    let is_fault = running.monitor().is_stopping();
    page.stop();
    running.stop().map_err(|error| anyhow!(error))?;
    if is_fault {
        anyhow::bail!(
            "a part of the service ended because of a fault in the program; everything that was read is stored"
        );
    }
    Ok(())
}

fn settings_of(args: &ServeArgs) -> Result<Settings, String> {
    settings(args).map(|(settings, _)| settings)
}

/// Everything that the configuration and the arguments say.
fn settings(args: &ServeArgs) -> Result<(Settings, WebConfig), String> {
    let sentence = |error: anyhow::Error| format!("{error:#}");
    let session = Session::open(&args.rules).map_err(sentence)?;
    let (config, file) = Config::find(args.rules.config.as_deref()).map_err(sentence)?;
    let mut monitor = config.monitor();
    if let Some(state) = &args.state {
        monitor.state.clone_from(state);
    }
    let mut web = config.web()?;
    if let Some(listen) = args.listen {
        web.listen = listen;
        web.check().map_err(|error| error.to_string())?;
    }
    let name = file
        .as_deref()
        .unwrap_or(Path::new("dragline.toml"))
        .display()
        .to_string();
    let (table, used) = add_originals(&config.table, |name| std::env::var(name).ok());
    if !used.is_empty() {
        tell(&format!("these variables are used: {}", used.join(", ")));
    }
    let text = toml::to_string(&table).map_err(|error| error.to_string())?;
    let (mut alerts, mistakes) = AlertConfig::load(&name, &text, config.base());
    if let Some(mistake) = mistakes.first() {
        return Err(format!("{name}: {}: {}", mistake.at, mistake.problem));
    }
    let (channels, errors) = Channels::load(&name, &text);
    if let Some(error) = errors.first() {
        return Err(error.clone());
    }
    let environment = Environment::of_process(config.base());
    let health = dragline_health::Config::from_toml(&text, &environment)
        .map_err(|error| error.to_string())?;
    switch_off_unchecked(&mut alerts.rules, &health);
    let settings = Settings {
        monitor,
        rules: Arc::new(session.rules),
        read: ReadOptions {
            zone: args.tz.clone().unwrap_or(jiff::tz::TimeZone::UTC),
            dialects: config.dialects(),
            map: config.map(),
            ..ReadOptions::default()
        },
        report: ReportOptions {
            prices: config.prices(),
            mutes: config.mutes(session.now),
            limits: config.limits(),
            ..ReportOptions::at(session.now)
        },
        layout: config.layout(),
        health,
        alert_rules: alerts.rules,
        watch: alerts.watch,
        notify: alerts.notify,
        channels,
        file,
    };
    Ok((settings, web))
}
