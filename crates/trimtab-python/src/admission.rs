//! `trimtab.admission`: may this request be queued now?

use pyo3::prelude::*;
use trimtab_engine::admission as engine;

/// A replica, as the queue in front of it sees it: how many requests it serves at once and is
/// serving, how long a request keeps a slot, and in how many seconds it will be ready (`None`: it is).
#[pyclass(frozen, eq, get_all, module = "trimtab.admission", from_py_object)]
#[derive(Clone, PartialEq)]
pub(crate) struct Server {
    /// How many requests it serves at once.
    slots: u32,
    /// How many it is serving.
    in_flight: u32,
    /// How long a request keeps a slot, in seconds; `None` if nothing was seen yet.
    service_seconds: Option<f64>,
    /// In how many seconds it will be ready; `None` for one that is.
    ready_in_seconds: Option<f64>,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (slots, *, in_flight=0, service_seconds=None, ready_in_seconds=None))]
    fn new(
        slots: u32,
        in_flight: u32,
        service_seconds: Option<f64>,
        ready_in_seconds: Option<f64>,
    ) -> Self {
        Self { slots, in_flight, service_seconds, ready_in_seconds }
    }

    fn __repr__(&self) -> String {
        let Self { slots, in_flight, service_seconds, ready_in_seconds } = self;
        let given = |name: &str, value: &Option<f64>| {
            value.map(|value| format!(", {name}={value:?}")).unwrap_or_default()
        };
        let service = given("service_seconds", service_seconds);
        let ready = given("ready_in_seconds", ready_in_seconds);
        format!("Server({slots}, in_flight={in_flight}{service}{ready})")
    }
}

/// What is promised, and what may be held: the longest wait for a slot, and for a replica; how many
/// may wait while no service time is known, and at all; the longest `Retry-After`.
#[pyclass(frozen, eq, get_all, module = "trimtab.admission", from_py_object)]
#[derive(Clone, PartialEq)]
pub(crate) struct Limits {
    /// The longest that a request is to wait for a slot, in seconds, while a replica is ready.
    wait_seconds: f64,
    /// The longest that a request is held while none is, in seconds.
    hold_seconds: f64,
    /// How many may wait while no service time is known.
    unknown: u32,
    /// How many may wait at most.
    most: u32,
    /// The longest `Retry-After`, in seconds.
    most_retry_seconds: u32,
}

impl Limits {
    fn engine(limits: Option<&Self>) -> engine::Limits {
        limits.map_or_else(engine::Limits::default, |limits| engine::Limits {
            wait_seconds: limits.wait_seconds,
            hold_seconds: limits.hold_seconds,
            unknown: limits.unknown,
            most: limits.most,
            most_retry_seconds: limits.most_retry_seconds,
        })
    }
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (
        *, wait_seconds=10.0, hold_seconds=300.0, unknown=64, most=10_000, most_retry_seconds=60
    ))]
    fn new(
        wait_seconds: f64,
        hold_seconds: f64,
        unknown: u32,
        most: u32,
        most_retry_seconds: u32,
    ) -> Self {
        Self { wait_seconds, hold_seconds, unknown, most, most_retry_seconds }
    }

    fn __repr__(&self) -> String {
        let Self { wait_seconds, hold_seconds, unknown, most, most_retry_seconds } = self;
        format!(
            "Limits(wait_seconds={wait_seconds:?}, hold_seconds={hold_seconds:?}, unknown={unknown}, most={most}, most_retry_seconds={most_retry_seconds})"
        )
    }
}

/// What becomes of a request. It is true unless the request is rejected.
#[pyclass(frozen, eq, module = "trimtab.admission")]
#[derive(PartialEq)]
pub(crate) struct Admission(engine::Admission);

#[pymethods]
impl Admission {
    /// `admit`, `queue` or `reject`.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.0 {
            engine::Admission::Admit => "admit",
            engine::Admission::Queue { .. } => "queue",
            engine::Admission::Reject { .. } => "reject",
        }
    }

    /// How long it will wait, by the model; `None` if that is not known.
    #[getter]
    fn wait_seconds(&self) -> Option<f64> {
        match self.0 {
            engine::Admission::Queue { wait_seconds } => wait_seconds,
            _ => None,
        }
    }

    /// When what waits now will have started: the `Retry-After` of HTTP.
    #[getter]
    fn retry_after_seconds(&self) -> Option<u32> {
        match self.0 {
            engine::Admission::Reject { retry_after_seconds } => Some(retry_after_seconds),
            _ => None,
        }
    }

    fn __bool__(&self) -> bool {
        !matches!(self.0, engine::Admission::Reject { .. })
    }

    fn __repr__(&self) -> String {
        let kind = self.kind();
        match (self.wait_seconds(), self.retry_after_seconds()) {
            (Some(seconds), _) => format!("Admission({kind}, wait_seconds={seconds:?})"),
            (_, Some(seconds)) => format!("Admission({kind}, retry_after_seconds={seconds})"),
            _ => format!("Admission({kind})"),
        }
    }
}

fn engines(servers: &[Server]) -> Vec<engine::Server> {
    let engine = |server: &Server| engine::Server {
        slots: server.slots,
        in_flight: server.in_flight,
        service_seconds: server.service_seconds,
        ready_in_seconds: server.ready_in_seconds,
    };
    servers.iter().map(engine).collect()
}

/// Say whether a request may be queued behind `waiting` others.
///
/// It never rejects while a slot is free, and more capacity never turns a yes into a no.
#[pyfunction]
#[pyo3(signature = (servers, waiting, limits=None))]
#[expect(clippy::needless_pass_by_value, reason = "extracted from a list")]
pub(crate) fn admit(servers: Vec<Server>, waiting: u32, limits: Option<&Limits>) -> Admission {
    Admission(engine::admit(&Limits::engine(limits), &engines(&servers), waiting))
}

/// Say how many may wait: what the servers take on within the allowed wait.
#[pyfunction]
#[pyo3(signature = (servers, limits=None))]
#[expect(clippy::needless_pass_by_value, reason = "extracted from a list")]
pub(crate) fn queue_bound(servers: Vec<Server>, limits: Option<&Limits>) -> u32 {
    engine::queue_bound(&Limits::engine(limits), &engines(&servers))
}

/// Say how long the request with so many ahead of it waits for a slot; `None` if it were forever.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "extracted from a list")]
pub(crate) fn wait_seconds(servers: Vec<Server>, ahead: u32) -> Option<f64> {
    engine::wait_seconds(&engines(&servers), ahead)
}

/// Say how long a request keeps a slot, by Little's law; `None` if none was completed.
#[pyfunction]
pub(crate) fn service_seconds(mean_in_flight: f64, completed_per_second: f64) -> Option<f64> {
    engine::service_seconds(mean_in_flight, completed_per_second)
}
