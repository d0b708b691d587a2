//! What full replicas could compute, by the length of their answers.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

/// The last observations of full replicas: at most [`Window::MOST`] of each of three lengths of
/// answers, each set forgotten a day after its last one.
///
/// ```
/// use trimtab_engine::strategy::wva::token::{History, OutputLength};
/// use trimtab_metric::Timestamp;
///
/// let mut history = History::default();
/// for tokens in [40_000, 50_001] {
///     history.add(OutputLength::Medium, tokens, Timestamp::from_secs(0));
/// }
/// assert_eq!(history.mean(OutputLength::Medium), Some(45_000));
/// assert_eq!(history.mean(OutputLength::Long), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct History {
    /// Of answers below 100 tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Window>,
    /// Of answers from 100 to below 500 tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Window>,
    /// Of answers of 500 tokens or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<Window>,
}

/// The last observations of one length of answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// Tokens in use, the oldest first.
    pub tokens: Vec<i64>,
    /// When the last one was added.
    pub updated_at: Timestamp,
}

/// How long the answers are on average.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutputLength {
    /// Below 100 tokens; also if it is not known.
    Short,
    /// From 100 to below 500 tokens.
    Medium,
    /// 500 tokens or more.
    Long,
}

impl OutputLength {
    /// The length of a mean number of tokens. As in WVA, NaN counts as long.
    pub fn of(tokens: f64) -> Self {
        if tokens < 100.0 {
            Self::Short
        } else if tokens < 500.0 {
            Self::Medium
        } else {
            Self::Long
        }
    }
}

impl Window {
    /// The most observations.
    pub const MOST: usize = 10;
}

impl History {
    /// After this long without an observation, those of a length are forgotten: a day.
    pub const RETENTION: Span = Span::from_secs(24 * 3600);

    /// Adds an observation in place of the oldest.
    pub fn add(&mut self, length: OutputLength, tokens: i64, now: Timestamp) {
        let window = self.of_mut(length).get_or_insert_with(|| Window {
            tokens: Vec::with_capacity(Window::MOST),
            updated_at: now,
        });
        let surplus = (window.tokens.len() + 1).saturating_sub(Window::MOST);
        window.tokens.drain(..surplus.min(window.tokens.len()));
        window.tokens.push(tokens);
        window.updated_at = now;
    }

    /// The mean of the observations, rounded down; nothing of none, or if it is 0.
    pub fn mean(&self, length: OutputLength) -> Option<i64> {
        let window = match length {
            OutputLength::Short => &self.short,
            OutputLength::Medium => &self.medium,
            OutputLength::Long => &self.long,
        };
        let tokens = &window.as_ref()?.tokens;
        let mut sum = 0.0;
        tokens.iter().for_each(|tokens| sum += crate::float::from_i64(*tokens));
        let mean = sum / crate::float::from_count(tokens.len());
        (mean > 0.0).then(|| super::whole(mean))
    }

    /// Forgets what is older than [`History::RETENTION`].
    pub fn forget(&mut self, now: Timestamp) {
        for window in [&mut self.short, &mut self.medium, &mut self.long] {
            window.take_if(|window| now.since(window.updated_at) > Self::RETENTION);
        }
    }

    fn of_mut(&mut self, length: OutputLength) -> &mut Option<Window> {
        match length {
            OutputLength::Short => &mut self.short,
            OutputLength::Medium => &mut self.medium,
            OutputLength::Long => &mut self.long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_edges() {
        let lengths = [0.0, 99.9, 100.0, 499.9, 500.0, f64::NAN].map(OutputLength::of);
        use OutputLength::{Long, Medium, Short};
        assert_eq!(lengths, [Short, Short, Medium, Medium, Long, Long]);
    }

    #[test]
    fn the_last_ten_count() {
        let mut history = History::default();
        for tokens in 1..=12_i64 {
            history.add(OutputLength::Long, tokens * 10, Timestamp::from_secs(tokens));
        }
        // 30 to 120.
        assert_eq!(history.mean(OutputLength::Long), Some(75));
    }

    #[test]
    fn a_day_after_the_last_one_all_are_forgotten() {
        let mut history = History::default();
        history.add(OutputLength::Short, 5, Timestamp::from_secs(0));
        history.forget(Timestamp::from_secs(24 * 3600));
        assert_eq!(history.mean(OutputLength::Short), Some(5));
        history.forget(Timestamp::from_millis(24 * 3_600_000 + 1));
        assert_eq!(history, History::default());
    }
}
