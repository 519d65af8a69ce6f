//! A headless Chromium, driven through its DevTools protocol: navigate, run scripts, wait for what they
//! say, take pictures.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::PATIENCE;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const SWITCHES: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
];

/// A page of a browser that ends with it.
#[derive(Debug)]
pub struct Browser {
    _child: Child,
    _profile: tempfile::TempDir,
    page: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
}

impl Browser {
    /// Starts a browser with an empty profile; none if this machine has none.
    pub async fn start() -> Option<Self> {
        let profile = tempfile::tempdir().expect("a folder");
        let mut child = NAMES.iter().find_map(|name| {
            Command::new(name)
                .args(SWITCHES)
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .ok()
        })?;
        let mut lines = BufReader::new(child.stderr.take().expect("output")).lines();
        let address = loop {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts in time");
            let line = line.expect("readable").expect("an address before the end");
            if let Some((_, url)) = line.split_once("DevTools listening on ws://") {
                break url.split('/').next().expect("an address").to_owned();
            }
        };
        // Its complaints go on, and must find a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (page, _) = tokio_tungstenite::connect_async(page_url(&address).await).await.expect("a page");
        let mut browser = Self { _child: child, _profile: profile, page, calls: 0 };
        browser.call("Page.enable", json!({})).await;
        Some(browser)
    }

    pub async fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url})).await;
    }

    /// Makes the window as wide and high as said, in pixels.
    pub async fn resize(&mut self, width: u32, height: u32) {
        let said = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", said).await;
    }

    /// What a script says.
    ///
    /// # Panics
    /// If it throws.
    pub async fn run(&mut self, script: &str) -> Value {
        let said = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", said).await;
        assert!(answer.get("exceptionDetails").is_none(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until a script says something that counts as true.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn wait_for(&mut self, condition: &str) {
        // The page looks by itself, at each of its changes and a few times a second.
        let script = format!(
            "new Promise((resolve) => {{
                const end = Date.now() + {};
                const look = () => {{
                    let value; try {{ value = {condition}; }} catch {{ value = false; }}
                    if (value || Date.now() > end) resolve(Boolean(value)); else setTimeout(look, 50);
                }};
                look();
            }})",
            PATIENCE.saturating_sub(Duration::from_secs(5)).as_millis()
        );
        let came = self.run(&script).await;
        if came != true {
            let page = self.run("document.body.innerText").await;
            panic!("never: {condition}\n{}", page.as_str().unwrap_or_default());
        }
    }

    /// Types into a field, as a person's input would change it.
    ///
    /// # Panics
    /// If no such field comes in time.
    pub async fn fill(&mut self, selector: &str, text: &str) {
        let act = format!(
            "one.focus(); one.value = {text:?};
             one.dispatchEvent(new Event('input', {{bubbles: true}}));
             one.dispatchEvent(new Event('change', {{bubbles: true}}));"
        );
        self.act(selector, &act).await;
    }

    /// Clicks what a selector finds, as soon as it stands and may be clicked.
    ///
    /// # Panics
    /// If it does not come in time.
    pub async fn click(&mut self, selector: &str) {
        self.act(selector, "one.click();").await;
    }

    /// Does something with the element, in the moment in which it is found: a page that is drawn anew
    /// leaves nothing between the two.
    async fn act(&mut self, selector: &str, act: &str) {
        let found = format!("document.querySelector({selector:?})");
        self.wait_for(&format!(
            "((one) => {{ if (!one || one.disabled) return false; {act} return true; }})({found})"
        ))
        .await;
    }

    /// A picture of what the window shows, as PNG.
    pub async fn picture(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        STANDARD.decode(answer["data"].as_str().expect("a picture")).expect("base64")
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let message = json!({"id": id, "method": method, "params": params}).to_string();
        self.page.send(Message::text(message)).await.expect("the browser takes a command");
        loop {
            let message = tokio::time::timeout(PATIENCE, self.page.next()).await.expect("an answer in time");
            let message = message.expect("an answer before the end").expect("a good frame");
            let Ok(answer) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else {
                continue;
            };
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            // A question of the page's, such as whether to leave, is answered with yes.
            if answer["method"] == "Page.javascriptDialogOpening" {
                let yes =
                    json!({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": true}});
                self.page.send(Message::text(yes.to_string())).await.expect("the browser takes an answer");
            }
        }
    }
}

/// The debugging URL of a new page.
async fn page_url(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request =
        format!("PUT /json/new?about:blank HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // It may keep the connection open: the answer is whole when its JSON is.
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("in time");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let document =
            text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
        if let Some(url) = document.as_ref().and_then(|page| page["webSocketDebuggerUrl"].as_str()) {
            return url.to_owned();
        }
        assert!(read.expect("readable") > 0, "no page: {text}");
    }
}
