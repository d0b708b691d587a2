//! How is a pod told to take no new work, and how does it go before the others?

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use kube::Client;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trimtab_metric::Timestamp;
use trimtab_runtime::TargetError;

use super::call::call;
use super::scale::is_name;

/// The annotation that says since when a pod drains, as RFC 3339.
pub const DRAINING_SINCE: &str = "trimtab.dev/draining-since";
/// The annotation by which a ReplicaSet chooses who goes: the least first.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// Those that drain go before those that serve, whoever lowers the count.
const COST_OF_DRAINING: i32 = -1_000_000;
/// Those that are to go now go before all others.
const COST_OF_GOING: i32 = i32::MIN;
/// So many pods are patched at a time.
const AT_ONCE: usize = 8;

/// How pods are marked that drain.
///
/// A Service selects pods whose labels *equal* what it asks for, and can't ask for a label that is absent. So there are two
/// labels: `servingLabel` is `"true"` on pods that take work and `"false"` on those that drain, for Services and InferencePools
/// to select on, and `drainingLabel` is `"true"` on those that drain and absent elsewhere, for selectors that can say that.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetirementSpec {
    /// On pods that drain, as `"true"`.
    pub draining_label: String,
    /// On pods that drain as `"false"`, and as `"true"` once they are taken back. The pod template has it as `"true"`, and the
    /// workload's own selector does not have it.
    pub serving_label: String,
}

impl Default for RetirementSpec {
    fn default() -> Self {
        Self {
            draining_label: String::from("trimtab.dev/draining"),
            serving_label: String::from("trimtab.dev/serving"),
        }
    }
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
}

impl RetirementSpec {
    /// The change of a pod's metadata. Repeated, it changes nothing but the time.
    fn patch(&self, mark: Mark, now: Timestamp) -> Value {
        let cost = |cost: i32| cost.to_string();
        match mark {
            Mark::Drains => json!({"metadata": {
                "labels": {&self.draining_label: "true", &self.serving_label: "false"},
                "annotations": {
                    DRAINING_SINCE: now.to_string(),
                    DELETION_COST: cost(COST_OF_DRAINING),
                },
            }}),
            Mark::Goes => json!({"metadata": {
                "labels": {&self.draining_label: "true", &self.serving_label: "false"},
                "annotations": {DELETION_COST: cost(COST_OF_GOING)},
            }}),
            Mark::Serves => json!({"metadata": {
                "labels": {&self.draining_label: null, &self.serving_label: "true"},
                "annotations": {DRAINING_SINCE: null, DELETION_COST: null},
            }}),
        }
    }
}

/// Marks pods, as many as can be; the first failure, if there is one. A pod that is gone needs no mark.
pub(super) async fn mark(
    client: &Client,
    spec: &RetirementSpec,
    manager: &str,
    namespace: &str,
    pods: &[String],
    mark: Mark,
) -> Result<(), TargetError> {
    let request = Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
    let params = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let patch = Patch::Merge(spec.patch(mark, now()));
    let one = |pod: &String| {
        let patched = is_name(pod).then(|| request.patch_metadata(pod, &params, &patch));
        let pod = pod.clone();
        async move {
            let Some(request) = patched else {
                return Err(TargetError::Refused(format!("`{pod}` can't be the name of a pod")));
            };
            match call::<Value>(client, request).await {
                Ok(_) => Ok(()),
                Err(failure) if failure.has_code(404) => Ok(()),
                Err(failure) => Err(TargetError::from(failure)),
            }
        }
    };
    let tries: Vec<_> = pods.iter().map(one).collect();
    let done: Vec<_> = stream::iter(tries).buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drains_and_is_taken_back_is_as_before_but_for_what_it_serves() {
        let spec = RetirementSpec::default();
        let at = Timestamp::from_secs(1_790_000_000);
        insta::assert_yaml_snapshot!([
            spec.patch(Mark::Drains, at),
            spec.patch(Mark::Goes, at),
            spec.patch(Mark::Serves, at)
        ]);
    }
}
