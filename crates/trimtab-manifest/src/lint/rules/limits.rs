//! Targets of Knative and Ray Serve beside what one replica takes at all.

use crate::lint::autoscaler::{Autoscaler, Form};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::node::shortened;

pub(super) static RULES: &[&Rule] =
    &[&KNATIVE_TARGET_ABOVE_LIMIT, &RAY_TARGET_ABOVE_LIMIT, &RAY_NEVER_SCALES];

static KNATIVE_TARGET_ABOVE_LIMIT: Rule = Rule {
    id: "knative-target-above-limit",
    severity: Severity::Warning,
    summary: "a concurrency target above the hard limit of the containers",
    why: "a replica never has more requests at once than `containerConcurrency`, and Knative takes that \
          for the target where it is less: the target that is written counts for nothing",
    fix: "Set the target to `containerConcurrency` or below; `target-utilization-percentage` keeps the \
          distance between the two.",
    check: knative_target_above_limit,
};

fn knative_target_above_limit(set: &Set<'_>, findings: &mut Findings<'_>) {
    let forms = [Form::Knative, Form::KServe];
    for autoscaler in set.autoscalers().iter().filter(|one| forms.contains(&one.form)) {
        let by_rate = autoscaler.signals.iter().any(|signal| {
            signal.name.and_then(|name| name.text()).is_some_and(|name| name != "concurrency")
        });
        let limit = autoscaler.spec.get("containerConcurrency");
        let target = autoscaler.signals.first().and_then(|signal| signal.aim);
        let (Some(limit), Some((_, target)), false) = (limit, target, by_rate) else { continue };
        let (Some(most), Some(aim)) = (limit.number(), target.number()) else { continue };
        // 0 is no limit.
        if most > 0.0 && aim > most {
            let message = format!("a target of {aim} requests, and a replica takes {most} at most");
            findings
                .add(&KNATIVE_TARGET_ABOVE_LIMIT, target, message)
                .related(limit, "the hard limit")
                .help(format!("write `\"{most}\"`"));
        }
    }
}

static RAY_TARGET_ABOVE_LIMIT: Rule = Rule {
    id: "ray-target-above-limit",
    severity: Severity::Warning,
    summary: "more ongoing requests per replica than a replica may have",
    why: "a replica of Ray Serve takes `max_ongoing_requests` at once, 5 by default, and the rest waits: \
          with a target above that, replicas are full and a queue stands before anything is started",
    fix: "Set `max_ongoing_requests` well above `target_ongoing_requests`: half as much again, or twice.",
    check: ray_target_above_limit,
};

/// Ray Serve's default of `max_ongoing_requests`.
const RAY_MOST: f64 = 5.0;
/// As much as never comes: Ray Serve LLM takes 1e9 where there is no target.
const NEVER: f64 = 1e6;

fn ray_target_above_limit(set: &Set<'_>, findings: &mut Findings<'_>) {
    for (autoscaler, target) in ray_targets(set) {
        let Some(aim) = target.number().filter(|aim| *aim < NEVER) else { continue };
        let field = autoscaler.spec.get("max_ongoing_requests");
        let most = match field {
            Some(field) => field.number(),
            // Ray Serve LLM has no such limit by default.
            None => (!is_llm(autoscaler)).then_some(RAY_MOST),
        };
        let Some(most) = most.filter(|most| *most > 0.0 && aim > *most) else { continue };
        let message = format!("a target of {aim} requests, and a replica takes {most} at most");
        let help = format!(
            "write `max_ongoing_requests: {:.0}` beside `autoscaling_config`",
            (aim * 2.0).ceil()
        );
        let added = findings.add(&RAY_TARGET_ABOVE_LIMIT, target, message).help(help);
        if let Some(field) = field {
            added.related(field, "the hard limit");
        }
    }
}

fn ray_targets<'a, 'n>(
    set: &'a Set<'n>,
) -> impl Iterator<Item = (&'a Autoscaler<'n>, Field<'n>)> + use<'a, 'n> {
    let of_ray = set.autoscalers().iter().filter(|one| one.form == Form::RayServe);
    of_ray.filter_map(|one| Some((one, one.signals.first()?.aim?.1)))
}

/// Whether a deployment is one of Ray Serve LLM, whose settings stand below `llm_configs`.
fn is_llm(autoscaler: &Autoscaler<'_>) -> bool {
    autoscaler.spec.get("name").is_none()
}

static RAY_NEVER_SCALES: Rule = Rule {
    id: "ray-never-scales",
    severity: Severity::Error,
    summary: "a target of ongoing requests that no replica ever has",
    why: "where there is no target, Ray Serve LLM takes 1e9 ongoing requests per replica, so the \
          deployment stays at its fewest replicas whatever the load (Ray 2.60)",
    fix: "Set `target_ongoing_requests` to what one replica should have at once.",
    check: ray_never_scales,
};

fn ray_never_scales(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers().iter().filter(|one| one.form == Form::RayServe) {
        // Between equal bounds nothing scales whatever the target, and another rule says so.
        if autoscaler.min.value.is_some() && autoscaler.min.value == autoscaler.max.value {
            continue;
        }
        let aim = autoscaler.signals.first().and_then(|signal| signal.aim);
        let old = autoscaler.spec.at("autoscaling_config.target_num_ongoing_requests_per_replica");
        let (at, message) = match aim {
            Some((_, field)) if field.number().is_some_and(|aim| aim >= NEVER) => {
                let written = shortened(field.text().unwrap_or_default());
                (field, format!("no replica ever has `{written}` requests at once"))
            }
            None if is_llm(autoscaler) && old.is_none() => {
                let config = autoscaler.spec.key_of("autoscaling_config");
                let message = "there is no `target_ongoing_requests`, and Ray Serve LLM takes 1e9";
                (config.unwrap_or(autoscaler.spec), String::from(message))
            }
            _ => continue,
        };
        findings
            .add(&RAY_NEVER_SCALES, at, message)
            .help("write `target_ongoing_requests: 32` below `autoscaling_config`");
    }
}
