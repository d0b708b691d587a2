//! Can a target's replicas leave in one order only?

use std::time::Duration;

use kube::Client;
use kube::core::Request;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use trimtab_engine::PodRecord;
use trimtab_runtime::{Change, TargetError};

use super::call::call;
use super::discovery::Scalable;
use super::scale::path;

/// The first number of a StatefulSet is asked for again after that time.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// The numbers of a StatefulSet's pods.
#[derive(Debug, Default)]
pub(super) struct Ordinals {
    /// Where they begin (`spec.ordinals.start`), and when that was read.
    start: Mutex<Option<(u32, Instant)>>,
}

/// Kinds whose replicas are numbered, and whose lower count takes the highest numbers: a
/// StatefulSet, Kubernetes' own or OpenKruise's, and a LeaderWorkerSet, whose leaders are those of
/// a StatefulSet.
pub(super) fn is_kept(scalable: &Scalable) -> bool {
    matches!(scalable.resource.kind.as_str(), "StatefulSet" | "LeaderWorkerSet")
}

impl Ordinals {
    /// Says of each pod in which place it is.
    pub(super) async fn number(
        &self,
        client: &Client,
        scalable: &Scalable,
        (namespace, name): (&str, &str),
        pods: &mut [PodRecord],
    ) {
        let start = self.start(client, scalable, namespace, name).await;
        for pod in pods {
            pod.ordinal = ordinal(name, &pod.name).and_then(|ordinal| ordinal.checked_sub(start));
        }
    }

    async fn start(
        &self,
        client: &Client,
        scalable: &Scalable,
        namespace: &str,
        name: &str,
    ) -> u32 {
        if scalable.resource.kind != "StatefulSet" {
            return 0;
        }
        let mut known = self.start.lock().await;
        if let Some((start, at)) = *known
            && at.elapsed() < GOOD_FOR
        {
            return start;
        }
        let request = Request::new(path(&scalable.resource, Some(namespace)));
        let before = known.map_or(0, |(start, _)| start);
        let read: Result<Value, _> = call(client, request.get(name, &Default::default())).await;
        let start = match read {
            Ok(object) => {
                object.pointer("/spec/ordinals/start").and_then(Value::as_u64).unwrap_or(0)
            }
            Err(failure) => {
                tracing::debug!(
                    "where the pods of {namespace}/{name} begin can't be read: {failure}"
                );
                before.into()
            }
        };
        let start = u32::try_from(start).unwrap_or(0);
        *known = Some((start, Instant::now()));
        start
    }
}

/// A lower count takes who is to go, and nobody else who is said to.
pub(super) fn check(name: &str, change: &Change) -> Result<(), TargetError> {
    // Those that stand are in the first `from` places, wherever these begin: the lowest that may go
    // is as far from the highest that is there as the counts are from each other.
    let going: Vec<u32> = change.retire.iter().filter_map(|pod| ordinal(name, pod)).collect();
    let (Some(highest), Some(lowest)) = (going.iter().max(), going.iter().min()) else {
        return Ok(());
    };
    let falls = u32::try_from(change.from.saturating_sub(change.replicas)).unwrap_or(0);
    if highest - lowest < falls.max(1) {
        return Ok(());
    }
    Err(TargetError::Refused(format!(
        "with {} replicas fewer, `{name}-{lowest}` would not go: those with the highest numbers do",
        falls
    )))
}

/// The number at the end of a pod's name.
fn ordinal(name: &str, pod: &str) -> Option<u32> {
    pod.strip_prefix(name)?.strip_prefix('-')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_a_number() {
        assert_eq!(ordinal("llm", "llm-12"), Some(12));
        assert_eq!(ordinal("llm-2", "llm-2-0"), Some(0));
        for other in ["llm", "llm-", "llm-x", "llm-1-2", "vllm-1", "llm--1"] {
            assert_eq!(ordinal("llm", other), None, "{other}");
        }
    }

    #[test]
    fn one_in_the_middle_can_t_go() {
        let change = |from, replicas, retire: &[&str]| {
            let mut change = Change::of(from, replicas);
            change.retire = retire.iter().map(|name| String::from(*name)).collect();
            check("llm", &change)
        };
        assert_eq!(change(5, 3, &["llm-4", "llm-3"]), Ok(()));
        assert_eq!(change(5, 3, &["llm-3"]), Ok(()));
        let error = change(5, 3, &["llm-4", "llm-2"]).unwrap_err();
        insta::assert_snapshot!(error, @"the change is refused: with 2 replicas fewer, `llm-2` would not go: those with the highest numbers do");
    }
}
