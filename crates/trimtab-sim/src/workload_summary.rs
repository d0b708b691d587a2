//! How much arrives: one pass over a workload.

use crate::{Request, Workload, WorkloadError, WorkloadSummary};

const NANOS_PER_MINUTE: i64 = 60_000_000_000;
const SECONDS_PER_MINUTE: f64 = 60.0;

/// Reads a workload once and counts.
///
/// Minutes are those of the clock that starts at 0; the busiest one is the peak, over 60 s or the
/// workload's own length if that is less.
///
/// ```
/// use trimtab_sim::{Scenario, summarize};
///
/// let minutes = Scenario::named("steady", 1).unwrap().with_duration_seconds(600.0);
/// let summary = summarize(&minutes)?;
/// assert!((summary.requests as f64 / 600.0 - 40.0).abs() < 2.0);
/// assert!(summary.peak_per_second >= summary.requests as f64 / 600.0);
/// # Ok::<(), trimtab_sim::WorkloadError>(())
/// ```
///
/// # Errors
///
/// What the workload fails with, and that it has no requests.
pub fn summarize(workload: &dyn Workload) -> Result<WorkloadSummary, WorkloadError> {
    summarize_with(workload, &mut |_| {})
}

/// As [`summarize`], and shows every request to `each`.
///
/// # Errors
///
/// As [`summarize`].
pub fn summarize_with(
    workload: &dyn Workload,
    each: &mut dyn FnMut(&Request),
) -> Result<WorkloadSummary, WorkloadError> {
    let mut requests = 0_u64;
    let mut seconds = 0.0;
    let (mut input_tokens, mut output_tokens) = (0_u64, 0_u64);
    let mut minute = 0;
    let (mut in_minute, mut in_peak) = (0_u32, 0_u32);
    for request in workload.requests()? {
        let request = request?;
        each(&request);
        requests += 1;
        seconds = request.arrival.seconds();
        input_tokens += u64::from(request.input_tokens);
        output_tokens += u64::from(request.output_tokens);
        let its_minute = request.arrival.nanos().div_euclid(NANOS_PER_MINUTE);
        if its_minute != minute {
            minute = its_minute;
            in_minute = 0;
        }
        in_minute = in_minute.saturating_add(1);
        in_peak = in_peak.max(in_minute);
    }
    if requests == 0 {
        return Err(WorkloadError::new(workload.name(), "the workload has no requests"));
    }
    let mean = |tokens: u64| tokens as f64 / requests as f64;
    Ok(WorkloadSummary {
        name: workload.name().to_owned(),
        requests,
        seconds,
        mean_input_tokens: mean(input_tokens),
        mean_output_tokens: mean(output_tokens),
        peak_per_second: f64::from(in_peak) / seconds.clamp(1.0, SECONDS_PER_MINUTE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, Requests};

    struct At(Vec<f64>);

    impl Workload for At {
        fn name(&self) -> &str {
            "at"
        }

        fn requests(&self) -> Result<Requests, WorkloadError> {
            let requests: Vec<_> = self
                .0
                .iter()
                .zip(1..)
                .map(|(seconds, n)| {
                    Ok(Request {
                        arrival: Moment::from_seconds(*seconds),
                        input_tokens: n,
                        output_tokens: 10 * n,
                    })
                })
                .collect();
            Ok(Box::new(requests.into_iter()))
        }
    }

    #[test]
    fn counts_by_the_clock() {
        let summary = summarize(&At(vec![1.0, 59.0, 60.0, 61.0, 119.9, 200.0])).unwrap();
        assert_eq!(
            summary,
            WorkloadSummary {
                name: String::from("at"),
                requests: 6,
                seconds: 200.0,
                mean_input_tokens: 3.5,
                mean_output_tokens: 35.0,
                peak_per_second: 3.0 / 60.0,
            }
        );
    }

    #[test]
    fn nothing_is_an_error() {
        let error = summarize(&At(vec![])).unwrap_err();
        assert_eq!(error.to_string(), "at: the workload has no requests");
    }
}
