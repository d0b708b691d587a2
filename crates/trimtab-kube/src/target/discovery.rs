//! Which resource is meant by an API version and a kind, and can it be scaled?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResource, APIResourceList};
use kube::Client;
use kube::core::ApiResource;
use thiserror::Error;
use tokio::time::Instant;
use trimtab_engine::CrossVersionObjectReference;
use trimtab_runtime::TargetError;

use super::call::{Failure, call};
use super::rivals::Rivals;

/// What was found is asked for again after that time.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// What was not found is looked for again after that time, however many ask for it.
const MISSING_FOR: Duration = Duration::from_secs(15);
/// After a request that failed the next one waits that long.
const FAILED_FOR: Duration = Duration::from_secs(2);

/// What the API server serves, as far as it was asked for, and who else scales there. Many targets
/// share one.
pub struct Discovery {
    client: Client,
    known: Mutex<HashMap<(String, String), Arc<Slot>>>,
    rivals: Rivals,
}

type Slot = tokio::sync::Mutex<Option<(Instant, Result<Scalable, DiscoveryError>)>>;

/// A resource with a scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalable {
    /// Where it is served.
    pub resource: ApiResource,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
}

/// Why something can't be scaled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The reference says too little.
    #[error("`{0}` is no API version: write `v1`, or a group and a version such as `apps/v1`")]
    Version(String),
    /// Nothing of that kind is served.
    #[error("there is no kind `{kind}` in `{api_version}`{}", because(.help))]
    Kind {
        /// As it was asked for.
        api_version: String,
        /// As it was asked for.
        kind: String,
        /// What would be right, if that can be said.
        help: String,
    },
    /// It has no count to write.
    #[error("`{kind}` of `{api_version}` has no scale subresource{}", because(.help))]
    NoScale {
        /// As it was asked for.
        api_version: String,
        /// As it was asked for.
        kind: String,
        /// What would be right, if that can be said.
        help: String,
    },
    /// The server could not be asked.
    #[error("the API server can't be asked for `{api_version}`: {failure}")]
    Failed {
        /// As it was asked for.
        api_version: String,
        /// What became of the request.
        failure: TargetError,
    },
}

