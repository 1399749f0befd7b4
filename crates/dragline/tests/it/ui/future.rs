#[dragline::monitored(scraper = "shop", site = "s")]
fn scrape() -> impl std::future::Future<Output = ()> {
    async {}
}

#[dragline::monitored(scraper = "shop", site = "s")]
fn boxed() -> std::pin::Pin<Box<dyn std::future::Future<Output = ()> + Send>> {
    Box::pin(async {})
}

fn main() {}
