#![forbid(unsafe_code)]
//! Kubernetes API servers for tests.
