//! The warm pool as a second workload.
