//! Who else scales a target?

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use kube::Client;
use kube::api::ListParams;
use kube::core::{ApiResource, Request};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::call::{Failure, call};
use super::scale::path;

/// A kind of object that scales what its `spec.scaleTargetRef` names.
struct Scaler {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
}

/// The most telling first: KEDA makes a HorizontalPodAutoscaler of each ScaledObject.
const SCALERS: [Scaler; 5] = [
    Scaler { group: "keda.sh", version: "v1alpha1", kind: "ScaledObject", plural: "scaledobjects" },
    Scaler {
        group: "autoscaling",
        version: "v2",
        kind: "HorizontalPodAutoscaler",
        plural: "horizontalpodautoscalers",
    },
    Scaler { group: "trimtab.dev", version: "v1alpha1", kind: POLICY, plural: "scalingpolicies" },
    Scaler {
        group: "autoscaling.aibrix.ai",
        version: "v1alpha1",
        kind: "PodAutoscaler",
        plural: "podautoscalers",
    },
    Scaler {
        group: "autoscaling.internal.knative.dev",
        version: "v1alpha1",
        kind: "PodAutoscaler",
        plural: "podautoscalers",
    },
];
const POLICY: &str = "ScalingPolicy";
/// A kind that nobody installed is looked for again after that time.
const NOT_INSTALLED_FOR: Duration = Duration::from_secs(300);
/// After a list that failed the next one waits that long.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// So long whoever asks waits for a list.
const PATIENCE: Duration = Duration::from_secs(1);
/// A list that takes longer does not come.
const LONGEST: Duration = Duration::from_secs(30);
/// Objects per answer.
const PAGE: u32 = 500;

/// The autoscalers of a cluster, listed once in a while for all targets at once. Nobody waits long
/// for a list: what is known is used until there is more.
pub(crate) struct Rivals {
    client: Client,
    views: Mutex<HashMap<Listing, Arc<View>>>,
}

/// The place of a kind among [`SCALERS`], and a namespace or all.
type Listing = (usize, Option<String>);

/// What is scaled: namespace, group, kind, name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scaled {
    pub(crate) namespace: String,
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// What is known of one kind, in a namespace or all.
#[derive(Default)]
struct View {
    known: Mutex<Known>,
    /// A list has come, or failed.
    changed: Notify,
}

#[derive(Default)]
struct Known {
    /// When it was listed; nothing if it never was.
    at: Option<Instant>,
    /// Not before.
    next: Option<Instant>,
    /// A list is on its way.
    asking: bool,
    /// Nobody may list that here.
    denied: bool,
    found: HashMap<Scaled, Vec<One>>,
}

/// An autoscaler.
#[derive(Clone, Debug)]
struct One {
    name: String,
    /// The ScaledObject that it was made of.
    made_of: Option<String>,
    /// Older ones have the right of way among policies.
    born: String,
}

impl Rivals {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, views: Mutex::default() }
    }

    /// Who else scales it, by lists that are no older than `age` if they can be had in a moment.
    /// `policy` is the ScalingPolicy that asks: it is no rival of itself, and has the right of way
    /// before younger ones.
    pub(crate) async fn of(
        &self,
        scaled: &Scaled,
        policy: Option<&str>,
        age: Duration,
    ) -> Option<String> {
        let all = SCALERS.iter().enumerate();
        let found = all.map(|(place, scaler)| self.listed(place, scaler, scaled, age));
        let found = join_all(found).await;
        SCALERS.iter().zip(found).find_map(|(scaler, found)| match scaler.kind {
            POLICY => elder(&found, policy),
            _ => found.first().map(|one| said(scaler, one)),
        })
    }

    /// Those of one kind that scale it. The whole cluster is listed where that is allowed, else its
    /// namespace.
    async fn listed(
        &self,
        place: usize,
        scaler: &'static Scaler,
        scaled: &Scaled,
        age: Duration,
    ) -> Vec<One> {
        for namespace in [None, Some(scaled.namespace.clone())] {
            let view = self.view(place, namespace.clone());
            view.look(&self.client, scaler, namespace, age).await;
            let known = view.lock();
            if !known.denied {
                return known.found.get(scaled).cloned().unwrap_or_default();
            }
        }
        Vec::new()
    }

    fn view(&self, place: usize, namespace: Option<String>) -> Arc<View> {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(views.entry((place, namespace)).or_default())
    }
}

