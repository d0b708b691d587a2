//! Knative's recorded decisions: the autoscaler's ticks, and the way to zero.

pub(super) mod kpa;
pub(super) mod scale_to_zero;
