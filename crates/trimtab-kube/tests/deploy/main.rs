//! What is in `deploy/`: written from the code where it can be, and what comes out of kustomize and Helm keeps to the rules.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod chart;
mod files;
mod helm;
mod image;
mod objects;
mod rendered;