impl View {
    /// Sees to it that what is known is no older than `age`. The list goes on by itself, since
    /// whoever waits may give up, and what was waited for a while comes later.
    async fn look(
        self: &Arc<Self>,
        client: &Client,
        scaler: &'static Scaler,
        namespace: Option<String>,
        age: Duration,
    ) {
        let mut changed = pin!(self.changed.notified());
        {
            let mut known = self.lock();
            let now = Instant::now();
            let is_fresh = known.at.is_some_and(|at| now.duration_since(at) < age);
            if is_fresh || known.next.is_some_and(|next| now < next) {
                return;
            }
            changed.as_mut().enable();
            if !known.asking {
                known.asking = true;
                let (view, client) = (Arc::clone(self), client.clone());
                tokio::spawn(async move { view.refresh(&client, scaler, namespace).await });
            }
        }
        let _or_later = timeout(PATIENCE, changed).await;
    }

    async fn refresh(&self, client: &Client, scaler: &Scaler, namespace: Option<String>) {
        let listed = timeout(LONGEST, list(client, scaler, namespace.as_deref())).await;
        let listed = listed.unwrap_or_else(|_| Err(Failure::Unreachable("no answer".into())));
        let now = Instant::now();
        let mut known = self.lock();
        let was_denied = known.denied;
        match listed {
            Ok(found) => *known = Known { at: Some(now), found, ..Known::default() },
            Err(failure) if failure.has_code(404) => {
                *known = Known { next: Some(now + NOT_INSTALLED_FOR), ..Known::default() };
            }
            Err(failure) if failure.has_code(403) => {
                if namespace.is_some() && !was_denied {
                    tracing::warn!("whether others scale the same can't be said: {failure}");
                }
                let next = Some(now + NOT_INSTALLED_FOR);
                *known = Known { next, denied: true, ..Known::default() };
            }
            // What was known stays known.
            Err(failure) => {
                tracing::debug!("`{}` can't be listed: {failure}", scaler.plural);
                known.next = Some(now + FAILED_FOR);
                known.asking = false;
            }
        }
        drop(known);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(
    client: &Client,
    scaler: &Scaler,
    namespace: Option<&str>,
) -> Result<HashMap<Scaled, Vec<One>>, Failure> {
    let Scaler { group, version, kind, plural } = *scaler;
    let resource = ApiResource {
        group: group.into(),
        version: version.into(),
        api_version: format!("{group}/{version}"),
        kind: kind.into(),
        plural: plural.into(),
    };
    let request = Request::new(path(&resource, namespace));
    let mut params = ListParams::default().limit(PAGE);
    let mut found: HashMap<Scaled, Vec<One>> = HashMap::new();
    loop {
        let page: Value = call(client, request.list(&params)).await?;
        for item in page.pointer("/items").and_then(Value::as_array).into_iter().flatten() {
            if let Some((scaled, one)) = scaling(item) {
                found.entry(scaled).or_default().push(one);
            }
        }
        match page.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(token) if !token.is_empty() => params.continue_token = Some(token.to_owned()),
            _ => return Ok(found),
        }
    }
}

/// What an object scales. Nothing if it goes, is paused, or only looks on.
fn scaling(item: &Value) -> Option<(Scaled, One)> {
    let text =
        |path: &str| item.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let own = |path: &str| text(path).map(str::to_owned);
    let goes = text("/metadata/deletionTimestamp").is_some();
    let is_paused = text("/metadata/annotations/autoscaling.keda.sh~1paused") == Some("true")
        && text("/metadata/annotations/autoscaling.keda.sh~1paused-replicas").is_none();
    if goes || is_paused || text("/spec/mode") == Some("shadow") {
        return None;
    }
    // KEDA's defaults; the others require both.
    let api_version = text("/spec/scaleTargetRef/apiVersion").unwrap_or("apps/v1");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let scaled = Scaled {
        namespace: own("/metadata/namespace")?,
        group: group.to_owned(),
        kind: text("/spec/scaleTargetRef/kind").unwrap_or("Deployment").to_owned(),
        name: own("/spec/scaleTargetRef/name")?,
    };
    let one = One {
        name: own("/metadata/name")?,
        made_of: own("/metadata/labels/scaledobject.keda.sh~1name"),
        born: own("/metadata/creationTimestamp").unwrap_or_default(),
    };
    Some((scaled, one))
}

fn said(scaler: &Scaler, one: &One) -> String {
    let Scaler { kind, group, .. } = scaler;
    match (&one.made_of, *group) {
        (Some(made_of), "autoscaling") => {
            format!("KEDA's {kind} `{}`, of the ScaledObject `{made_of}`,", one.name)
        }
        (_, "autoscaling.internal.knative.dev") => format!("Knative's {kind} `{}`", one.name),
        (_, "autoscaling.aibrix.ai") => format!("AIBrix' {kind} `{}`", one.name),
        _ => format!("the {kind} `{}`", one.name),
    }
}

/// The policy that has the right of way before ours: the oldest, and of several as old the first by
/// name.
fn elder(found: &[One], ours: Option<&str>) -> Option<String> {
    let rank = |one: &&One| (one.born.clone(), one.name.clone());
    let is_ours = |one: &&One| Some(one.name.as_str()) == ours;
    let first = found.iter().min_by_key(rank)?;
    let others = found.iter().filter(|one| !is_ours(one)).count();
    if is_ours(&first) || others == 0 {
        return None;
    }
    Some(format!("the {POLICY} `{}`", first.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, born: &str) -> One {
        One { name: name.into(), made_of: None, born: born.into() }
    }

    #[test]
    fn of_two_policies_the_older_one_scales() {
        let two = [one("b", "2026-01-01T00:00:00Z"), one("a", "2026-01-02T00:00:00Z")];
        assert_eq!(elder(&two, Some("b")), None);
        assert_eq!(elder(&two, Some("a")).unwrap(), "the ScalingPolicy `b`");
        assert_eq!(elder(&two, None).unwrap(), "the ScalingPolicy `b`");
        assert_eq!(elder(&two[..1], Some("b")), None);
        let same = [one("b", "2026-01-01T00:00:00Z"), one("a", "2026-01-01T00:00:00Z")];
        assert_eq!((elder(&same, Some("a")), elder(&same, Some("b")).is_some()), (None, true));
    }

    #[test]
    fn what_is_paused_or_goes_or_only_looks_on_is_no_rival() {
        let item = |meta: Value, spec: Value| {
            let mut item = serde_json::json!({
                "metadata": {"namespace": "x", "name": "a"},
                "spec": {"scaleTargetRef": {"name": "llm"}},
            });
            for (part, more) in [("metadata", meta), ("spec", spec)] {
                let more = more.as_object().unwrap().clone();
                item[part].as_object_mut().unwrap().extend(more);
            }
            scaling(&item)
        };
        use serde_json::json;
        let (scaled, _) = item(json!({}), json!({})).unwrap();
        assert_eq!((scaled.group.as_str(), scaled.kind.as_str()), ("apps", "Deployment"));
        assert!(item(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), json!({})).is_none());
        assert!(item(json!({}), json!({"mode": "shadow"})).is_none());
        let paused = json!({"annotations": {"autoscaling.keda.sh/paused": "true"}});
        assert!(item(paused, json!({})).is_none());
        // It keeps the target at that count.
        let at = json!({"annotations": {
            "autoscaling.keda.sh/paused": "true", "autoscaling.keda.sh/paused-replicas": "3",
        }});
        assert!(item(at, json!({})).is_some());
    }
}
