//! What APA did that no other strategy does, and the words for it.

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use crate::trace::Direction;

/// A step of APA's own.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum ApaStep {
    /// Of the recommendations within the window the largest (up) or the smallest (down) counts.
    PastRecommendation {
        /// Which way.
        direction: Direction,
        /// The window.
        window: Span,
    },
}

/// Subject, measure and rule.
pub(crate) fn words(step: &ApaStep) -> (String, String, String) {
    let rule = match step {
        ApaStep::PastRecommendation { direction: Direction::Up, window } => {
            format!("the largest recommendation of the last {window}")
        }
        ApaStep::PastRecommendation { direction: Direction::Down, window } => {
            format!("the smallest recommendation of the last {window}")
        }
    };
    (String::new(), String::new(), rule)
}
