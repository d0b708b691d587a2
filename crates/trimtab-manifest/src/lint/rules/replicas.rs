//! How many replicas there may be.

use crate::lint::autoscaler::{Autoscaler, Bound, Form};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] =
    &[&TOO_FEW_REPLICAS, &SCALE_TO_ZERO_TOO_SLOW, &NOTHING_TO_SCALE];

static TOO_FEW_REPLICAS: Rule = Rule {
    id: "too-few-replicas",
    severity: Severity::Warning,
    summary: "a service that has to stay up, with fewer than two replicas at least",
    why: "with one replica the loss of its node, a drain or a crash is an outage for as long as a start \
          takes, which for a model is minutes. That a service is critical is known by \
          `trimtab.dev/critical: \"true\"`, a PriorityClass above 0 or called high or critical, or a \
          PodDisruptionBudget that selects its pods; of a model server of which none of that is known it \
          is a note",
    fix: "Set the minimum to 2 or more; or say `trimtab.dev/critical: \"false\"`.",
    check: too_few_replicas,
};

fn too_few_replicas(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let Some(least) = fewest(autoscaler).value.filter(|least| *least < 2) else { continue };
        // A maximum of 1 is a decision, and another rule's matter.
        if autoscaler.max.value.is_some_and(|most| most < 2) {
            continue;
        }
        let critical = autoscaler.critical(set);
        let denied = autoscaler.annotation(crate::lint::autoscaler::CRITICAL).is_some();
        // Going to zero is a decision, and so is KEDA, Knative or Ray for bursts.
        let steady = matches!(autoscaler.form, Form::Hpa | Form::ScalingPolicy)
            && matches!(autoscaler.strategy(), "hpa" | "slo");
        let worth_a_note = steady && least == 1 && !denied && autoscaler.serves_model();
        if critical.is_none() && !worth_a_note {
            continue;
        }
        let replicas = if least == 1 { "one replica" } else { "no replica" };
        let message = match critical {
            Some(_) => format!("a critical service may be left with {replicas}"),
            None => format!("a model server may be left with {replicas}, and loads for minutes"),
        };
        let field = match autoscaler.form {
            Form::ScaledObject => "minReplicaCount: 2",
            Form::Knative => "autoscaling.knative.dev/min-scale: \"2\"",
            Form::RayServe => "min_replicas: 2",
            Form::Hpa | Form::ScalingPolicy | Form::KServe => "minReplicas: 2",
        };
        let added = findings
            .add(&TOO_FEW_REPLICAS, at_fewest(autoscaler), message)
            .help(format!("write `{field}`"));
        match critical {
            Some(why) => {
                added.related(why, "that makes it critical");
            }
            None => {
                added.severity(Severity::Note);
            }
        }
    }
}

static SCALE_TO_ZERO_TOO_SLOW: Rule = Rule {
    id: "scale-to-zero-too-slow",
    severity: Severity::Warning,
    summary: "a service that goes to zero and takes longer to start than it may take to answer",
    why: "whoever comes first after a pause waits for a whole start: a node perhaps, the image, the \
          weights, the engine's warm-up (60 to 300 s, each of these longer than any time to a first token \
          that users accept)",
    fix: "Keep one replica at least, or a warm pool; or promise less while it is cold.",
    check: scale_to_zero_too_slow,
};

fn scale_to_zero_too_slow(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        if !goes_to_zero(autoscaler) || autoscaler.critical(set).is_some() {
            continue;
        }
        let (Some(lead), Some(objective)) = (autoscaler.least_lead_time(), autoscaler.objective())
        else {
            continue;
        };
        if lead.seconds <= objective.seconds || objective.seconds <= 0.0 {
            continue;
        }
        let message = format!(
            "at zero the first answer takes {}{} s, and {} s are promised",
            if lead.field.is_some() { "" } else { "at least " },
            lead.seconds,
            objective.seconds
        );
        let added = findings
            .add(&SCALE_TO_ZERO_TOO_SLOW, at_fewest(autoscaler), message)
            .help("keep one replica at least");
        if let Some(field) = objective.field {
            added.related(field, "what is promised");
        }
    }
}

fn goes_to_zero(autoscaler: &Autoscaler<'_>) -> bool {
    // What stands by answers at once.
    let warm = autoscaler.spec.get("warmPool").is_some();
    fewest(autoscaler).value == Some(0) && !warm
}

/// The fewest replicas that there ever are: those of KEDA without any activity, else the minimum.
fn fewest<'n>(autoscaler: &Autoscaler<'n>) -> Bound<'n> {
    let idle =
        autoscaler.spec.get("idleReplicaCount").filter(|_| autoscaler.form == Form::ScaledObject);
    match idle.and_then(|field| Some((field.int()?, field))) {
        Some((value, field)) => Bound { value: Some(value), field: Some(field) },
        None => autoscaler.min,
    }
}

/// Where that is written, or would be.
fn at_fewest<'n>(autoscaler: &Autoscaler<'n>) -> Field<'n> {
    fewest(autoscaler).field.unwrap_or(autoscaler.at_min())
}

static NOTHING_TO_SCALE: Rule = Rule {
    id: "nothing-to-scale",
    severity: Severity::Warning,
    summary: "as many replicas at most as at least",
    why: "an autoscaler between two equal bounds only holds the count: load that exceeds it is never \
          answered, whatever the metrics say",
    fix: "Raise the maximum to what nodes and budget allow, or set the count on the workload instead.",
    check: nothing_to_scale,
};

fn nothing_to_scale(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        // Its bounds change with the time.
        if autoscaler.spec.get("schedules").is_some() {
            continue;
        }
        let (Some(least), Some(most)) = (autoscaler.min.value, autoscaler.max.value) else {
            continue;
        };
        // Without a maximum Ray takes 1, and that is likely not meant.
        let written = autoscaler.max.field.is_some() || autoscaler.form == Form::RayServe;
        if most < least || most != least || !written {
            continue;
        }
        let at = autoscaler.max.field.unwrap_or(
            autoscaler.spec.key_of("autoscaling_config").unwrap_or(autoscaler.document.heading()),
        );
        let message = format!("between {least} and {most} replicas there is nothing to decide");
        let added = findings.add(&NOTHING_TO_SCALE, at, message);
        let added = match autoscaler.form {
            Form::RayServe if autoscaler.max.field.is_none() => {
                added.help("without `max_replicas` Ray takes 1; write how many there may be")
            }
            _ => added.help(format!("write at least {}", most.saturating_mul(2).max(2))),
        };
        if let Some(field) = autoscaler.min.field {
            added.related(field, "the minimum");
        }
    }
}
