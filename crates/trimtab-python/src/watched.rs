//! Long work beside the interpreter: other Python threads run on, an interrupt ends it, and whoever waits hears how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use trimtab_sim::Progress;

/// How often the interpreter is asked for signals, and progress is told.
const ROUND: Duration = Duration::from_millis(50);

/// How far the work is, and whether it should go on.
#[derive(Default)]
pub(crate) struct Course {
    done: AtomicU64,
    of: AtomicU64,
    /// Shared with what knows nothing of Python.
    pub(crate) stopped: Arc<AtomicBool>,
}

impl Progress for Course {
    fn begins(&self, requests: u64) {
        self.of.fetch_add(requests, Ordering::Relaxed);
    }

    fn proceeds(&self, requests: u64) -> bool {
        self.done.fetch_add(requests, Ordering::Relaxed);
        !self.stopped.load(Ordering::Relaxed)
    }
}

impl Course {
    /// Whether the work is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Does `work` in a thread of its own. An exception of a signal's handler or of `heard` ends it, and is what comes back.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    course: &Course,
    heard: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let heard = heard.map(|heard| heard.clone().unbind());
    py.detach(|| {
        thread::scope(|scope| {
            let (send, receive) = channel();
            let worker = scope.spawn(move || {
                // Nobody waits for it any more only where the wait itself has failed.
                let _unheard = send.send(work());
            });
            let done = loop {
                match receive.recv_timeout(ROUND) {
                    Ok(done) => break Ok(done),
                    Err(RecvTimeoutError::Disconnected) => {
                        break Err(PyRuntimeError::new_err(
                            "the simulation ended by a fault of trimtab",
                        ));
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        if let Err(error) = Python::attach(|py| tell(py, course, heard.as_ref())) {
                            course.stopped.store(true, Ordering::Relaxed);
                            break Err(error);
                        }
                    }
                }
            };
            // Its panic was told on standard error.
            let _ended = worker.join();
            let done = done?;
            Python::attach(|py| tell(py, course, heard.as_ref()))?;
            Ok(done)
        })
    })
}

fn tell(py: Python<'_>, course: &Course, heard: Option<&Py<PyAny>>) -> PyResult<()> {
    py.check_signals()?;
    let (done, of) = (course.done.load(Ordering::Relaxed), course.of.load(Ordering::Relaxed));
    match heard {
        Some(heard) if of > 0 => heard.call1(py, (done.min(of), of)).map(drop),
        _ => Ok(()),
    }
}
