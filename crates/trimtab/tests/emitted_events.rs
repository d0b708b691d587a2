//! What a decision looks like in a log.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use trimtab::metric::Timestamp;
use trimtab::{Observation, Policy, PolicySpec, Scale, State, decide_traced, emit};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn log_of(level: tracing::Level, replicas: Option<i32>) -> String {
    let policy = Policy::from_stored(PolicySpec { max_replicas: 3, ..PolicySpec::default() });
    let mut observation = Observation::new(Timestamp::from_secs(0), Scale::steady(5));
    observation.scale = replicas.map(Scale::steady);
    let (decision, _) = decide_traced(&policy, State::default(), &observation);
    let sink = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(sink.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || emit("inference/llm", &decision));
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn a_change_is_information() {
    let log = log_of(tracing::Level::INFO, Some(5));
    assert_eq!(
        log,
        " INFO trimtab: decided workload=\"inference/llm\" current_replicas=5 desired_replicas=3 \
         outcome=Enforced reason=AboveMax\n"
    );
}

#[test]
fn what_could_not_be_decided_is_a_warning() {
    assert!(log_of(tracing::Level::INFO, None).starts_with(" WARN trimtab: decided"));
    assert!(log_of(tracing::Level::INFO, Some(2)).starts_with(" WARN trimtab: decided"));
}

#[test]
fn the_steps_are_for_debugging() {
    let log = log_of(tracing::Level::DEBUG, Some(5));
    assert!(log.contains("DEBUG trimtab: step workload=\"inference/llm\" stage=Bound from=5 to=3"));
}
