//! What is seen of a cluster: its pods and nodes as they are watched, and its metrics APIs as they are asked.

mod faults;
mod memory;
mod metrics;
mod pods;
mod selectors;
mod supply;
mod watched;
