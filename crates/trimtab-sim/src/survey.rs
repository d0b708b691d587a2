//! A look at the whole workload before anything runs: what arrives, what it takes at least, and
//! whether the objectives can be met at all.

use thiserror::Error;

use crate::bound::{BoundBuilder, Overlap};
use crate::{
    Objective, Server, ServiceProfile, Workload, WorkloadError, WorkloadSummary, summarize_with,
};

/// What a survey found.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What arrives.
    pub summary: WorkloadSummary,
    /// The work of all requests.
    pub work: BoundBuilder,
}

impl Survey {
    /// Replicas that the work of the first five minutes keeps busy.
    pub fn need_at_start(&self) -> f64 {
        let step = self.summary.seconds.clamp(BIN_SECONDS, FIRST_SECONDS);
        self.work.need(step).first().copied().unwrap_or(0.0)
    }

    /// Requests that may miss an objective of this share while it is met.
    pub(crate) fn may_miss(&self, share: f64) -> u64 {
        let requests = self.summary.requests;
        requests.saturating_sub(least_count(share, requests))
    }
}

/// Why a workload can't be served.
#[derive(Clone, Debug, Error)]
pub enum SurveyError {
    /// The workload is at fault.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// No policy could meet an objective with this profile.
    #[error(
        "`{profile}` can't meet `{objective}` on `{workload}`, whatever the policy: even alone on an idle \
         replica, only {possible} of {requests} requests would be fast enough, and {wanted} have to be"
    )]
    Impossible {
        /// The profile.
        profile: String,
        /// The workload.
        workload: String,
        /// The objective.
        objective: Objective,
        /// Requests that could meet it.
        possible: u64,
        /// Requests that have to meet it.
        wanted: u64,
        /// All requests.
        requests: u64,
    },
}

/// How long the bins of the bound are: fine enough for any start, small enough for weeks.
pub(crate) const BIN_SECONDS: f64 = 5.0;

/// What counts as the start.
const FIRST_SECONDS: f64 = 300.0;

/// Reads the workload once.
///
/// # Errors
///
/// What is wrong with the workload, or that an objective can't be met.
///
/// ```
/// use trimtab_sim::{Scenario, ServiceProfile, SurveyError, survey};
///
/// let minutes = Scenario::named("steady", 1).unwrap().with_duration_seconds(600.0);
/// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
/// assert!(survey(&minutes, &profile, &["ttft<=2s".parse()?]).is_ok());
/// let error = survey(&minutes, &profile, &["ttft<=10ms".parse()?]).unwrap_err();
/// assert!(matches!(error, SurveyError::Impossible { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn survey(
    workload: &dyn Workload,
    profile: &ServiceProfile,
    objectives: &[Objective],
) -> Result<Survey, SurveyError> {
    let mut work = BoundBuilder::new(profile, objectives, Overlap::None, BIN_SECONDS);
    let mut possible = vec![0_u64; objectives.len()];
    let summary = summarize_with(workload, &mut |request| {
        work.add(request);
        if !Server::fits(profile, request) {
            return;
        }
        let alone = profile.alone(request);
        for (objective, possible) in objectives.iter().zip(&mut possible) {
            *possible += u64::from(alone.of(objective.measure) <= objective.seconds);
        }
    })?;
    for (objective, possible) in objectives.iter().zip(possible) {
        let wanted = least_count(objective.share, summary.requests);
        if possible < wanted {
            return Err(SurveyError::Impossible {
                profile: profile.name.clone(),
                workload: summary.name,
                objective: *objective,
                possible,
                wanted,
                requests: summary.requests,
            });
        }
    }
    Ok(Survey { summary, work })
}

/// The least number of `requests` that makes at least this share of them.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares are in (0, 1], counts below 2^53"
)]
fn least_count(share: f64, requests: u64) -> u64 {
    // A share such as 0.99 is a little more or less than the decimal that was meant.
    libm::ceil(share * requests as f64 - 1e-6) as u64
}
