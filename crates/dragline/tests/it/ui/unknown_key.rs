#[dragline::monitored(scraper = "shop", page = 3)]
fn scrape() {}

fn main() {}
