//! A scraper with plain threads: `cargo run -p dragline --example threads`.
//!
//! It requests pages from a site that it serves itself on the loopback interface, so it runs anywhere.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use dragline::{Action, Run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _logs = dragline::init(dragline::Config::from_env()?)?;
    let site = serve(20)?;
    let run = Run::start("example", site.to_string());
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let run = &run;
            // A new thread is not in any span, so it enters the run itself.
            scope.spawn(move || run.in_scope(|| scrape(run, site, worker)));
        }
    });
    run.finish();
    println!("The log is in logs/; read it with `dragline report logs/`.");
    Ok(())
}

fn scrape(run: &Run, site: SocketAddr, worker: usize) {
    for page in (worker..20).step_by(2) {
        let url = format!("http://{site}/p/{page}");
        let started = Instant::now();
        match get(site, page) {
            Ok((status, body)) => {
                let bytes = body.len() as u64;
                run.request(&url)
                    .status(status)
                    .elapsed(started.elapsed())
                    .bytes(bytes)
                    .log();
                if status == 200 {
                    run.product(format!("p{page}")).url(&url).log(Action::Added);
                    tracing::info!(worker, page, "page read"); // carries the run
                }
            }
            Err(error) => {
                run.request(&url).elapsed(started.elapsed()).log();
                run.error(&error).url(&url).context("page", page).log();
            }
        }
    }
}

fn get(site: SocketAddr, page: usize) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(site)?;
    write!(stream, "GET /p/{page} HTTP/1.0\r\nHost: {site}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    status
        .zip(body)
        .ok_or_else(|| std::io::Error::other("the response is not valid HTTP"))
}

/// Answers `requests` requests, every fifth with 404.
fn serve(requests: usize) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().take(requests).enumerate() {
            let Ok(mut stream) = stream else { continue };
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let status = if count % 5 == 4 {
                "404 Not Found"
            } else {
                "200 OK"
            };
            let _ = write!(stream, "HTTP/1.0 {status}\r\n\r\n<h1>Product</h1>");
        }
    });
    Ok(address)
}
