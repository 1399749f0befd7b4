//! A small site on the loopback, so that the examples run anywhere.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// Answers requests until the program ends: pages with a product each, and what scrapers meet.
pub(crate) async fn serve() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.split();
                let mut lines = BufReader::new(reader).lines();
                let mut path = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some(rest) = line.strip_prefix("GET ") {
                        rest.split(' ').next().unwrap_or("/").clone_into(&mut path);
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                let page = path.rsplit('/').next().and_then(|n| n.parse::<u32>().ok());
                let (status, extra) = match page.unwrap_or(0) {
                    n if n % 10 == 9 => ("429 Too Many Requests", "Retry-After: 1\r\n"),
                    n if n % 7 == 6 => ("404 Not Found", ""),
                    _ => ("200 OK", ""),
                };
                let body = "<h1>Product</h1><b>12.50</b>";
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = writer.write_all(answer.as_bytes()).await;
            });
        }
    });
    Ok(address)
}
