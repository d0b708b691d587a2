//! Is what a policy says of its warm pool's replicas right?

use trimtab_engine::{CrossVersionObjectReference, FieldError, FieldErrorKind, PolicySpec};

use crate::host::{StandbySpec, forbidden, invalid};
use crate::sleep::SleepSpec;

/// Kinds whose replicas leave from the top, wherever those are that sleep.
const KEPT: [&str; 2] = ["StatefulSet", "LeaderWorkerSet"];

pub(crate) fn check(standby: &StandbySpec, policy: &PolicySpec, errors: &mut Vec<FieldError>) {
    if policy.warm_pool.is_none() {
        let detail =
            "is for `warmPool`, without which nothing stands by: set that, or leave it out";
        errors.push(forbidden("spec.standby", detail));
    }
    match standby {
        StandbySpec::ScaleTargetRef(reference) => workload(reference, policy, errors),
        StandbySpec::Sleep(spec) => sleep(spec, policy, errors),
    }
}

fn sleep(spec: &SleepSpec, policy: &PolicySpec, errors: &mut Vec<FieldError>) {
    if policy.retire.is_none() {
        let detail = "needs `retire`, without which a pod would be put to sleep in the middle of its \
                      work: set that, too";
        errors.push(invalid("spec.standby.sleep", detail));
    }
    let kind = &policy.scale_target_ref.kind;
    if KEPT.contains(&kind.as_str()) {
        let detail = format!(
            "is for replicas that leave in any order, and those of a {kind} leave from the top: scale a \
             Deployment, or let another workload stand by with `scaleTargetRef`"
        );
        errors.push(forbidden("spec.standby.sleep", detail));
    }
    errors.extend(spec.check("spec.standby.sleep"));
}

fn workload(
    reference: &CrossVersionObjectReference,
    policy: &PolicySpec,
    errors: &mut Vec<FieldError>,
) {
    let path = "spec.standby.scaleTargetRef";
    let names = [("kind", &reference.kind, "such as `Deployment`"), ("name", &reference.name, "")];
    for (field, name, example) in names {
        if name.is_empty() {
            let detail =
                format!("is missing: set it to the {field} of the pool's workload {example}");
            let field = format!("{path}.{field}");
            errors.push(FieldError::new(field, FieldErrorKind::Required, detail.trim_end()));
        } else if name.contains(['/', '%']) || name == "." || name == ".." {
            let detail =
                format!("is `{name}`: names stand in URL paths and cannot contain `/` or `%`");
            errors.push(invalid(format!("{path}.{field}"), detail));
        }
    }
    let group = reference.api_version.split_once('/').map(|(group, _)| group);
    if group.is_none_or(str::is_empty) && reference.kind != "ReplicationController" {
        let detail = format!(
            "is `{}`: it has to name the API group too, such as `apps/v1` for a Deployment",
            reference.api_version
        );
        errors.push(invalid(format!("{path}.apiVersion"), detail));
    }
    if *reference == policy.scale_target_ref {
        let detail = "is the workload that is scaled: what stands by is a workload of its own";
        errors.push(invalid(path, detail));
    }
}