fn because(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl From<DiscoveryError> for TargetError {
    fn from(error: DiscoveryError) -> Self {
        match error {
            DiscoveryError::Version(_) | DiscoveryError::NoScale { .. } => {
                Self::Refused(error.to_string())
            }
            DiscoveryError::Kind { .. } => Self::NotFound(error.to_string()),
            DiscoveryError::Failed { failure, .. } => failure,
        }
    }
}

impl Discovery {
    /// Asks nothing yet.
    pub fn new(client: Client) -> Arc<Self> {
        let rivals = Rivals::new(client.clone());
        Arc::new(Self { client, known: Mutex::default(), rivals })
    }

    /// The resource that a reference means. An API version that is no longer served stands for the
    /// group's other ones, as it does for the HPA.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] when there is no such kind, when it has no `scale` subresource, or when
    /// it can't be said.
    pub async fn find(
        &self,
        reference: &CrossVersionObjectReference,
    ) -> Result<Scalable, DiscoveryError> {
        let CrossVersionObjectReference { api_version, kind, .. } = reference;
        let slot = self.slot(api_version, kind);
        let mut slot = slot.lock().await;
        if let Some((until, answer)) = &*slot
            && Instant::now() < *until
        {
            return answer.clone();
        }
        let mut answer = self.ask(api_version, kind).await;
        let good_for = match &answer {
            Ok(_) => GOOD_FOR,
            Err(DiscoveryError::Failed { .. }) => FAILED_FOR,
            Err(_) => MISSING_FOR,
        };
        if let (Err(DiscoveryError::Failed { .. }), Some((_, Ok(known)))) = (&answer, &*slot) {
            // It is hardly gone because nobody answers.
            answer = Ok(known.clone());
        }
        *slot = Some((Instant::now() + good_for, answer.clone()));
        answer
    }

    /// What was found is gone: the next one who asks looks again.
    pub(crate) async fn forget(&self, reference: &CrossVersionObjectReference) {
        *self.slot(&reference.api_version, &reference.kind).lock().await = None;
    }

    pub(crate) fn rivals(&self) -> &Rivals {
        &self.rivals
    }

    fn slot(&self, api_version: &str, kind: &str) -> Arc<Slot> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry((api_version.to_owned(), kind.to_owned())).or_default())
    }

    async fn ask(&self, api_version: &str, kind: &str) -> Result<Scalable, DiscoveryError> {
        let (group, version) = parts(api_version)?;
        let first = self.resources(group, version).await?;
        if let Some(found) = first.as_ref().and_then(|list| resource(list, kind)) {
            return scalable(first.as_ref(), found, group, version);
        }
        for other in self.versions(group).await? {
            if other == version {
                continue;
            }
            let list = self.resources(group, &other).await?;
            if let Some(found) = list.as_ref().and_then(|list| resource(list, kind)) {
                return scalable(list.as_ref(), found, group, &other);
            }
        }
        let help = self.where_it_is(first.as_ref(), group, kind).await;
        Err(DiscoveryError::Kind { api_version: api_version.into(), kind: kind.into(), help })
    }

    /// The resources of a version of a group; nothing where it is not served.
    async fn resources(
        &self,
        group: &str,
        version: &str,
    ) -> Result<Option<APIResourceList>, DiscoveryError> {
        let path = match group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        self.get(&path, &join(group, version)).await
    }

    /// The versions of a group, the preferred one first.
    async fn versions(&self, group: &str) -> Result<Vec<String>, DiscoveryError> {
        if group.is_empty() {
            return Ok(Vec::new());
        }
        let found: Option<APIGroup> = self.get(&format!("/apis/{group}"), group).await?;
        let Some(found) = found else { return Ok(Vec::new()) };
        let preferred = found.preferred_version.map(|version| version.version);
        let mut versions: Vec<String> =
            found.versions.into_iter().map(|version| version.version).collect();
        versions.sort_by_key(|version| Some(version) != preferred.as_ref());
        Ok(versions)
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        asked: &str,
    ) -> Result<Option<T>, DiscoveryError> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(kube::core::request::Error::BuildRequest);
        match call(&self.client, request).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.has_code(404) => Ok(None),
            Err(failure) => Err(failed(asked, failure)),
        }
    }

    /// What would be right instead of a kind that is not in a group.
    async fn where_it_is(&self, list: Option<&APIResourceList>, group: &str, kind: &str) -> String {
        let same = |other: &str| other.eq_ignore_ascii_case(kind);
        let near = list
            .and_then(|list| list.resources.iter().map(|one| &one.kind).find(|other| same(other)));
        if let Some(near) = near {
            return format!("did you mean `{near}`?");
        }
        let everything = self.client.list_api_groups_aggregated().await;
        let groups = everything.map(|list| list.items).unwrap_or_default();
        for found in groups {
            let name = found.metadata.and_then(|meta| meta.name).unwrap_or_default();
            for version in found.versions {
                let kinds = version.resources.iter().filter_map(|one| {
                    one.response_kind.as_ref().and_then(|kind| kind.kind.as_deref())
                });
                let here = version.version.as_deref().unwrap_or_default();
                if let Some(kind) = kinds.into_iter().find(|other| same(other)) {
                    return format!("there is `{kind}` in `{}`", join(&name, here));
                }
            }
        }
        match group {
            "" => String::new(),
            group => format!(
                "is the CustomResourceDefinition of `{group}` installed, and does its name stand \
                 there as it is spelled here?"
            ),
        }
    }
}

fn failed(asked: &str, failure: Failure) -> DiscoveryError {
    DiscoveryError::Failed { api_version: asked.to_owned(), failure: failure.into() }
}

