//! An inference server that serves nobody: it has the time of one, its streams and its health, for tests and trials.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// How long it takes for what: a prefill that grows with the prompt, and steps that grow with the batch.
#[derive(Clone, Debug)]
pub struct MockSettings {
    /// From its start until `/health` is 200.
    pub warm_up: Duration,
    /// Of the prefill, for each word of the prompt.
    pub prefill_per_word: Duration,
    /// Of the prefill, whatever the prompt.
    pub prefill: Duration,
    /// Of a step, whatever the batch.
    pub step: Duration,
    /// Of a step, for each request in the batch.
    pub step_per_request: Duration,
    /// How many requests it has in its batch; others wait.
    pub slots: usize,
    /// Tokens come only as [`Mock::release`] lets them, and none by itself.
    pub gated: bool,
}

impl Default for MockSettings {
    /// About as fast as an 8B model, ready at once.
    fn default() -> Self {
        Self {
            warm_up: Duration::ZERO,
            prefill_per_word: Duration::from_micros(80),
            prefill: Duration::from_millis(8),
            step: Duration::from_millis(12),
            step_per_request: Duration::from_micros(100),
            slots: 32,
            gated: false,
        }
    }
}

/// An inference server that serves nobody.
pub struct Mock {
    settings: MockSettings,
    began: Instant,
    slots: Arc<Semaphore>,
    gate: Semaphore,
    began_requests: AtomicU64,
    ended_requests: AtomicU64,
    broken_requests: AtomicU64,
    tokens: AtomicU64,
}

/// A request, as far as the mock looks at it.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    prompt: Option<String>,
}

impl Mock {
    /// One that begins to warm up.
    pub fn new(settings: MockSettings) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(settings.slots));
        Arc::new(Self {
            settings,
            began: Instant::now(),
            slots,
            gate: Semaphore::new(0),
            began_requests: AtomicU64::new(0),
            ended_requests: AtomicU64::new(0),
            broken_requests: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
        })
    }

    /// Its pages.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .route("/v1/completions", post(complete))
            .with_state(Arc::clone(self))
    }

    /// Lets so many tokens out, whoever's they are.
    pub fn release(&self, tokens: usize) {
        self.gate.add_permits(tokens);
    }

    /// How many requests came.
    pub fn began(&self) -> u64 {
        self.began_requests.load(Ordering::SeqCst)
    }

    /// How many were answered to the end.
    pub fn ended(&self) -> u64 {
        self.ended_requests.load(Ordering::SeqCst)
    }

    /// How many were left by who had asked.
    pub fn broken(&self) -> u64 {
        self.broken_requests.load(Ordering::SeqCst)
    }

    /// How many tokens were made.
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::SeqCst)
    }

    fn batch(&self) -> u32 {
        let batch = self.settings.slots.saturating_sub(self.slots.available_permits());
        u32::try_from(batch).unwrap_or(u32::MAX)
    }

    /// The time of one token, or until it is let out.
    async fn step(&self) {
        if self.settings.gated {
            // The gate is never closed.
            if let Ok(permit) = self.gate.acquire().await {
                permit.forget();
            }
        } else {
            let time = self.settings.step + self.settings.step_per_request * self.batch();
            // Even the shortest sleep takes a millisecond.
            if !time.is_zero() {
                sleep(time).await;
            }
        }
    }
}

/// A request under way. Dropping it before its end says that its client left.
struct Answering {
    mock: Arc<Mock>,
    _slot: Option<tokio::sync::OwnedSemaphorePermit>,
    left: u32,
    told: u32,
    is_over: bool,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let count =
            if self.is_over { &self.mock.ended_requests } else { &self.mock.broken_requests };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Answering {
    /// The next token, or the end; `None` after that.
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        if self.left == 0 {
            self.is_over = true;
            return Some(String::from("data: [DONE]\n\n"));
        }
        self.mock.step().await;
        self.mock.tokens.fetch_add(1, Ordering::SeqCst);
        self.left -= 1;
        self.told += 1;
        let delta = json!({"content": format!("token{} ", self.told)});
        let reason = (self.left == 0).then_some("length");
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        let chunk = json!({"id": "mock", "object": "chat.completion.chunk", "model": "mock",
                           "choices": [choice]});
        Some(format!("data: {chunk}\n\n"))
    }
}

async fn complete(State(mock): State<Arc<Mock>>, Json(asked): Json<Asked>) -> Response {
    mock.began_requests.fetch_add(1, Ordering::SeqCst);
    let left = asked.max_tokens.unwrap_or(16);
    let mut answering =
        Answering { mock: Arc::clone(&mock), _slot: None, left, told: 0, is_over: false };
    let text = asked.prompt.unwrap_or_default() + &Value::from(asked.messages).to_string();
    let words = u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX);
    // The slots are never closed.
    answering._slot = Arc::clone(&mock.slots).acquire_owned().await.ok();
    if !mock.settings.gated {
        sleep(mock.settings.prefill + mock.settings.prefill_per_word.saturating_mul(words)).await;
    }
    if asked.stream {
        let events = stream::unfold(answering, |mut answering| async {
            let event = answering.next().await?;
            Some((Ok::<_, Infallible>(Bytes::from(event)), answering))
        });
        return ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response();
    }
    let mut text = String::new();
    while answering.left > 0 {
        if answering.next().await.is_some() {
            text += &format!("token{} ", answering.told);
        }
    }
    answering.is_over = true;
    let message = json!({"role": "assistant", "content": text.trim_end()});
    let choice = json!({"index": 0, "message": message, "finish_reason": "length"});
    Json(json!({"id": "mock", "object": "chat.completion", "model": "mock", "choices": [choice]}))
        .into_response()
}

async fn health(State(mock): State<Arc<Mock>>) -> Response {
    if mock.began.elapsed() >= mock.settings.warm_up {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "warming up\n").into_response()
}

async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": "mock", "object": "model", "owned_by": "mock"}]}))
}
