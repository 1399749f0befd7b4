//! Dragline's layer combined with others: `cargo run -p dragline --example compose`.
//!
//! The program has its own subscriber with its own console and levels. Dragline's layer has a separate
//! filter. The logs are in `logs/`, or in the directory that `DRAGLINE_DIR` names.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (layer, _logs) = dragline::layer(&dragline::Config::from_env()?)?;
    tracing_subscriber::registry()
        .with(layer.with_filter(EnvFilter::new("debug,hyper=warn")))
        .with(tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("info")))
        .init();
    let run = dragline::Run::start("compose", "shop.example.com");
    run.in_scope(|| {
        tracing::info!("on the console and in the file");
        tracing::debug!("in the file only");
    });
    run.finish();
    println!("The log is in logs/; read it with `dragline report logs/`.");
    Ok(())
}
