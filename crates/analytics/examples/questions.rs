//! Three questions to a directory of logs, as dataframes: `cargo run --example questions -p dragline-analytics -- LOGS…`
//!
//! docs/sql.md asks the same three in SQL.

use dragline_analytics::Logs;
use polars::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let logs = Logs::open(std::env::args().skip(1))?;

    // Which hosts refuse requests, and which share of them?
    let refused = col("status_code")
        .eq(lit(403))
        .or(col("status_code").eq(lit(429)));
    let refusals = logs
        .columns("requests", &["host", "status_code"])?
        .group_by([col("host")])
        .agg([
            len().alias("requests"),
            refused.mean().alias("refused_share"),
        ])
        .sort(
            ["refused_share"],
            SortMultipleOptions::default().with_order_descending(true),
        )
        .limit(10)
        .collect()?;
    println!("{refusals}");

    // Which errors come most, of which scrapers, and since when?
    let errors = logs
        .columns("errors", &["at", "scraper_id", "category", "template"])?
        .group_by([col("category"), col("template")])
        .agg([
            len().alias("errors"),
            col("scraper_id").n_unique().alias("scrapers"),
            col("at").min().alias("since"),
        ])
        .sort(
            ["errors"],
            SortMultipleOptions::default().with_order_descending(true),
        )
        .limit(10)
        .collect()?;
    println!("{errors}");

    // What does each scraper bring home for a thousand requests?
    let yields = logs
        .frame("daily")?
        .group_by([col("scraper_id"), col("site")])
        .agg([col("items").sum(), col("requests").sum()])
        .with_column((col("items") * lit(1000) / col("requests")).alias("items_per_thousand"))
        .sort(["items_per_thousand"], SortMultipleOptions::default())
        .collect()?;
    println!("{yields}");
    Ok(())
}
