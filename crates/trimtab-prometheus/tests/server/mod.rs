//! A real Prometheus, started for one test, and the page that it scrapes.
#![expect(dead_code, reason = "each test uses the part that it needs")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use trimtab_engine::Policy;
use trimtab_metric::Timestamp;
use trimtab_prometheus::{PrometheusClient, ServerSpec};

/// A program of Prometheus', if this machine has it; else says that the test is skipped.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("TRIMTAB_REQUIRE_PROMETHEUS").is_none(),
            "`{name}` is not on the path, and TRIMTAB_REQUIRE_PROMETHEUS is set"
        );
        println!(
            "skipped: there is no `{name}` on this machine; `apt-get install prometheus` brings it"
        );
    }
    found
}

/// A page that can be changed, served over HTTP.
pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
    page: Arc<Mutex<Page>>,
}

/// What kind it is of, and what stands there.
type Page = (&'static str, Vec<u8>);

const TEXT: &str = "text/plain; version=0.0.4";
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

impl Exporter {
    pub(crate) fn new(page: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let page = Arc::new(Mutex::new((TEXT, Vec::from(page))));
        let own = Arc::clone(&page);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let page = own.lock().unwrap().clone();
                let _gone = answer(stream, &page);
            }
        });
        Self { address, page }
    }

    pub(crate) fn set(&self, page: &str) {
        *self.page.lock().unwrap() = (TEXT, Vec::from(page));
    }

    /// With nothing but a native histogram of that name and of one pod, which the page has as text for nobody.
    pub(crate) fn set_native_histogram(&self, name: &str, pod: &str) {
        // Three observations of 1 in one bucket of schema 0: `(0.5, 1]`.
        let bytes = |field: u8, inside: &[u8]| {
            let length = u8::try_from(inside.len()).unwrap();
            [&[field << 3 | 2, length], inside].concat()
        };
        let histogram = [
            vec![1 << 3, 3, 2 << 3 | 1],
            Vec::from(3_f64.to_le_bytes()),
            vec![5 << 3, 0, 6 << 3 | 1],
            Vec::from(1e-9_f64.to_le_bytes()),
            bytes(12, &[1 << 3, 0, 2 << 3, 1]),
            vec![13 << 3, 6],
        ]
        .concat();
        let label = [bytes(1, b"pod"), bytes(2, pod.as_bytes())].concat();
        let metric = [bytes(1, &label), bytes(7, &histogram)].concat();
        let family = [bytes(1, name.as_bytes()), vec![3 << 3, 4], bytes(4, &metric)].concat();
        let page = [vec![u8::try_from(family.len()).unwrap()], family].concat();
        *self.page.lock().unwrap() = (PROTOBUF, page);
    }
}

fn answer(mut stream: TcpStream, (kind, page): &Page) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(page)
}

/// A Prometheus that runs until it is dropped.
pub(crate) struct Prometheus {
    program: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Prometheus {
    /// One that scrapes an exporter every second; nothing if this machine has none.
    pub(crate) fn scraping(exporter: Option<&Exporter>) -> Option<Self> {
        let mut prometheus = Self::stopped(exporter)?;
        prometheus.start();
        prometheus.wait();
        Some(prometheus)
    }

    /// One that is not started yet.
    pub(crate) fn stopped(exporter: Option<&Exporter>) -> Option<Self> {
        let program = program("prometheus")?;
        let folder = tempfile::tempdir().unwrap();
        let mut config = String::from("global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n");
        if let Some(exporter) = exporter {
            config += &format!(
                "scrape_configs:\n- job_name: test\n  static_configs:\n  - targets: ['{}']\n",
                exporter.address
            );
        }
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { program, folder, port, arguments: Vec::new(), child: None })
    }

    /// With a file that says how it is protected.
    pub(crate) fn with_web_config(mut self, text: &str) -> Self {
        let file = self.folder.path().join("web.yml");
        fs::write(&file, text).unwrap();
        self.arguments.push(format!("--web.config.file={}", file.display()));
        self
    }

    /// With something that it does not do unless it is asked to.
    pub(crate) fn with_feature(mut self, name: &str) -> Self {
        self.arguments.push(format!("--enable-feature={name}"));
        self
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn start(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(&self.program)
            .arg(format!("--config.file={}", self.folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", self.data().display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Waits until it takes connections, and then until it is ready where that can be asked without credentials.
    pub(crate) fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                let request = "GET /-/ready HTTP/1.0\r\n\r\n";
                let mut answer = String::new();
                stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                let asked = stream.write_all(request.as_bytes());
                let _read = asked.and_then(|()| stream.read_to_string(&mut answer));
                // Protected ones say no, or speak TLS.
                if answer.contains(" 200 ") || answer.contains(" 401 ") || answer.contains(" 400 ")
                {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("Prometheus does not start: {log}");
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> PrometheusClient {
        PrometheusClient::new(&self.spec()).unwrap()
    }

    pub(crate) fn spec(&self) -> ServerSpec {
        let mut spec = ServerSpec::at(self.address());
        spec.share_seconds = trimtab_metric::Span::ZERO;
        spec
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The time now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

/// Waits until a query has as many series as that.
pub(crate) async fn until_there_are(client: &PrometheusClient, query: &str, count: usize) {
    for _ in 0..600 {
        if let Ok(answer) = client.instant(query, now()).await
            && answer.series.len() == count
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("`{query}` never had {count} series");
}

/// A policy with these metrics: `(name, type)`, all with the target 1.
pub(crate) fn policy(metrics: &[(&str, &str)]) -> Policy {
    let metrics: Vec<serde_json::Value> = metrics
        .iter()
        .map(|(name, kind)| {
            let target = serde_json::json!({"type": "AverageValue", "averageValue": "1"});
            let mut metric = serde_json::json!({"metric": {"name": name}, "target": target});
            if *kind == "Object" {
                metric["describedObject"] =
                    serde_json::json!({"apiVersion": "v1", "kind": "Service", "name": "llm"});
            }
            let field = kind.to_lowercase();
            serde_json::json!({"type": kind, field: metric})
        })
        .collect();
    let spec = serde_json::json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 100,
        "metrics": metrics,
    });
    Policy::new(serde_json::from_value(spec).unwrap()).unwrap()
}

/// A file with this text.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}
