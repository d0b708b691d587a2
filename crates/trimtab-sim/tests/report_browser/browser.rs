//! A headless Chromium, driven over the DevTools protocol through a pair of pipes.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// One page in a browser of its own. Ends with the value.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    next_id: u64,
    session: Option<String>,
    events: Vec<Value>,
    folder: PathBuf,
}

const CHROMIUM: &str = "CHROMIUM";
const REQUIRED: &str = "TRIMTAB_REQUIRE_BROWSER";
/// Longer than a busy machine takes for anything; a browser that says nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(120);
static STARTED: AtomicU32 = AtomicU32::new(0);

impl Browser {
    /// Starts it, or says why there is none. Where one is required, that is a failure.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = find() else {
            let missing = format!("no Chromium in {CHROMIUM} or on the path");
            assert!(env::var_os(REQUIRED).is_none(), "{missing}, and {REQUIRED} is set");
            println!("skipped: {missing}");
            return None;
        };
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("report-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut child = launch(&program, &folder);
        let commands = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                if serde_json::from_slice(&message)
                    .is_ok_and(|value: Value| sender.send(value).is_err())
                {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            next_id: 0,
            session: None,
            events: Vec::new(),
            folder,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.call(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sets the width of the window and the colours that the reader prefers.
    pub(crate) fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let mobile = width < 600;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile }),
        );
        self.call("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }] }));
    }

    /// Opens a page from a file and waits until it is loaded.
    pub(crate) fn open(&mut self, page: &str, hash: &str) {
        let file = self.folder.join("report.html");
        fs::write(&file, page).unwrap();
        let file = file.canonicalize().unwrap();
        self.events.clear();
        // Between two addresses that differ in the hash alone, nothing would be loaded.
        self.call("Page.navigate", json!({ "url": "about:blank" }));
        self.wait_for("Page.loadEventFired");
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}{hash}", file.display()) }));
        self.wait_for("Page.loadEventFired");
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
    }

    /// The value of an expression in the page, awaited where it is a promise.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }

    pub(crate) fn number(&mut self, expression: &str) -> f64 {
        self.evaluate(expression).as_f64().unwrap_or_else(|| panic!("not a number: {expression}"))
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.evaluate(expression)
            .as_str()
            .unwrap_or_else(|| panic!("not a text: {expression}"))
            .to_owned()
    }

    /// Moves the mouse to a point of the first element that a selector finds: `(0, 0)` is its upper left, `(1, 1)` its lower right.
    pub(crate) fn hover(&mut self, selector: &str, across: f64, down: f64) -> (f64, f64) {
        let (x, y) = self.locate(selector, across, down);
        self.mouse("mouseMoved", x, y);
        (x, y)
    }

    pub(crate) fn click(&mut self, selector: &str, across: f64, down: f64) {
        let (x, y) = self.hover(selector, across, down);
        self.mouse("mousePressed", x, y);
        self.mouse("mouseReleased", x, y);
    }

    /// Presses the button at one point of an element and lets it go at another.
    pub(crate) fn drag(&mut self, selector: &str, from: f64, to: f64) {
        let (x, y) = self.hover(selector, from, 0.5);
        self.mouse("mousePressed", x, y);
        let (x, y) = self.hover(selector, to, 0.5);
        self.mouse("mouseReleased", x, y);
    }

    /// Touches a point of an element with one finger.
    pub(crate) fn touch(&mut self, selector: &str, across: f64, down: f64) {
        let (x, y) = self.locate(selector, across, down);
        self.call(
            "Input.dispatchTouchEvent",
            json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] }),
        );
        self.call("Input.dispatchTouchEvent", json!({ "type": "touchEnd", "touchPoints": [] }));
    }

    /// Brings an element into view and says where a point of it is.
    fn locate(&mut self, selector: &str, across: f64, down: f64) -> (f64, f64) {
        let quoted = json!(selector);
        let corner = self.evaluate(&format!(
            "(() => {{ const e = document.querySelector({quoted}); e.scrollIntoView({{ block: 'center' }}); const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; }})()"
        ));
        let side = |i: usize| corner[i].as_f64().unwrap();
        (side(0) + across * side(2), side(1) + down * side(3))
    }

    fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let pressed = if kind == "mouseMoved" { "none" } else { "left" };
        self.call(
            "Input.dispatchMouseEvent",
            json!({ "type": kind, "x": x, "y": y, "button": pressed, "clickCount": 1 }),
        );
    }

    /// Presses a key and lets it go.
    pub(crate) fn key(&mut self, key: &str) {
        let (code, text) = match key {
            "ArrowLeft" => (37, ""),
            "ArrowRight" => (39, ""),
            "End" => (35, ""),
            "Home" => (36, ""),
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => (u32::from(other.bytes().next().unwrap_or(0)), other),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code }),
            );
        }
    }

    /// What the page should not have done: errors, warnings, exceptions, and requests beyond its own file.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.evaluate("new Promise((done) => setTimeout(done, 50))");
        let own = |event: &&Value| {
            let address = event["params"]["request"]["url"].as_str();
            address.is_none_or(|url| {
                !url.starts_with("file://") || event["params"]["type"] != "Document"
            })
        };
        let bad = [
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
            "Network.requestWillBeSent",
            "Network.webSocketCreated",
        ];
        let events =
            self.events.iter().filter(|event| bad.iter().any(|name| event["method"] == *name));
        events.filter(own).map(ToString::to_string).collect()
    }

    /// Sends a command and returns its result.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.commands.write_all(message.to_string().as_bytes()).unwrap();
        self.commands.write_all(&[0]).unwrap();
        self.commands.flush().unwrap();
        loop {
            let message = self.receive(method);
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|message| message["method"] == event) {
            let message = self.receive(event);
            self.events.push(message);
        }
    }

    fn receive(&self, what: &str) -> Value {
        self.messages
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("the browser does not answer {what}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself when asked, with all its processes; what cannot be ended or removed is left to the system.
        self.session = None;
        let close = json!({ "id": 0, "method": "Browser.close" });
        if self.commands.write_all(format!("{close}\0").as_bytes()).is_err() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The protocol is spoken on the descriptors 3 and 4: a shell makes them of its standard ones.
fn launch(program: &Path, folder: &Path) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#]).arg(program);
    shell.args([
        "--headless",
        "--remote-debugging-pipe",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ]);
    shell.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
    ]);
    shell.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os(CHROMIUM) {
        return Some(named.into());
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}
