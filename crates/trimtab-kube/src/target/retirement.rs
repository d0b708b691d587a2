//! How is a pod told to take no new work, and how does it go before the others?

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::{PartialObjectMeta, Request};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trimtab_metric::Timestamp;
use trimtab_runtime::TargetError;

use super::call::{Failure, call};
use super::scale::is_name;
use crate::cluster::{DRAINING, DRAINING_SINCE, SLEPT_AT, STANDBY};

/// The annotation by which a ReplicaSet chooses who goes: the least first.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The annotation with what labels were before the pod drained.
const LABELS_BEFORE: &str = "trimtab.dev/labels-before-draining";
/// Those that drain go before those that serve, whoever lowers the count.
const COST_OF_DRAINING: i32 = -1_000_000;
/// Those that stand by go before those that may still have sessions.
const COST_OF_STANDBY: i32 = -1_500_000;
/// Those that are to go now go before all others.
pub(super) const COST_OF_GOING: i32 = i32::MIN;
/// So many pods are patched at a time.
const AT_ONCE: usize = 8;

/// How pods are marked that drain, beside the label `trimtab.dev/draining` and the annotation
/// `trimtab.dev/draining-since`.
///
/// A Service selects pods whose labels *equal* what it asks for, and can't ask for a label that is
/// absent. So for a Service a label changes its value: with `trimtab.dev/serving: "true"` in the
/// pod template and in the Service's selector (not in the workload's own), `podLabels:
/// {trimtab.dev/serving: "false"}` takes a pod out of the Service, and it comes back with the value
/// that it had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetirementSpec {
    /// Labels that a pod has while it drains, in place of those that it had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
}

/// What becomes of a pod.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It takes no new work.
    Drains,
    /// It goes before all others.
    Goes,
    /// It takes work as before.
    Serves,
    /// It takes no work, and stands by.
    Stands(Stand),
    /// It takes work, and stands by no more.
    Promoted,
}

/// How a pod stands by.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It was asked for, for the pool.
    Claimed,
    /// It has no work any more.
    Idle,
    /// It is about to be told to sleep, after so many restarts.
    Dozes(u32),
    /// It sleeps, after so many restarts.
    Asleep(u32),
    /// It is to serve as soon as it is awake.
    Wakes,
}

impl Stand {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Idle | Self::Dozes(_) => "idle",
            Self::Asleep(_) => "asleep",
            Self::Wakes => "waking",
        }
    }
}

impl RetirementSpec {
    /// The change of a pod's metadata, which is now `seen` as far as labels of ours are concerned.
    /// To do it again changes nothing but the time.
    fn patch(&self, mark: Mark, seen: &Seen, now: Timestamp) -> Value {
        let mut labels = Map::new();
        let mut annotations = Map::new();
        match mark {
            Mark::Drains | Mark::Goes | Mark::Stands(_) => {
                labels.insert(DRAINING.into(), "true".into());
                labels.extend(
                    self.pod_labels.iter().map(|(key, value)| (key.clone(), value.clone().into())),
                );
                let cost = match mark {
                    Mark::Goes => COST_OF_GOING,
                    Mark::Stands(_) => COST_OF_STANDBY,
                    _ => COST_OF_DRAINING,
                };
                annotations.insert(DELETION_COST.into(), cost.to_string().into());
                if let Mark::Stands(stand) = mark {
                    labels.insert(STANDBY.into(), stand.word().into());
                    if let Stand::Dozes(restarts) | Stand::Asleep(restarts) = stand {
                        annotations.insert(SLEPT_AT.into(), restarts.to_string().into());
                    }
                }
                if matches!(mark, Mark::Drains | Mark::Stands(Stand::Claimed)) {
                    annotations.insert(DRAINING_SINCE.into(), now.to_string().into());
                }
                if !self.pod_labels.is_empty() && seen.before.is_none() {
                    let before: Map<String, Value> = self
                        .pod_labels
                        .keys()
                        .map(|key| (key.clone(), seen.labels.get(key).cloned().into()))
                        .collect();
                    annotations
                        .insert(LABELS_BEFORE.into(), Value::Object(before).to_string().into());
                }
            }
            Mark::Serves | Mark::Promoted => {
                labels.insert(DRAINING.into(), Value::Null);
                match &seen.before {
                    Some(before) => labels.extend(before.clone()),
                    None => {
                        labels.extend(self.pod_labels.keys().map(|key| (key.clone(), Value::Null)))
                    }
                }
                for key in [DRAINING_SINCE, DELETION_COST, LABELS_BEFORE] {
                    annotations.insert(key.into(), Value::Null);
                }
                if mark == Mark::Promoted {
                    labels.insert(STANDBY.into(), Value::Null);
                    annotations.insert(SLEPT_AT.into(), Value::Null);
                }
            }
        }
        json!({"metadata": {"labels": labels, "annotations": annotations}})
    }
}

