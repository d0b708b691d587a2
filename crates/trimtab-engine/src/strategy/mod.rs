//! Stage 2, size: how many replicas does the load need? One module per strategy.

pub mod hpa;
