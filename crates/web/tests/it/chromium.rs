//! Chromium, driven by its own protocol over a socket.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    number: u64,
    /// What the console, the security policy and the network complained about, and requests to other hosts.
    pub(crate) complaints: Vec<String>,
    /// Status of every response, with its address.
    pub(crate) responses: Vec<(u64, String)>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the browser; `None`, with a word, when there is none.
    pub(crate) fn start() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let Some(name) = names
            .into_iter()
            .find(|name| Command::new(name).arg("--version").output().is_ok())
        else {
            crate::skip("there is no Chromium");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(name)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-port=0",
                "--no-first-run",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = lines.map_while(Result::ok).find_map(|line| {
            line.strip_prefix("DevTools listening on ")
                .map(str::to_owned)
        });
        let (socket, _) = tungstenite::connect(listening.unwrap()).unwrap();
        let mut browser = Self {
            child,
            socket,
            session: String::new(),
            number: 0,
            complaints: Vec::new(),
            responses: Vec::new(),
            _profile: profile,
        };
        let target = browser.send("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.send(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        );
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.send(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends a command and waits for its answer.
    #[allow(clippy::needless_pass_by_value, reason = "calls read better")]
    pub(crate) fn send(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.socket
            .send(Message::text(message.to_string()))
            .unwrap();
        loop {
            let answer = self.read();
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Value {
        let text = self.socket.read().unwrap().into_text().unwrap();
        let message: Value = serde_json::from_str(&text).unwrap();
        let params = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                self.complaints.push(params["exceptionDetails"].to_string());
            }
            "Runtime.consoleAPICalled" => self.complaints.push(params["args"].to_string()),
            "Log.entryAdded" => self.complaints.push(params["entry"].to_string()),
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                if !url.starts_with("http://127.0.0.1:") && !url.starts_with("about:") {
                    self.complaints.push(format!("a request to {url}"));
                }
            }
            "Network.responseReceived" => {
                let status = params["response"]["status"].as_u64().unwrap_or(0);
                let url = params["response"]["url"].as_str().unwrap_or_default();
                self.responses.push((status, url.to_owned()));
            }
            _ => {}
        }
        message
    }

    /// Opens an address and waits until it is loaded and its scripts ran.
    pub(crate) fn open(&mut self, url: &str) {
        self.send("Page.navigate", json!({"url": url}));
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of an expression.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.send("Runtime.evaluate", params);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        loop {
            // While a page is being left, there is nothing to ask.
            let params = json!({"expression": expression, "returnByValue": true});
            if self.send("Runtime.evaluate", params)["result"]["value"] == true {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(15),
                "never: {expression}: {:?}",
                self.complaints
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The size of the window and the colours that the reader prefers.
    pub(crate) fn show(&mut self, width: u32, theme: &str) {
        self.send(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": theme}]}),
        );
        let size =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.send("Emulation.setDeviceMetricsOverride", size);
    }

    /// Clicks the middle of the first element that fits.
    pub(crate) fn click(&mut self, selector: &str) {
        let (x, y) = self.middle_of(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            self.mouse(kind, x, y, 1);
        }
    }

    pub(crate) fn mouse(&mut self, kind: &str, x: f64, y: f64, buttons: u32) {
        let event = json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1});
        self.send("Input.dispatchMouseEvent", event);
    }

    /// Where the middle of an element is, after it was scrolled into view.
    pub(crate) fn middle_of(&mut self, selector: &str) -> (f64, f64) {
        let found = self.eval(&format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{block: 'center', behavior: 'instant'}}); const b = it.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()",
            json!(selector)
        ));
        (found[0].as_f64().unwrap(), found[1].as_f64().unwrap())
    }

    pub(crate) fn key(&mut self, key: &str) {
        self.send(
            "Input.dispatchKeyEvent",
            json!({"type": "keyDown", "key": key, "text": if key.len() == 1 { key } else { "" }}),
        );
        self.send(
            "Input.dispatchKeyEvent",
            json!({"type": "keyUp", "key": key}),
        );
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
