//! What is known to go wrong with a deployment of Ray Serve: told where a config meets it,
//! reproduced by the policy.

use trimtab_engine::{Finite, RayServeSpec};

use crate::import::draft::Draft;

/// The defects of Ray Serve that a draft meets.
pub(super) fn defects(draft: &mut Draft<'_>, ray: &RayServeSpec) {
    delays(draft, ray);
    let get = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
    if get(ray.look_back_period_seconds, LOOK_BACK) <= get(ray.metrics_interval_seconds, 10.0) {
        let message = "look_back_period_s has to be more than metrics_interval_s: Ray 2.60 warns, \
                       and will refuse it";
        draft.defect("spec.rayServe.lookBackPeriodSeconds", message);
    }
    if get(ray.downscaling_factor, 1.0) < 1.0 {
        let message = "near its end the way down is one replica at a time, whatever the factor \
                       (ray#46148)";
        draft.defect("spec.rayServe.downscalingFactor", message);
    }
    if get(ray.upscaling_factor, 1.0) < 1.0 {
        let message = "a share of the way up is rounded up to a whole replica, so with few replicas \
                       the factor slows nothing (ray#46148)";
        draft.defect("spec.rayServe.upscalingFactor", message);
    }
    if draft.spec.min_replicas == Some(0) {
        to_zero(draft);
    }
}

const LOOK_BACK: f64 = 30.0;

fn delays(draft: &mut Draft<'_>, ray: &RayServeSpec) {
    let get = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
    let look_back = get(ray.look_back_period_seconds, LOOK_BACK);
    let delays = [
        ("spec.rayServe.upscaleDelaySeconds", get(ray.upscale_delay_seconds, 30.0)),
        ("spec.rayServe.downscaleDelaySeconds", get(ray.downscale_delay_seconds, 600.0)),
    ];
    for (field, delay) in delays {
        if delay < look_back {
            let message = "a delay shorter than look_back_period_s can flap: what is averaged still \
                           holds the load from before the change (ray#26455)";
            draft.defect(field, message);
        }
    }
    if delays.iter().any(|(_, delay)| *delay > 0.0) {
        let message = "when a delay is over the load of that moment decides, not the largest or the \
                       mean since it began: a dip or a peak of one tick sets the count (ray#46497)";
        draft.defect("spec.rayServe", message);
    }
}

fn to_zero(draft: &mut Draft<'_>) {
    draft.defect(
        "spec.minReplicas",
        "from 0 Ray starts upscaling_factor replicas, however many requests wait, and sizes only \
         once one of them runs",
    );
    draft.defect(
        "spec.minReplicas",
        "Ray never goes to 0 at once: it goes to 1, and the delay to 0 begins there",
    );
}
