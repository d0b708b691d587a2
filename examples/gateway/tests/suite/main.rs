//! The gateway with real sockets in front of it and behind it; and with real processes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test builds on, too, may fail it")]

mod clients;
mod harness;
mod processes;
mod queueing;
mod routing;
mod scaling;
mod signals;
mod streaming;
mod stress;
