//! Dragline beside OpenTelemetry: `cargo run -p dragline-examples --bin with-opentelemetry`.
//!
//! The same spans go to OpenTelemetry's exporter (here to standard output; an OTLP exporter takes its
//! place in one line) and into Dragline's files. Neither knows of the other.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::prelude::*;

fn main() -> anyhow::Result<()> {
    let exporter = opentelemetry_stdout::SpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter)
        .build();
    let (layer, logs) = dragline::layer(&dragline::Config::from_env()?)?;
    tracing_subscriber::registry()
        .with(layer)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("scraper")))
        .init();

    let run = dragline::Run::start("with-opentelemetry", "shop.example.com");
    run.in_scope(|| {
        // A span of OpenTelemetry, and its field in every line of Dragline's inside it.
        let _page = tracing::info_span!("page", page = 1).entered();
        run.request("https://shop.example.com/p/1")
            .status(200)
            .log();
        tracing::info!("page read");
    });
    run.finish();
    drop(run);

    provider.shutdown()?;
    logs.flush()?;
    Ok(())
}
