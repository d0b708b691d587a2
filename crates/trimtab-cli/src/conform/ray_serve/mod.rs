//! Family `ray_serve`: a deployment's autoscaling over many ticks, from what its handles and
//! replicas report to the decision.

mod deciding;
mod form;

use std::collections::BTreeSet;

use trimtab_engine::strategy::ray_serve::{
    Capacity, HandleReport, Limits, Load, Parameters, Replicas, Reports, Streak, propose,
};

use super::case::Checks;
use deciding::Deployment;
pub(super) use form::Case;
use form::{Config, Input, Mode, Report};

/// How often sources report, in seconds: the vectors leave Ray's default.
const METRICS_INTERVAL: f64 = 10.0;

/// How far a total may be off, relative to the recorded one.
const TOLERANCE: f64 = 1e-6;

pub(super) fn check(case: &Case, checks: &mut Checks) -> Result<(), String> {
    let config = &case.config;
    let parameters = parameters(config, case.gang_size);
    let capacity =
        Capacity { percentage: case.target_capacity, direction: case.target_capacity_direction() };
    let limits =
        Limits::new(config.min_replicas, config.max_replicas, config.initial_replicas, capacity);
    let registered = limits.register(case.target_before_register);
    checks.equal("target_after_register", &case.target_after_register, &registered);

    let mut deployment = match case.mode {
        Mode::Direct | Mode::Reports => Some(Deployment::new(case, checks)?),
        Mode::Custom => None,
    };
    let mut reports = Reports::new(METRICS_INTERVAL);
    let mut streak = Streak::default();
    for (index, step) in case.steps.iter().enumerate() {
        let field = |name: &str| format!("steps[{index}].{name}");
        let (input, expected) = (&step.input, &step.out);
        for report in &input.reports {
            record(&mut reports, report, input.t);
        }
        let total = total(case.mode, config, input, &mut reports)
            .ok_or_else(|| format!("{} has no requests", field("in")))?;
        if !near(total, expected.total) {
            checks.equal(field("total"), &expected.total, &total);
        }
        // What follows is exact, and so starts from the recorded total.
        let load = match (case.mode, input.policy_desired) {
            (Mode::Custom, Some(desired)) => Load::Custom { desired, requests: expected.total },
            (Mode::Custom, None) => return Err(format!("{} has no count", field("in"))),
            (Mode::Direct | Mode::Reports, _) => Load::Requests(expected.total),
        };
        let replicas = Replicas { running: input.running, target: input.target };
        let (proposal, after) = propose(&parameters, replicas, load, input.t, streak);
        streak = after;
        let since = streak.since.map(trimtab_engine::Finite::get);
        checks.equal(field("raw"), &expected.raw, &proposal.replicas);
        checks.equal(field("decision"), &expected.decision, &limits.bound(proposal.replicas));
        checks.equal(field("counter"), &expected.counter, &streak.counter);
        checks.equal(field("since"), &expected.since, &since);
        if let Some(deployment) = &mut deployment {
            let reports = Some(&mut reports).filter(|_| matches!(case.mode, Mode::Reports));
            deployment.tick(input, expected, reports, field, checks)?;
        }
    }
    Ok(())
}

fn parameters(config: &Config, gang_size: i32) -> Parameters {
    Parameters {
        target_ongoing_requests: config.target_ongoing_requests,
        upscaling_factor: config.upscaling_factor.unwrap_or(1.0),
        downscaling_factor: config.downscaling_factor.unwrap_or(1.0),
        upscale_delay: config.upscale_delay_s,
        downscale_delay: config.downscale_delay_s,
        downscale_to_zero_delay: config
            .downscale_to_zero_delay_s
            .unwrap_or(config.downscale_delay_s),
        gang_size,
        min_replicas: config.min_replicas,
    }
}

/// The ongoing requests: given, or aggregated from the reports.
fn total(mode: Mode, config: &Config, input: &Input, reports: &mut Reports) -> Option<f64> {
    match mode {
        Mode::Direct | Mode::Custom => input.total_requests,
        Mode::Reports => {
            let running: BTreeSet<&str> = input.running_ids.iter().map(String::as_str).collect();
            Some(reports.total(input.t, &running, config.aggregation_function))
        }
    }
}

fn record(reports: &mut Reports, report: &Report, received_at: f64) {
    match report {
        Report::Handle { id, t, queued, running } => {
            let running =
                running.iter().map(|(id, series)| (id.clone(), series.samples())).collect();
            let report = HandleReport { at: *t, queued: queued.samples(), running };
            reports.record_handle(id, report, received_at);
        }
        Report::Replica { id, t, running } => reports.record_replica(id, *t, running.samples()),
    }
}

fn near(got: f64, expected: f64) -> bool {
    (got - expected).abs() <= TOLERANCE * expected.abs()
}
