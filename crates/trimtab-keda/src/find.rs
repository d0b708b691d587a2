//! Which workload does a ScaledObject mean?

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::Status;
use trimtab_runtime::WorkloadId;

use crate::Answers;
use crate::answers::Entry;
use crate::proto::ScaledObjectRef;

/// Names the workload.
const WORKLOAD: &str = "workload";
/// Names its policy.
const POLICY: &str = "policy";
/// What a trigger's field ends in that names a variable of the scaled container. KEDA hands its value over under that name.
const FROM_ENV: &str = "FromEnv";
/// So many names are enough to see what is meant.
const MOST_NAMES: usize = 10;

/// The workload that `object` asks for: by `workload` of its trigger's metadata, by `policy`, else by its own name.
pub(crate) fn find(
    answers: &Answers,
    object: Option<&ScaledObjectRef>,
) -> Result<Arc<Entry>, Status> {
    let Some(object) = object else {
        return Err(Status::invalid_argument("`scaledObjectRef` is missing: say who asks"));
    };
    misspelled(object)?;
    let own = format!("{}/{}", object.namespace, object.name);
    let value = |key: &str| {
        let plain = object.scaler_metadata.get(key);
        let value = plain.or_else(|| object.scaler_metadata.get(&format!("{key}{FROM_ENV}")));
        value.map(|value| value.trim())
    };
    let entry = match (value(WORKLOAD), value(POLICY)) {
        (Some(workload), policy) => {
            let entry = by_workload(answers, workload)?;
            agree(&entry, policy)?;
            entry
        }
        (None, Some(policy)) => by_policy(answers, policy)?,
        (None, None) => by_own_name(answers, &own)?,
    };
    match &entry.registration.scaled_object {
        Some(only) if *only != own => Err(Status::permission_denied(format!(
            "workload `{}` is only for the ScaledObject `{only}`, and `{own}` asks: ask for another, or change \
             `scaledObject` of its target",
            entry.registration.workload
        ))),
        _ => Ok(entry),
    }
}

fn by_workload(answers: &Answers, name: &str) -> Result<Arc<Entry>, Status> {
    let id: WorkloadId = name.parse().map_err(|error| {
        Status::invalid_argument(format!("`{WORKLOAD}` of the trigger: {error}"))
    })?;
    answers.get(&id).ok_or_else(|| {
        Status::not_found(format!("there is no workload `{id}`: {}", workloads(answers)))
    })
}

fn by_policy(answers: &Answers, name: &str) -> Result<Arc<Entry>, Status> {
    let all = answers.all();
    let is_meant = |entry: &&Arc<Entry>| entry.registration.policy.as_deref() == Some(name);
    let mut meant: Vec<&Arc<Entry>> = all.iter().filter(is_meant).collect();
    match (meant.pop(), meant.len()) {
        (Some(entry), 0) => Ok(Arc::clone(entry)),
        (Some(_), others) => Err(Status::invalid_argument(format!(
            "policy `{name}` decides for {} workloads: say which by `{WORKLOAD}`",
            others + 1
        ))),
        (None, _) => {
            let policies = all.iter().filter_map(|entry| entry.registration.policy.as_deref());
            let policies: BTreeSet<&str> = policies.collect();
            let known = names("policies", policies.into_iter());
            Err(Status::not_found(format!("there is no policy `{name}`: {known}")))
        }
    }
}

fn by_own_name(answers: &Answers, own: &str) -> Result<Arc<Entry>, Status> {
    let known = own.parse().ok().and_then(|id| answers.get(&id));
    let for_it = || {
        let all = answers.all();
        all.into_iter().find(|entry| entry.registration.scaled_object.as_deref() == Some(own))
    };
    known.or_else(for_it).ok_or_else(|| {
        Status::invalid_argument(format!(
            "the trigger does not say which workload it is for, and none is called `{own}`: set \
             `metadata.{WORKLOAD}` or `metadata.{POLICY}`; {}",
            workloads(answers)
        ))
    })
}

/// Where a trigger names both, they have to belong together.
fn agree(entry: &Entry, policy: Option<&str>) -> Result<(), Status> {
    let (Some(policy), Some(its)) = (policy, entry.registration.policy.as_deref()) else {
        return Ok(());
    };
    if policy == its {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "policy `{its}` decides for workload `{}`, not `{policy}`: leave one of `{WORKLOAD}` and `{POLICY}` out",
        entry.registration.workload
    )))
}

/// KEDA hands over the whole metadata, its own fields too; what is nearly one of ours is meant to be.
fn misspelled(object: &ScaledObjectRef) -> Result<(), Status> {
    for key in object.scaler_metadata.keys() {
        for ours in [WORKLOAD, POLICY] {
            if key != ours && is_near(key, ours) {
                return Err(Status::invalid_argument(format!(
                    "the trigger's `{key}` is unknown: did you mean `{ours}`?"
                )));
            }
        }
    }
    Ok(())
}

/// The same but for case, a plural, or one letter that is wrong, missing or too many.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let same = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let head = same(&one, &other);
    let rest = |text: &str| text.len().saturating_sub(head);
    let tail = {
        let mut pairs = one.bytes().rev().zip(other.bytes().rev());
        let room = rest(&one).min(rest(&other));
        pairs.by_ref().take(room).take_while(|(a, b)| a == b).count()
    };
    rest(&one).saturating_sub(tail) <= 1 && rest(&other).saturating_sub(tail) <= 1
}

fn workloads(answers: &Answers) -> String {
    let all = answers.all();
    names("workloads", all.iter().map(|entry| entry.registration.workload.as_str()))
}

fn names<'a>(what: &str, all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = all.map(|name| format!("`{name}`")).collect();
    let (shown, more) = all.split_at(all.len().min(MOST_NAMES));
    match (shown, more.len()) {
        ([], _) => format!("there are no {what}"),
        (shown, 0) => format!("{what} are {}", shown.join(", ")),
        (shown, more) => format!("{what} are {} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn what_is_near() {
        for near in ["Workload", "workloads", "worklod", "wokload", "workloat", "work_load"] {
            assert!(is_near(near, "workload"), "{near}");
        }
        for far in ["scalerAddress", "load", "workload_name", "tlsCertFile", ""] {
            assert!(!is_near(far, "workload"), "{far}");
        }
    }
}
