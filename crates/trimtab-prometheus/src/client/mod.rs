//! One client for all workloads: what several ask is asked once, and whoever does not answer is asked last.

mod answer;
mod endpoint;
mod flight;
mod spec;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_http_query::Client;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::debug;
use trimtab_metric::{Span, Timestamp};
use trimtab_runtime::SourceError;

pub use answer::{Answer, Series, Shape};
use endpoint::Endpoints;
use flight::{Flights, Key};
pub use spec::ServerSpec;

use crate::SpecError;
use crate::connect::{Transport, duration, read_body, sending_failed};

/// The wait before a second attempt; doubled before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Longer queries are sent in the body of the request.
const LONGEST_IN_ADDRESS: usize = 1_000;

/// Asks a Prometheus, or several that know the same. It is cheap to clone, and clones are one client.
///
/// - **Asked once.** Who asks the same within [`ServerSpec::share_seconds`] gets the same answer, while the
///   question is under way and after.
/// - **Failing over.** Of several addresses the first that answers counts; one that failed is asked last for a
///   while, longer each time.
/// - **Within a deadline.** Attempts, waits between them and waiting for a connection together take no longer than
///   [`ServerSpec::timeout_seconds`].
/// - **Bounded.** No more than so many requests at a time, no answer larger than so many bytes.
///
/// ```
/// use trimtab_prometheus::{PrometheusClient, ServerSpec};
///
/// let server = ServerSpec::at("http://prometheus.monitoring:9090");
/// let client = PrometheusClient::new(&server)?;
/// assert_eq!(client.counts().asked, 0);
/// # Ok::<(), trimtab_prometheus::SpecError>(())
/// ```
#[derive(Clone)]
pub struct PrometheusClient {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Transport,
    endpoints: Endpoints,
    flights: Flights,
    permits: Semaphore,
    timeout: Duration,
    max_bytes: u64,
    allow_partial: bool,
    share: Span,
    jitter: RandomState,
    asked: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
}

/// What a client has done so far.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Questions that it was asked.
    pub asked: u64,
    /// Requests that it made for them.
    pub sent: u64,
    /// Requests of those that failed.
    pub failed: u64,
}

/// What a Prometheus is asked.
#[derive(Clone, Debug)]
enum Question {
    Instant { query: String, at: Timestamp },
    Range { query: String, start: i64, end: i64, step: Span },
}