/// What a pod's metadata say now.
#[derive(Default)]
struct Seen {
    labels: BTreeMap<String, String>,
    /// What labels were before it drained, if it does.
    before: Option<Map<String, Value>>,
}

impl Seen {
    fn of(pod: PartialObjectMeta<Pod>) -> Self {
        let before = pod.metadata.annotations.as_ref().and_then(|all| all.get(LABELS_BEFORE));
        let before = before.and_then(|text| serde_json::from_str(text).ok());
        Self { labels: pod.metadata.labels.unwrap_or_default(), before }
    }
}

/// Marks pods, as many as can be; the first failure, if there is one. A pod that is gone needs no
/// mark.
pub(super) async fn mark(
    client: &Client,
    spec: &RetirementSpec,
    manager: &str,
    namespace: &str,
    pods: &[String],
    mark: Mark,
) -> Result<(), TargetError> {
    let request = Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
    let request = &request;
    let one = |pod: String| async move {
        match mark_one(client, spec, manager, request, &pod, mark).await {
            Err(failure) if failure.has_code(404) => Ok(()),
            marked => marked.map_err(TargetError::from),
        }
    };
    let tries: Vec<_> = pods.iter().cloned().map(one).collect();
    let done: Vec<_> = stream::iter(tries).buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

async fn mark_one(
    client: &Client,
    spec: &RetirementSpec,
    manager: &str,
    request: &Request,
    pod: &str,
    mark: Mark,
) -> Result<(), Failure> {
    if !is_name(pod) {
        return Err(Failure::Malformed(format!("`{pod}` can't be the name of a pod")));
    }
    let seen = if spec.pod_labels.is_empty() {
        Seen::default()
    } else {
        Seen::of(call(client, request.get_metadata(pod, &GetParams::default())).await?)
    };
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let patch = Patch::Merge(spec.patch(mark, &seen, now()));
    call::<IgnoredAny>(client, request.patch_metadata(pod, &params, &patch)).await?;
    Ok(())
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_by_and_is_promoted_is_as_before() {
        let label = |value: &str| BTreeMap::from([("serving".to_owned(), value.to_owned())]);
        let spec = RetirementSpec { pod_labels: label("false") };
        let at = Timestamp::from_secs(1_790_000_000);
        let fresh = Seen { labels: label("true"), before: None };
        let before: Value = json!({"serving": "true"});
        let stands = Seen { labels: label("false"), before: before.as_object().cloned() };
        insta::assert_yaml_snapshot!([
            spec.patch(Mark::Stands(Stand::Claimed), &fresh, at),
            spec.patch(Mark::Stands(Stand::Asleep(2)), &stands, at),
            spec.patch(Mark::Stands(Stand::Wakes), &stands, at),
            spec.patch(Mark::Promoted, &stands, at),
        ]);
    }

    #[test]
    fn what_drains_and_is_taken_back_is_as_before() {
        let label = |value: &str| BTreeMap::from([("serving".to_owned(), value.to_owned())]);
        let spec = RetirementSpec { pod_labels: label("false") };
        let at = Timestamp::from_secs(1_790_000_000);
        let fresh = Seen { labels: label("true"), before: None };
        let drains = spec.patch(Mark::Drains, &fresh, at);
        let annotations = |patch: &Value| patch.pointer("/metadata/annotations").unwrap().clone();
        let before = annotations(&drains);
        let before = before.get(LABELS_BEFORE).unwrap().as_str().unwrap();
        let drained =
            Seen { labels: label("false"), before: serde_json::from_str(before).unwrap() };
        let again = spec.patch(Mark::Drains, &drained, at);
        assert_eq!(annotations(&again).get(LABELS_BEFORE), None, "it stays as it is");
        insta::assert_yaml_snapshot!([
            drains,
            spec.patch(Mark::Goes, &drained, at),
            spec.patch(Mark::Serves, &drained, at),
            RetirementSpec::default().patch(Mark::Drains, &Seen::default(), at),
            RetirementSpec::default().patch(Mark::Serves, &Seen::default(), at),
        ]);
    }
}
