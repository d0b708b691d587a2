//! The load: requests at their times, each to the replica that is ready and has the least to do.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use trimtab_sim::{Trace, TraceOptions, Workload};

/// What is sent when.
pub(crate) struct Plan {
    requests: Vec<Planned>,
}

#[derive(Copy, Clone)]
struct Planned {
    at: Duration,
    input_tokens: u32,
    output_tokens: u32,
}

impl Plan {
    /// Little, then a crowd, then little again.
    pub(crate) fn built_in(short: bool) -> Result<Self, Box<dyn Error>> {
        let stages: [(f64, f64); 3] = if short {
            [(5.0, 1.0), (18.0, 11.0), (8.0, 1.0)]
        } else {
            [(20.0, 1.0), (60.0, 11.0), (40.0, 1.5)]
        };
        let mut requests = Vec::new();
        let mut start = 0.0;
        for (seconds, rate) in stages {
            let mut at = 0.0;
            while at < seconds {
                let number = requests.len() as u64;
                // Lengths that repeat, so that each run is the same load.
                let (input, output) = (40 + number * 37 % 160, 20 + number * 53 % 60);
                requests.push(Planned {
                    at: Duration::from_secs_f64(start + at),
                    input_tokens: u32::try_from(input)?,
                    output_tokens: u32::try_from(output)?,
                });
                at += 1.0 / rate;
            }
            start += seconds;
        }
        Ok(Self { requests })
    }

    /// What a trace has.
    pub(crate) fn recorded(file: &Path, rate_scale: f64) -> Result<Self, Box<dyn Error>> {
        let options = TraceOptions { rate_scale, ..TraceOptions::default() };
        let trace = Trace::open(file, &options)?;
        let mut requests = Vec::new();
        for request in trace.requests()? {
            let request = request?;
            requests.push(Planned {
                at: Duration::from_secs_f64(request.arrival.seconds()),
                input_tokens: request.input_tokens,
                output_tokens: request.output_tokens,
            });
        }
        Ok(Self { requests })
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn duration(&self) -> Duration {
        self.requests.last().map_or(Duration::ZERO, |last| last.at)
    }
}

/// What came of one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// From the moment at which it was to be sent.
    pub(crate) first_token: Option<Duration>,
    /// How often it was turned away before.
    pub(crate) turned_away: u32,
    /// How it ended.
    pub(crate) end: End,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it came.
    Whole,
    /// Some of it came.
    Cut(String),
    /// Nobody took it.
    Never,
}

/// Sends requests.
#[derive(Clone)]
pub(crate) struct Load {
    targets: PathBuf,
    http: reqwest::Client,
    /// What each replica is doing for us.
    busy: Arc<Mutex<BTreeMap<String, u32>>>,
}

/// How long a request is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(60);

impl Load {
    pub(crate) fn new(targets: PathBuf) -> Self {
        Self { targets, http: reqwest::Client::new(), busy: Arc::default() }
    }

    /// Sends everything, and waits for all answers.
    pub(crate) async fn send(&self, plan: &Plan) -> Vec<Answer> {
        let start = Instant::now();
        let mut sent = JoinSet::new();
        for request in &plan.requests {
            sleep_until(start + request.at).await;
            let (load, request) = (self.clone(), *request);
            sent.spawn(async move { load.request(request).await });
        }
        sent.join_all().await
    }

    /// Waits until one replica is left.
    pub(crate) async fn until_alone(&self, patience: Duration) {
        let start = Instant::now();
        while listed(&self.targets).len() > 1 && start.elapsed() < patience {
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn request(&self, request: Planned) -> Answer {
        let start = Instant::now();
        let mut answer = Answer { first_token: None, turned_away: 0, end: End::Never };
        while start.elapsed() < PATIENCE {
            let Some(place) = self.take_place() else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let tried = self.stream(&place, request).await;
            self.leave(&place);
            match tried {
                Ok((first, end)) => {
                    answer.first_token = Some(first.duration_since(start));
                    answer.end = end;
                    return answer;
                }
                Err(_) => {
                    answer.turned_away += 1;
                    sleep(Duration::from_millis(250)).await;
                }
            }
        }
        answer
    }

    /// The replica that has the least to do.
    fn take_place(&self) -> Option<String> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = listed(&self.targets).into_iter().filter(|listed| listed.takes_work);
        let place = ready
            .min_by_key(|listed| busy.get(&listed.address).copied().unwrap_or(0))
            .map(|listed| listed.address)?;
        *busy.entry(place.clone()).or_default() += 1;
        Some(place)
    }

    fn leave(&self, place: &str) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(place) {
            *count = count.saturating_sub(1);
        }
    }

    /// One attempt: an error if it was not begun, else when the first token came and how it ended.
    async fn stream(&self, place: &str, request: Planned) -> Result<(Instant, End), String> {
        let words = usize::try_from(request.input_tokens).unwrap_or(usize::MAX);
        let body = json!({
            "prompt": "word ".repeat(words.min(8000)),
            "max_tokens": request.output_tokens,
            "stream": true,
        });
        let sent = self.http.post(format!("http://{place}/v1/completions")).body(body.to_string());
        let sent = sent.header("content-type", "application/json").send().await;
        let mut response = sent.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(response.status().to_string());
        }
        let (mut first, mut text) = (None, Vec::new());
        let end = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    first.get_or_insert_with(Instant::now);
                    text.extend_from_slice(&chunk);
                }
                Ok(None) if String::from_utf8_lossy(&text).contains("data: [DONE]") => {
                    break End::Whole;
                }
                Ok(None) => break End::Cut(String::from("it ended without its end")),
                Err(error) => break End::Cut(error.to_string()),
            }
        };
        Ok((first.unwrap_or_else(Instant::now), end))
    }
}

struct Listed {
    address: String,
    takes_work: bool,
}

/// The replicas that the target lists. A list that can't be read is one of none.
fn listed(targets: &Path) -> Vec<Listed> {
    let text = fs::read(targets).unwrap_or_default();
    let groups: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
    let of = |group: &Value| {
        let is = |label: &str| {
            group.pointer(&format!("/labels/{label}")).is_some_and(|value| value == "true")
        };
        Some(Listed {
            address: group.pointer("/targets/0")?.as_str()?.to_owned(),
            takes_work: is("__meta_trimtab_ready") && !is("__meta_trimtab_draining"),
        })
    };
    groups.iter().filter_map(of).collect()
}
