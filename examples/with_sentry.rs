//! Dragline beside Sentry: `cargo run -p dragline-examples --bin with-sentry`.
//!
//! Errors go to Sentry, everything goes into Dragline's files. `SENTRY_DSN` says where Sentry is (add
//! one of its transports to the features then); without it the events are caught and shown.

use std::sync::Arc;

use sentry::integrations::tracing::{BreadcrumbLayer, ErrorLayer};
use sentry::protocol::{Context, Event, Exception};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

fn main() -> anyhow::Result<()> {
    let caught = sentry::test::TestTransport::new();
    let mut options = sentry::ClientOptions::default();
    options.before_send = Some(Arc::new(|event| Some(with_exception(event))));
    if std::env::var_os("SENTRY_DSN").is_none() {
        options.dsn = Some("https://public@sentry.invalid/1".parse()?);
        options.transport = Some(Arc::new(caught.clone()));
    }
    let _sentry = sentry::init(options);
    let (layer, logs) = dragline::layer(&dragline::Config::from_env()?)?;
    tracing_subscriber::registry()
        .with(layer)
        .with(ErrorLayer::new().with_filter(LevelFilter::ERROR))
        .with(BreadcrumbLayer::new().with_filter(LevelFilter::INFO))
        .init();

    let run = dragline::Run::start("with-sentry", "shop.example.com");
    run.request("https://shop.example.com/p/1").log();
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in 30 s");
    run.error(&error).url("https://shop.example.com/p/1").log();
    run.fail(&error);
    logs.flush()?;

    for event in caught.fetch_and_clear_events() {
        let exception = event.exception.values.first();
        let (kind, value) = exception.map_or(("", ""), |exception| {
            (
                &*exception.ty,
                exception.value.as_deref().unwrap_or_default(),
            )
        });
        println!(
            "Sentry: {kind}: {value}, after {} breadcrumbs",
            event.breadcrumbs.len()
        );
    }
    Ok(())
}

/// Sentry groups by exceptions: a `scraper_error` has a type and a message.
fn with_exception(mut event: Event<'static>) -> Event<'static> {
    let field = |event: &Event<'_>, key: &str| match event.contexts.get("Rust Tracing Fields") {
        Some(Context::Other(fields)) => Some(fields.get(key)?.as_str()?.to_owned()),
        _ => None,
    };
    if let Some(ty) = field(&event, "error_type") {
        let value = field(&event, "error_message");
        let exception = Exception {
            ty,
            value,
            ..Exception::default()
        };
        event.exception.values.push(exception);
    }
    event
}
