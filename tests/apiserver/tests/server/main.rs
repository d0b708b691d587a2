//! The server in process, beside what a real one does.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail by panic")]

mod access;
mod clients;
mod differential;
mod discovery;
mod faults;
mod lives;
mod metrics;
mod objects;
mod scale;
mod watching;
