//! The metrics APIs of one cluster, asked for all workloads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};
use kube::Client;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use trimtab_engine::{ObjectMetricSource, PodMetrics};
use trimtab_runtime::SourceError;

use super::answer::{PodMetricsList, ValueList, Values};
use super::question::{self, CUSTOM, EXTERNAL, RESOURCE};
use crate::cluster::{Selector, source_error};
use crate::target::call::{Failure, call};

/// The versions of the custom metrics API that are understood.
const VERSIONS: [&str; 2] = ["v1beta2", "v1beta1"];
/// An answer is also that of others who ask the same within that time.
const SAME: Duration = Duration::from_secs(1);
/// A question that has no answer for so long is asked anew.
const UNANSWERED: Duration = Duration::from_secs(10);
/// What was found out about versions and kinds is good for so long, and what was not, for so long.
const GOOD_FOR: Duration = Duration::from_secs(60);
const FAILED_FOR: Duration = Duration::from_secs(5);
/// So many questions at a time.
const AT_ONCE: usize = 64;

/// The metrics APIs of a cluster. All workloads share one: who asks the same at the same time gets
/// the same answer, which was asked for once.
pub struct MetricsApis {
    client: Client,
    turns: Arc<Semaphore>,
    asked: Mutex<HashMap<String, Asked>>,
    /// The version of the custom metrics API.
    version: Known<String>,
    /// Resources such as `deployments.apps` by API version and kind.
    resources: Mutex<HashMap<(String, String), Resource>>,
}

type Resource = Arc<Known<String>>;
type Answer = Result<Arc<RawValue>, Failure>;

struct Asked {
    at: Instant,
    answer: Shared<BoxFuture<'static, Answer>>,
}

/// What is found out once, and for all who want to know.
struct Known<T>(tokio::sync::Mutex<Option<(Instant, Result<T, SourceError>)>>);

