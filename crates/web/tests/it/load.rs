//! Sizes and times.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dragline_web::{Server, Topic};

use crate::client::{connect, read, read_some, send};
use crate::fleet::Fleet;
use crate::pages::PAGES;
use crate::start;

const GZIP: (&str, &str) = ("Accept-Encoding", "gzip");

#[test]
fn no_page_is_larger_than_40_kb_compressed() {
    for count in [14, 1_000] {
        let (server, _fleet) = start(Fleet::new(count));
        for page in PAGES {
            let response = send(server.address(), "GET", page, &[GZIP], b"");
            assert_eq!(response.header("content-encoding"), Some("gzip"), "{page}");
            assert!(
                response.body.len() <= 40_000,
                "{page} of {count}: {} bytes",
                response.body.len()
            );
        }
        let first = send(server.address(), "GET", "/", &[], b"").text();
        let assets: Vec<&str> = first
            .split('"')
            .filter(|part| part.starts_with("/assets/"))
            .collect();
        assert_eq!(assets.len(), 4);
        let sizes = assets
            .iter()
            .map(|asset| send(server.address(), "GET", asset, &[GZIP], b""));
        let total: usize = sizes
            .inspect(|response| {
                assert!(
                    response
                        .header("cache-control")
                        .unwrap()
                        .contains("immutable")
                );
            })
            .map(|response| response.body.len())
            .sum();
        assert!(total < 20_000, "{total} bytes of styles and scripts");
    }
}

/// One connection that asks again and again.
struct Client(TcpStream, SocketAddr);

impl Client {
    fn get(&mut self, path: &str) -> (u16, usize) {
        let (to, path) = (self.1, path.to_owned());
        // In one segment: several would wait for an acknowledgement of the first.
        let request = format!(
            "GET {path} HTTP/1.1
Host: {to}
Accept-Encoding: gzip

"
        );
        self.0.write_all(request.as_bytes()).unwrap();
        let response = read(&mut self.0).unwrap();
        (response.status, response.body.len())
    }
}

fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() as f64 * share) as usize).min(times.len() - 1)]
}

/// 200 viewers of the stream on threads of their own; counts their events.
fn viewers(server: &Server, events: &Arc<AtomicUsize>) {
    for _ in 0..200 {
        let mut stream = connect(server.address());
        stream.set_read_timeout(None).unwrap();
        write!(
            stream,
            "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        let events = events.clone();
        std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || {
                let mut buffer = [0; 2_048];
                loop {
                    let count = read_some(&mut stream, &mut buffer);
                    if count == 0 {
                        break;
                    }
                    events.fetch_add(
                        String::from_utf8_lossy(&buffer[..count])
                            .matches("event: ")
                            .count(),
                        Ordering::Relaxed,
                    );
                }
            })
            .unwrap();
    }
}

/// `cargo test --release -p dragline-web --test it load -- --ignored --nocapture`
#[test]
#[ignore = "takes 20 seconds; prints figures"]
fn two_hundred_viewers_and_two_hundred_requests_a_second() {
    let (server, fleet) = start(Fleet::new(1_000));
    let to = server.address();
    for page in PAGES {
        let began = Instant::now();
        let response = send(to, "GET", page, &[GZIP], b"");
        println!(
            "{:>7} bytes {:>7.1?} first view of {page}",
            response.body.len(),
            began.elapsed()
        );
    }
    let events = Arc::new(AtomicUsize::new(0));
    viewers(&server, &events);
    let stop = Arc::new(AtomicBool::new(false));
    let (feed, stopped) = (fleet.feed.clone(), stop.clone());
    let publisher = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            feed.publish(&Topic::ALL);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let paths = [
        "/api/v1/overview",
        "/api/v1/scrapers",
        "/api/v1/scraper?scraper_id=shop-0&site=shop-0.example.com",
        "/api/v1/runs",
        "/api/v1/errors/groups",
        "/api/v1/alerts",
        "/api/v1/metrics/dragline_items_total",
        "/",
        "/scrapers",
        "/errors",
    ];
    let times = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    // Ten clients of twenty requests a second each, at fixed times: a late answer does not slow the next request down.
    let clients: Vec<_> = (0..10)
        .map(|number: u64| {
            let times = times.clone();
            std::thread::spawn(move || {
                let mut client = Client(connect(to), to);
                for request in 0..400_u64 {
                    let due = began + Duration::from_millis(50 * request + 5 * number);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let path = paths[(request + number) as usize % paths.len()];
                    let (status, _) = client.get(path);
                    assert_eq!(status, 200, "{path}");
                    times.lock().unwrap().push((path, due.elapsed()));
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    publisher.join().unwrap();
    let times = times.lock().unwrap();
    println!("{} requests in {:.1?}", times.len(), began.elapsed());
    for path in paths {
        print_times(path, &times, |other| other == path);
    }
    let p99 = print_times("all", &times, |_| true);
    println!("{} events to 200 viewers", events.load(Ordering::Relaxed));
    assert!(p99 < Duration::from_millis(100));
}

/// Prints the percentiles of the requests that fit; gives the 99th.
fn print_times(name: &str, times: &[(&str, Duration)], fits: impl Fn(&str) -> bool) -> Duration {
    let fitting = times.iter().filter(|(path, _)| fits(path));
    let mut fitting: Vec<Duration> = fitting.map(|(_, time)| *time).collect();
    let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(|share| percentile(&mut fitting, share));
    println!("{p50:>8.1?} p50 {p95:>8.1?} p95 {p99:>8.1?} p99 {max:>8.1?} max {name}");
    p99
}
