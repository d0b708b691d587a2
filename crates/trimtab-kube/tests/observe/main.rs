//! What is seen of a cluster: its pods and nodes as they are watched, and its metrics APIs as they
//! are asked.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod selectors;
#[cfg(test)]
mod supply;
#[cfg(test)]
mod watched;
