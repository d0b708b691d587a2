//! The values of a field, and the places between them.

use super::contenders::{Field, Values};
use super::tunings::Circumstances;

/// The values of a field, rising, that its places lie between.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pub(super) field: &'static str,
    /// Where a way to be run has it that says nothing else.
    pub(super) at: f64,
    values: Vec<f64>,
    kind: Kind,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// What one replica should have: a share of any size.
    Target,
    /// Whole, and within the values.
    Whole,
    /// Within the values.
    Within,
    /// On from half way.
    Switch,
}

impl Scale {
    pub(super) fn new(field: &Field, of: &Circumstances<'_>) -> Self {
        let sequences = f64::from(of.profile.max_sequences);
        let times = |values: &[f64], full: f64| values.iter().map(|value| value * full).collect();
        let (values, kind) = match &field.values {
            Values::Rate(shares) => (times(shares, of.capacity), Kind::Target),
            Values::Sequences(shares) => (times(shares, sequences), Kind::Target),
            Values::Replicas(shares) => (of.replicas(shares), Kind::Whole),
            Values::Whole(values) => (values.to_vec(), Kind::Whole),
            Values::Given(values) => (values.to_vec(), Kind::Within),
            Values::Switch => (vec![0.0, 1.0], Kind::Switch),
        };
        Self { field: field.path, at: field.at, values, kind }
    }

    /// From its first place to its last.
    pub(super) fn length(&self) -> f64 {
        self.values.len().saturating_sub(1) as f64
    }

    /// Which way less is spent: more for each replica, or a smaller least.
    pub(super) fn less(&self) -> f64 {
        if self.kind == Kind::Target { 1.0 } else { -1.0 }
    }

    /// The place nearest to this one that there is: a target goes on beyond the grid, by a step.
    pub(super) fn within(&self, at: f64) -> f64 {
        let last = self.values.len().saturating_sub(1) as f64;
        let beyond = if self.kind == Kind::Target && last > 0.0 { 1.0 } else { 0.0 };
        at.clamp(-beyond, last + beyond)
    }

    /// The field with a value of it.
    pub(super) fn text(&self, value: f64) -> String {
        match self.kind {
            Kind::Whole => format!("{}={value:.0}", self.field),
            Kind::Switch => format!("{}={}", self.field, value >= 0.5),
            _ => format!("{}={value:.3}", self.field),
        }
    }

    /// The value at a place: at whole ones those of the grid, between two of them what is as far from either.
    pub(super) fn value_at(&self, at: f64) -> f64 {
        let last = self.values.len().saturating_sub(1);
        let from = (at.floor().max(0.0) as usize).min(last.saturating_sub(1));
        let (low, high) = (self.value(from), self.value((from + 1).min(last)));
        let share = at - from as f64;
        match self.kind {
            Kind::Target => low * libm::pow(high / low, share),
            _ => low + (high - low) * share,
        }
    }

    /// Where a value lies, or the nearest place that there is.
    pub(super) fn place_of(&self, value: f64) -> f64 {
        let last = self.values.len().saturating_sub(1);
        let from = (0..last).find(|from| value < self.value(from + 1));
        let from = from.unwrap_or(last.saturating_sub(1));
        let (low, high) = (self.value(from), self.value((from + 1).min(last)));
        let share = match self.kind {
            Kind::Target => libm::log(value / low) / libm::log(high / low),
            _ => (value - low) / (high - low),
        };
        self.within(from as f64 + share)
    }

    fn value(&self, place: usize) -> f64 {
        self.values.get(place).copied().unwrap_or_default()
    }
}
