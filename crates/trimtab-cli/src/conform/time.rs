//! Times of the vectors: seconds from an origin of their own.

use serde::Deserialize;
use trimtab_metric::{Span, Timestamp};

/// Kubernetes' zero time, as the vectors write it.
const ZERO_TIME: f64 = -63_082_281_600.0;

/// The same as the engine counts, from the Unix epoch.
const LONG_AGO: Timestamp = Timestamp::from_secs(-62_135_596_800);

/// Seconds from the vectors' origin, exact to the millisecond. The origin itself does not matter
/// and is taken to be the Unix epoch.
#[derive(Copy, Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Seconds(f64);

impl Seconds {
    pub(super) fn timestamp(self) -> Timestamp {
        if self.0 == ZERO_TIME { LONG_AGO } else { Timestamp::from_millis(self.millis()) }
    }

    pub(super) fn span(self) -> Span {
        Span::from_millis(self.millis())
    }

    /// Whole seconds, for policy fields.
    #[expect(clippy::cast_possible_truncation, reason = "the vectors hold small whole numbers")]
    pub(super) fn whole(self) -> i32 {
        self.0 as i32
    }

    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
    fn millis(self) -> i64 {
        (self.0 * 1000.0).round() as i64
    }
}

impl From<Timestamp> for Seconds {
    #[expect(clippy::cast_precision_loss, reason = "the vectors' times are small")]
    fn from(timestamp: Timestamp) -> Self {
        if timestamp == LONG_AGO {
            Self(ZERO_TIME)
        } else {
            Self(timestamp.as_millis() as f64 / 1000.0)
        }
    }
}
