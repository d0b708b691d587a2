//! What users were promised: a share of requests within a latency.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A latency of a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// Time to first token: from arrival to the first output token.
    Ttft,
    /// Time per output token: from the first token to the last, divided by the tokens after the
    /// first. A request with one output token has none and meets every such objective.
    Tpot,
    /// From arrival to the last token.
    E2e,
}

/// An objective: a share of all requests has a latency of at most so many seconds. A request that
/// was rejected or cut misses every objective.
///
/// ```
/// use trimtab_sim::{Measure, Objective};
///
/// let objective: Objective = "ttft<=2s@99%".parse()?;
/// assert_eq!(objective, Objective { measure: Measure::Ttft, seconds: 2.0, share: 0.99 });
/// assert_eq!(objective.to_string(), "ttft<=2s@99%");
/// assert_eq!("tpot<=50ms".parse::<Objective>()?.share, 0.99);
/// # Ok::<(), trimtab_sim::ParseObjectiveError>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objective {
    /// Which latency.
    pub measure: Measure,
    /// At most this long.
    pub seconds: f64,
    /// For at least this share of the requests, in (0, 1].
    #[serde(default = "ninety_nine")]
    pub share: f64,
}

/// The text is not an objective.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not an objective: write it as `ttft<=2s@99%`, `tpot<=50ms` or `e2e<=30s@95%`")]
pub struct ParseObjectiveError {
    text: String,
}

const fn ninety_nine() -> f64 {
    0.99
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::E2e => "e2e",
        })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<=", self.measure)?;
        if self.seconds < 1.0 {
            write!(f, "{}ms", tidy(self.seconds * 1e3))?;
        } else {
            write!(f, "{}s", tidy(self.seconds))?;
        }
        write!(f, "@{}%", tidy(self.share * 100.0))
    }
}

/// Without the noise that a multiplication leaves in the last digits.
fn tidy(value: f64) -> f64 {
    libm::rint(value * 1e6) / 1e6
}

impl FromStr for Objective {
    type Err = ParseObjectiveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseObjectiveError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Objective> {
    let (measure, rest) = text.split_once("<=")?;
    let measure = match measure.trim() {
        "ttft" => Measure::Ttft,
        "tpot" => Measure::Tpot,
        "e2e" => Measure::E2e,
        _ => return None,
    };
    let (latency, share) = rest.split_once('@').map_or((rest, "99%"), |(a, b)| (a, b));
    let latency = latency.trim();
    let seconds = if let Some(millis) = latency.strip_suffix("ms") {
        millis.parse::<f64>().ok()? / 1e3
    } else {
        latency.strip_suffix('s')?.parse().ok()?
    };
    let share = share.trim().strip_suffix('%')?.parse::<f64>().ok()? / 100.0;
    let sound = seconds.is_finite() && seconds > 0.0 && share > 0.0 && share <= 1.0;
    sound.then_some(Objective { measure, seconds, share })
}
