#[dragline::monitored(scraper = "shop", site = "s")]
struct Scraper;

fn main() {}
