//! A gateway in front of inference servers with an `OpenAI`-style API: it queues what can be served in time, sends it to
//! the replica with the least to do, and scales the replicas by a trimtab policy that it feeds by itself.
//!
//! What decides is the library: [`trimtab::admission`] whether a request may wait, and
//! [`trimtab_runtime::Controller`] how many replicas there are and which one leaves. Here is only what carries it out.

pub mod config;
pub mod fleet;
pub mod gateway;
pub mod launcher;
pub mod lease;
pub mod metrics;
pub mod mock;
pub mod pace;
pub mod proxy;
pub mod queue;
pub mod replica;
pub mod routing;
pub mod serve;
pub mod signals;
pub mod source;
pub mod stream;
pub mod supervisor;
pub mod target;