impl PrometheusClient {
    /// A client for a server. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`SpecError`] when the spec can't be meant, or names files that can't be read.
    pub fn new(spec: &ServerSpec) -> Result<Self, SpecError> {
        spec.check()?;
        let timeout = duration(spec.timeout_seconds);
        let shared = Shared {
            transport: Transport::new(&spec.connect, timeout.min(Duration::from_secs(5)))?,
            endpoints: Endpoints::new(&spec.addresses)?,
            flights: Flights::default(),
            permits: Semaphore::new(usize::from(spec.max_concurrent.get())),
            timeout,
            max_bytes: spec.max_bytes,
            allow_partial: spec.allow_partial,
            share: spec.share_seconds,
            jitter: RandomState::new(),
            asked: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The value of a query at a time, rounded down to [`ServerSpec::share_seconds`].
    ///
    /// # Errors
    ///
    /// [`SourceError`]; an answer without series is none.
    pub async fn instant(&self, query: &str, now: Timestamp) -> Result<Arc<Answer>, SourceError> {
        self.instant_within(query, now, self.shared.timeout).await
    }

    /// The same for who waits no longer than this: some time before, the last attempt's error is the answer, which says
    /// more than that time is up.
    ///
    /// # Errors
    ///
    /// [`SourceError`].
    pub async fn instant_within(
        &self,
        query: &str,
        now: Timestamp,
        patience: Duration,
    ) -> Result<Arc<Answer>, SourceError> {
        let limit = self.shared.timeout.min(before(patience));
        self.shared.asked.fetch_add(1, Ordering::Relaxed);
        let at = self.evaluation_time(now);
        let key = Key { at, query: String::from(query) };
        let question = Question::Instant { query: String::from(query), at };
        let shared = Arc::clone(&self.shared);
        let fetch = || async move { fetch(&shared, &question, limit).await.map(Arc::new) };
        self.shared.flights.join(key, fetch).await
    }

    /// The values of a query from `start` to `end`, both included, every `step`; whole seconds.
    ///
    /// # Errors
    ///
    /// [`SourceError`].
    pub async fn range(
        &self,
        query: &str,
        start: Timestamp,
        end: Timestamp,
        step: Span,
    ) -> Result<Answer, SourceError> {
        self.shared.asked.fetch_add(1, Ordering::Relaxed);
        let seconds = |time: Timestamp| time.as_millis().div_euclid(1000);
        let (start, end) = (seconds(start), seconds(end));
        let question = Question::Range { query: String::from(query), start, end, step };
        fetch(&self.shared, &question, self.shared.timeout).await
    }

    /// The time that is asked about: the same for all who ask within [`ServerSpec::share_seconds`].
    pub fn evaluation_time(&self, now: Timestamp) -> Timestamp {
        let grid = self.shared.share.as_millis().max(1);
        Timestamp::from_millis(now.as_millis().div_euclid(grid).saturating_mul(grid))
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { asked, sent, failed, .. } = &*self.shared;
        Counts { asked: count(asked), sent: count(sent), failed: count(failed) }
    }
}

/// Early enough to be heard by who waits so long.
pub(crate) fn before(patience: Duration) -> Duration {
    patience.saturating_sub((patience / 10).min(Duration::from_millis(500)))
}

/// Asks until somebody answers or time is up.
async fn fetch(
    shared: &Shared,
    question: &Question,
    limit: Duration,
) -> Result<Answer, SourceError> {
    let deadline = Instant::now() + limit;
    let late = || SourceError::TimedOut(span(limit));
    let permit = timeout_at(deadline, shared.permits.acquire()).await.map_err(|_| late())?;
    let _permit = permit.map_err(|_| late())?;
    let mut wait = FIRST_WAIT;
    loop {
        let error = match round(shared, question, deadline).await {
            Ok(answer) => return Ok(answer),
            Err(error) if is_passing(&error) => error,
            Err(error) => return Err(error),
        };
        // Between half and all of it, so that those who failed together do not come back together.
        let share = shared.jitter.hash_one(Instant::now()) % 512 + 512;
        let pause = wait.saturating_mul(u32::try_from(share).unwrap_or(1024)) / 1024;
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        sleep(pause).await;
        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
    }
}

/// Asks each address once. An answer without series counts only if nobody has one with some: who of a pair was just
/// started has none yet.
async fn round(
    shared: &Shared,
    question: &Question,
    deadline: Instant,
) -> Result<Answer, SourceError> {
    let (mut empty, mut last) = (None, None);
    let order = shared.endpoints.order();
    let several = order.len() > 1;
    for index in order {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            last = last.or(Some(SourceError::TimedOut(span(shared.timeout))));
            break;
        }
        // One that hangs leaves time for the others.
        let limit = if several { left.min(shared.timeout / 2) } else { left };
        let answer = timeout(limit, ask(shared, question, index, limit)).await;
        let answer = answer.unwrap_or_else(|_| Err(SourceError::TimedOut(span(limit))));
        shared.sent.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(answer) => {
                shared.endpoints.answered(index);
                if !answer.series.is_empty() {
                    return Ok(answer);
                }
                empty = Some(answer);
            }
            Err(error) => {
                shared.failed.fetch_add(1, Ordering::Relaxed);
                if matches!(error, SourceError::Refused(_)) {
                    // All of them would say the same.
                    return Err(error);
                }
                let address = shared.endpoints.name(index);
                debug!(target: "trimtab", address, %error, "a Prometheus did not answer");
                shared.endpoints.failed(index);
                last = Some(error);
            }
        }
    }
    match (empty, last) {
        (Some(answer), _) => Ok(answer),
        (None, Some(error)) => Err(error),
        (None, None) => Err(SourceError::Unreachable(String::from("there are no addresses"))),
    }
}

async fn ask(
    shared: &Shared,
    question: &Question,
    index: usize,
    limit: Duration,
) -> Result<Answer, SourceError> {
    let address = shared.endpoints.address(index);
    let client = Client::from(shared.transport.client()?, address)
        .map_err(|error| SourceError::Unreachable(error.to_string()))?;
    let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    let headers = shared.transport.headers()?;
    let response = match question {
        Question::Instant { query, at } => {
            let mut builder = client.query(query).timeout(limit).query("time", seconds(*at));
            for (name, value) in headers.iter() {
                builder = builder.header(name.clone(), value.clone());
            }
            if query.len() > LONGEST_IN_ADDRESS {
                builder.post_raw().await
            } else {
                builder.get_raw().await
            }
        }
        Question::Range { query, start, end, step } => {
            let step = step.as_secs_f64();
            let mut builder = client.query_range(query, *start, *end, step).timeout(limit);
            for (name, value) in headers.iter() {
                builder = builder.header(name.clone(), value.clone());
            }
            if query.len() > LONGEST_IN_ADDRESS {
                builder.post_raw().await
            } else {
                builder.get_raw().await
            }
        }
    };
    let response = response.map_err(|error| match error {
        prometheus_http_query::Error::Client(error) => match error.inner() {
            Some(error) => sending_failed(error),
            None => SourceError::Unreachable(error.to_string()),
        },
        other => SourceError::Unreachable(other.to_string()),
    })?;
    let status = response.status();
    let body = read_body(response, shared.max_bytes).await?;
    let answer = answer::read(status, &body)?;
    match &answer.partial {
        Some(why) if !shared.allow_partial => Err(SourceError::Partial(why.clone())),
        _ => Ok(answer),
    }
}

/// Whether it may go better in a moment.
fn is_passing(error: &SourceError) -> bool {
    use SourceError::{Partial, TimedOut, Unreachable};
    matches!(error, Unreachable(_) | TimedOut(_) | Partial(_))
}

/// A time as Prometheus reads it: seconds with milliseconds.
fn seconds(time: Timestamp) -> String {
    let millis = time.as_millis();
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

fn span(duration: Duration) -> Span {
    Span::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