impl MetricsApis {
    /// Asks nothing yet.
    pub fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            asked: Mutex::default(),
            version: Known::default(),
            resources: Mutex::default(),
        })
    }

    pub(super) async fn pod_metrics(
        &self,
        namespace: &str,
        pods: &Selector,
    ) -> Result<Vec<PodMetrics>, SourceError> {
        let path = question::pod_metrics(namespace, pods);
        let list: PodMetricsList = self.ask(path).await.map_err(|why| refused(RESOURCE, why))?;
        list.into_pods()
    }

    pub(super) async fn pods(
        &self,
        namespace: &str,
        metric: &str,
        pods: &Selector,
        selector: &Selector,
    ) -> Result<Values, SourceError> {
        let version = self.version().await?;
        self.custom(question::pods(&version, namespace, metric, pods, selector)?).await
    }

    pub(super) async fn object(
        &self,
        namespace: &str,
        source: &ObjectMetricSource,
        selector: &Selector,
    ) -> Result<Values, SourceError> {
        let (object, metric) = (&source.described_object, &source.metric.name);
        let version = self.version().await?;
        let path = match (object.kind.as_str(), group_of(&object.api_version)) {
            // Whatever its name says: nobody looks beyond the own namespace.
            ("Namespace", "") => question::namespace(&version, namespace, metric, selector)?,
            _ => {
                let resource = self.resource(&object.api_version, &object.kind).await?;
                question::object(&version, namespace, &resource, &object.name, metric, selector)?
            }
        };
        self.custom(path).await
    }

    pub(super) async fn external(
        &self,
        namespace: &str,
        metric: &str,
        selector: &Selector,
    ) -> Result<Values, SourceError> {
        let path = question::external(namespace, metric, selector)?;
        let list: ValueList = self.ask(path).await.map_err(|why| refused(EXTERNAL, why))?;
        list.of("external")
    }

    async fn custom(&self, path: String) -> Result<Values, SourceError> {
        match self.ask::<ValueList>(path).await {
            Ok(list) => list.of("custom"),
            Err(failure) => {
                if failure.is_path_unknown() {
                    // The version is served no more.
                    self.version.forget().await;
                }
                Err(refused(CUSTOM, failure))
            }
        }
    }

    /// The version of the custom metrics API to ask: the cluster's preferred one, else the first
    /// that it has, of those that are understood.
    async fn version(&self) -> Result<String, SourceError> {
        let find = async {
            let group: APIGroup = self
                .ask(format!("/apis/{CUSTOM}"))
                .await
                .map_err(|failure| refused(CUSTOM, failure))?;
            let preferred = group.preferred_version.into_iter();
            let versions = preferred.chain(group.versions).map(|version| version.version);
            versions.into_iter().find(|version| VERSIONS.contains(&version.as_str())).ok_or_else(
                || {
                    SourceError::Refused(format!(
                        "the cluster has no version of `{CUSTOM}` that is known: {} are",
                        VERSIONS.join(" and ")
                    ))
                },
            )
        };
        self.version.get(find).await
    }

    /// The resource of a kind, as the custom metrics API has it: `services`, `deployments.apps`.
    async fn resource(&self, api_version: &str, kind: &str) -> Result<String, SourceError> {
        let known = {
            let mut known = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry((api_version.into(), kind.into())).or_default())
        };
        known.get(self.find_resource(api_version, kind)).await
    }

    async fn find_resource(&self, api_version: &str, kind: &str) -> Result<String, SourceError> {
        let group = group_of(api_version);
        let found = match self.resource_in(api_version, kind).await {
            Ok(found) => found,
            Err(failure) if failure.has_code(404) => None,
            Err(failure) => return Err(source_error(failure)),
        };
        let found = match found {
            Some(found) => Some(found),
            None if group.is_empty() => None,
            None => self.resource_in_group(group, kind).await?,
        };
        let plural = found.ok_or_else(|| {
            SourceError::Refused(format!("the cluster has no kind `{kind}` in `{api_version}`"))
        })?;
        Ok(if group.is_empty() { plural } else { format!("{plural}.{group}") })
    }

    /// In whichever version: it is the group and the kind that name a resource.
    async fn resource_in_group(
        &self,
        group: &str,
        kind: &str,
    ) -> Result<Option<String>, SourceError> {
        let versions: APIGroup = match self.ask(format!("/apis/{group}")).await {
            Ok(versions) => versions,
            Err(failure) if failure.has_code(404) => return Ok(None),
            Err(failure) => return Err(source_error(failure)),
        };
        for version in versions.versions {
            let found = self.resource_in(&version.group_version, kind).await;
            if let Some(found) = found.map_err(source_error)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn resource_in(&self, api_version: &str, kind: &str) -> Result<Option<String>, Failure> {
        let root = if group_of(api_version).is_empty() { "/api" } else { "/apis" };
        let list: APIResourceList = self.ask(format!("{root}/{api_version}")).await?;
        let mut resources = list.resources.into_iter();
        let found = resources.find(|one| one.kind == kind && !one.name.contains('/'));
        Ok(found.map(|one| one.name))
    }

    /// Asks a question, unless somebody does just now or did just now.
    async fn ask<T: DeserializeOwned>(&self, path: String) -> Result<T, Failure> {
        let answer = self.answer_to(path).await?;
        serde_json::from_str(answer.get()).map_err(|error| Failure::Malformed(error.to_string()))
    }

    fn answer_to(&self, path: String) -> Shared<BoxFuture<'static, Answer>> {
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, one| {
            let limit = if one.answer.peek().is_some() { SAME } else { UNANSWERED };
            now.duration_since(one.at) < limit
        });
        if let Some(one) = asked.get(&path) {
            return one.answer.clone();
        }
        let (client, turns) = (self.client.clone(), Arc::clone(&self.turns));
        let request = http::Request::get(&path).body(Vec::new());
        let request = request.map_err(kube::core::request::Error::BuildRequest);
        let answer = async move {
            let _turn = turns.acquire().await;
            call::<Box<RawValue>>(&client, request).await.map(Arc::from)
        };
        let answer = answer.boxed().shared();
        asked.insert(path, Asked { at: now, answer: answer.clone() });
        answer
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(tokio::sync::Mutex::default())
    }
}

impl<T: Clone> Known<T> {
    async fn get(
        &self,
        find: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let mut known = self.0.lock().await;
        if let Some((until, answer)) = &*known
            && Instant::now() < *until
        {
            return answer.clone();
        }
        let answer = find.await;
        let good_for = if answer.is_ok() { GOOD_FOR } else { FAILED_FOR };
        *known = Some((Instant::now() + good_for, answer.clone()));
        answer
    }

    async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// Why an API of metrics had no answer.
fn refused(api: &str, failure: Failure) -> SourceError {
    if failure.is_path_unknown() {
        return SourceError::Unreachable(format!(
            "the cluster has no `{api}`: nothing is installed that serves it"
        ));
    }
    source_error(failure)
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl std::fmt::Debug for MetricsApis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricsApis").finish_non_exhaustive()
    }
}
