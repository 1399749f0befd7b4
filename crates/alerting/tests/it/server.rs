//! Small servers on the loopback interface with scripted answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a server does with a connection.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Answers with a text that the test changes.
    Text(Arc<Mutex<String>>),
    /// Answers 500 and repeats everything that it was sent: a server that leaks.
    Echo(u16),
    /// Reads the request and says nothing until the client goes away.
    Hang,
    /// Closes the connection without reading.
    Reset,
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
    }
}

/// A server that treats its connections as a list says, the last entry for all further ones.
pub(crate) struct Server {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(behaviours: Vec<Behaviour>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&received);
        let thread = std::thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let behaviour = &behaviours[index.min(behaviours.len() - 1)];
                if !treat(&mut stream, behaviour, &seen) {
                    return;
                }
            }
        });
        Self {
            port,
            received,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A connection that says so ends the server.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(b"STOP\r\n\r\n");
        }
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Returns whether the server goes on.
fn treat(stream: &mut TcpStream, behaviour: &Behaviour, seen: &Mutex<Vec<Received>>) -> bool {
    if matches!(behaviour, Behaviour::Reset) {
        let mut first = [0; 4];
        return stream
            .peek(&mut first)
            .is_ok_and(|read| !first[..read].starts_with(b"STOP"));
    }
    let request = read_request(stream);
    if request.head.starts_with("STOP") {
        return false;
    }
    seen.lock().unwrap().push(request.clone());
    match behaviour {
        Behaviour::Answer(status, headers, body) => answer(stream, *status, headers, body),
        Behaviour::Text(text) => answer(stream, 200, &[], &text.lock().unwrap().clone()),
        Behaviour::Echo(status) => answer(
            stream,
            *status,
            &[],
            &format!("{}\n{}", request.head, request.body),
        ),
        Behaviour::Hang => {
            let _ = stream.read(&mut [0]);
        }
        Behaviour::Reset => {}
    }
    true
}

fn read_request(stream: &mut TcpStream) -> Received {
    let mut reader = BufReader::new(stream);
    let mut request = Received::default();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        request.head.push_str(&line);
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    request.body = String::from_utf8_lossy(&body).into_owned();
    request
}

fn answer(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) {
    let mut text = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes());
}
