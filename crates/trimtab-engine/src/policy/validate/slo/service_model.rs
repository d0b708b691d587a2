//! The rules for the service model.

use alloc::format;
use alloc::string::String;

use super::{Errors, Names, Within};
use crate::policy::{Finite, SloCounts, SloObjectivesSpec, SloRole, SloServiceModelSpec, SloSpec};
use crate::strategy::slo::Mix;

pub(super) fn service_model(slo: &SloSpec, names: &Names<'_>, errors: &mut Errors) {
    let Some(spec) = &slo.service_model else { return };
    rate(spec, slo, names, errors);
    for (name, metric) in spec.parts() {
        names.other_than(&spec.rate, metric, format!("{PATH}.{name}"), errors);
    }
    let tokens = [
        ("inputTokens", spec.input_tokens, &spec.input_tokens_metric),
        ("outputTokens", spec.output_tokens, &spec.output_tokens_metric),
    ];
    for (name, constant, metric) in tokens {
        if constant.is_none() && metric.is_none() {
            let detail = format!("is missing: set it, or `{name}Metric`, to the mean of requests");
            errors.required(format!("{PATH}.{name}"), detail);
        }
        let mut within = Within { path: PATH, errors };
        within.number(name, constant, 1.0, MOST_TOKENS);
    }
    coefficients(spec, errors);
    objectives(&spec.objectives, errors);
    within_reach(spec, errors);
}

const PATH: &str = "spec.slo.serviceModel";
/// More than that no service takes for anything.
const MOST_SECONDS: f64 = 1e6;
const MOST_TOKENS: f64 = 1e9;

/// It is about a demand that is a rate.
fn rate(spec: &SloServiceModelSpec, slo: &SloSpec, names: &Names<'_>, errors: &mut Errors) {
    let field = format!("{PATH}.rate");
    if spec.rate.is_empty() {
        let detail = "is missing: set it to the demand in requests per second, by its name";
        errors.required(field, detail);
        return;
    }
    if !names.has(&spec.rate, field.clone(), errors) {
        return;
    }
    let signal = slo.signals.iter().find(|signal| signal.metric == spec.rate);
    if signal.is_some_and(|signal| signal.role != SloRole::Demand) {
        let detail = format!("is `{}`, which is no demand: set it to one", spec.rate);
        errors.invalid(field, detail);
        return;
    }
    let offered = signal.and_then(|signal| signal.offered.as_ref());
    if offered.is_some_and(|offered| offered.counts == SloCounts::InFlight) {
        let detail = format!(
            "is `{}`, which counts `inFlight`: the service model takes `arrivals` or `completions`",
            spec.rate
        );
        errors.invalid(field, detail);
    }
}

fn coefficients(spec: &SloServiceModelSpec, errors: &mut Errors) {
    let required = [
        ("prefillSecondsPerToken", spec.prefill_seconds_per_token, "to read a token of a prompt"),
        ("decodeFixedSeconds", spec.decode_fixed_seconds, "for a decode step"),
    ];
    for (name, given, what) in required {
        if given.is_none() {
            let detail = format!("is missing: set it to the seconds that it takes {what}");
            errors.required(format!("{PATH}.{name}"), detail);
        }
        let seconds = given.map(Finite::get);
        if let Some(seconds) = seconds.filter(|it| *it <= 0.0 || *it > MOST_SECONDS) {
            let detail = format!("is {seconds} and has to be above 0 and at most {MOST_SECONDS}");
            errors.invalid(format!("{PATH}.{name}"), detail);
        }
    }
    let mut within = Within { path: PATH, errors };
    let optional = [
        ("prefillFixedSeconds", spec.prefill_fixed_seconds),
        ("prefillSecondsPerTokenSquared", spec.prefill_seconds_per_token_squared),
        ("decodeSecondsPerSequence", spec.decode_seconds_per_sequence),
        ("decodeSecondsPerContextToken", spec.decode_seconds_per_context_token),
    ];
    for (name, given) in optional {
        within.number(name, given, 0.0, MOST_SECONDS);
    }
    within.whole("maxSequences", spec.max_sequences, 1, i32::MAX);
    within.whole("maxBatchedTokens", spec.max_batched_tokens, 1, i32::MAX);
    within.number("arrivalVariation", spec.arrival_variation, 0.0, f64::MAX);
    within.number("serviceVariation", spec.service_variation, 0.0, f64::MAX);
    within.number("kvCacheTokens", spec.kv_cache_tokens, 1.0, f64::MAX);
}

fn objectives(spec: &SloObjectivesSpec, errors: &mut Errors) {
    if spec.ttft_seconds.is_none() {
        let detail = "is missing: set it to the seconds in which users are to get a first token";
        errors.required(format!("{PATH}.objectives.ttftSeconds"), detail);
    }
    if let Some(quantile) = spec.quantile.filter(|it| !(0.0..1.0).contains(&it.get())) {
        let detail = format!("is {quantile} and has to be at least 0 and below 1");
        errors.invalid(format!("{PATH}.objectives.quantile"), detail);
    }
    let mut within = Within { path: PATH, errors };
    within.above("objectives.ttftSeconds", spec.ttft_seconds, 0.0);
    within.above("objectives.tpotSeconds", spec.tpot_seconds, 0.0);
}

/// An objective that a request misses on an idle replica is missed by any number of them.
fn within_reach(spec: &SloServiceModelSpec, errors: &mut Errors) {
    let (Some(input), Some(output)) = (spec.input_tokens, spec.output_tokens) else { return };
    if spec.prefill_seconds_per_token.is_none() || spec.decode_fixed_seconds.is_none() {
        return;
    }
    let mix = Mix { input: input.get(), output: output.get() };
    let model = spec.model();
    let alone = [
        ("ttftSeconds", spec.objectives.ttft_seconds, model.ttft_alone(mix)),
        ("tpotSeconds", spec.objectives.tpot_seconds, model.tpot_alone(mix)),
    ];
    for (name, given, alone) in alone {
        if given.map(Finite::get).is_some_and(|given| 0.0 < given && given < alone) {
            let detail = format!(
                "is less than the {alone:.4} that a request of `inputTokens` and `outputTokens` takes \
                 on an idle replica, so no number of them meets it"
            );
            errors.invalid(String::from(PATH) + ".objectives." + name, detail);
        }
    }
}
