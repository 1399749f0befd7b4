#[dragline::monitored(scraper = "shop")]
fn scrape() {}

fn main() {}
