//! The gateway with real sockets in front of it and behind it; and with real processes.

mod harness;
mod processes;
mod queueing;
mod routing;
mod scaling;
mod streaming;
