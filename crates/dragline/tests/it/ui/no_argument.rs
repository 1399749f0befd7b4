#[dragline::monitored(scraper = "shop", site = "s", record(pages))]
fn scrape(page: u32) {
    let _ = page;
}

fn main() {}
