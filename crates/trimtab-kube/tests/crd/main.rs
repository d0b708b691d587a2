//! The definition of the resource as the API server takes it: what it refuses and what it takes.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod applied;
mod generated;
mod refused;
mod seeds;
mod server;
mod stored;