/// Group and version; both can be part of a path.
fn parts(api_version: &str) -> Result<(&str, &str), DiscoveryError> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let plain = |text: &str| {
        text.chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-.".contains(char))
            && !text.contains("..")
    };
    let begins = |text: &str| text.starts_with(|first: char| first.is_ascii_lowercase());
    let is_group = group.is_empty() && !api_version.contains('/') || begins(group);
    if plain(group) && plain(version) && is_group && begins(version) {
        Ok((group, version))
    } else {
        Err(DiscoveryError::Version(api_version.to_owned()))
    }
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The resource of a kind itself, not one of its subresources.
fn resource<'a>(list: &'a APIResourceList, kind: &str) -> Option<&'a APIResource> {
    list.resources.iter().find(|one| one.kind == kind && !one.name.contains('/'))
}

fn has_scale(list: &APIResourceList, resource: &APIResource) -> bool {
    let name = format!("{}/scale", resource.name);
    list.resources.iter().any(|one| one.name == name)
}

fn scalable(
    list: Option<&APIResourceList>,
    found: &APIResource,
    group: &str,
    version: &str,
) -> Result<Scalable, DiscoveryError> {
    let api_version = join(group, version);
    if !list.is_some_and(|list| has_scale(list, found)) {
        let help = instead(list, group, &found.kind);
        return Err(DiscoveryError::NoScale { api_version, kind: found.kind.clone(), help });
    }
    Ok(Scalable {
        resource: ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: found.kind.clone(),
            plural: found.name.clone(),
        },
        is_namespaced: found.namespaced,
    })
}

/// What would be right instead of a kind without scale.
fn instead(list: Option<&APIResourceList>, group: &str, kind: &str) -> String {
    match (group, kind) {
        ("serving.kserve.io", "InferenceService") => {
            return String::from("name its Deployment, `NAME-predictor` of `apps/v1`");
        }
        ("serving.knative.dev", _) => {
            return String::from(
                "Knative scales its revisions by itself, and nobody beside it can",
            );
        }
        _ => {}
    }
    let resources = list.map(|list| list.resources.as_slice()).unwrap_or_default();
    let kinds: Vec<String> = resources
        .iter()
        .filter(|one| list.is_some_and(|list| has_scale(list, one)))
        .map(|one| format!("`{}`", one.kind))
        .collect();
    let builtin = !group.contains('.') || group.ends_with(".k8s.io");
    match (kinds.is_empty(), builtin) {
        (false, _) => format!("what can be scaled there is {}", kinds.join(", ")),
        (true, true) => String::new(),
        (true, false) => {
            String::from("its CustomResourceDefinition needs `subresources.scale` for that")
        }
    }
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Discovery").field("known", &known.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_part_of_a_path() {
        assert_eq!(parts("v1"), Ok(("", "v1")));
        assert_eq!(parts("apps/v1"), Ok(("apps", "v1")));
        for wrong in ["", "/v1", "apps/", "apps/v1/x", "../v1", "a..b/v1", "Apps/v1", "v1?x=y"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_would_be_right_is_said() {
        let one = |name: &str, kind: &str| APIResource {
            name: name.into(),
            kind: kind.into(),
            namespaced: true,
            ..APIResource::default()
        };
        let list = APIResourceList {
            group_version: "apps/v1".into(),
            resources: vec![
                one("deployments", "Deployment"),
                one("deployments/scale", "Scale"),
                one("daemonsets", "DaemonSet"),
            ],
        };
        let found = resource(&list, "DaemonSet").unwrap();
        let error = scalable(Some(&list), found, "apps", "v1").unwrap_err().to_string();
        insta::assert_snapshot!(error, @"`DaemonSet` of `apps/v1` has no scale subresource: what can be scaled there is `Deployment`");
        let found = resource(&list, "Deployment").unwrap();
        assert_eq!(
            scalable(Some(&list), found, "apps", "v1").unwrap().resource.plural,
            "deployments"
        );
    }
}
