//! Where the replicas are.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use trimtab_engine::{PodPhase, PodRecord};
use trimtab_runtime::{Ask, SourceError};

use crate::SpecError;

/// Where the replicas of a workload are.
///
/// [`ScrapeSpec::replicas`](crate::ScrapeSpec::replicas) covers lists, files, and addresses that a pod's name gives. What knows the pods'
/// own addresses, such as an adapter for a cluster, implements this.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// The replicas that there are now, each once.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when it can't be said.
    async fn replicas(&self, ask: Ask<'_>) -> Result<Vec<Replica>, SourceError>;
}

/// A replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replica {
    /// Its name; the pod's, where the target knows pods.
    pub name: String,
    /// The address of its page.
    pub url: String,
}

/// Where replicas are: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReplicasSpec {
    /// The address of a pod's page, in which `{pod}` stands for its name and `{address}` for where it is reached. The target says which
    /// pods there are.
    pub template: Option<String>,
    /// The replicas one by one.
    pub list: Vec<Replica>,
    /// A file that lists them, as JSON in the form of Prometheus' file-based service discovery, which is read each time. A replica's
    /// name is its label `replica`, else `pod`, else its address; the page is `/metrics` unless `__metrics_path__` says otherwise.
    pub targets_file: Option<PathBuf>,
}

/// Targets that share their labels.
#[derive(Deserialize)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// The largest file of targets, in bytes.
const MOST_BYTES: u64 = 4 << 20;

impl ReplicasSpec {
    /// By the names of pods, `http://{pod}.llm.inference:8000/metrics`, or where they are, `http://{address}:8000/metrics`.
    pub fn template(template: impl Into<String>) -> Self {
        Self { template: Some(template.into()), ..Self::default() }
    }

    /// One by one.
    pub fn list(list: impl IntoIterator<Item = Replica>) -> Self {
        Self { list: list.into_iter().collect(), ..Self::default() }
    }

    /// As a file says.
    pub fn targets_file(file: impl Into<PathBuf>) -> Self {
        Self { targets_file: Some(file.into()), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), SpecError> {
        let ways = usize::from(self.template.is_some())
            + usize::from(!self.list.is_empty())
            + usize::from(self.targets_file.is_some());
        if ways != 1 {
            return Err(SpecError::new(format!(
                "`replicas` has {ways} of `template`, `list` and `targetsFile`: one of them says where the pages are"
            )));
        }
        if let Some(template) = &self.template
            && !((template.contains("{pod}") || template.contains("{address}"))
                && is_url(&template.replace("{pod}", "a").replace("{address}", "a")))
        {
            return Err(SpecError::new(format!(
                "`template` is `{template}`: write an address with `{{pod}}` or `{{address}}`, such as \
                 `http://{{pod}}.llm.inference:8000/metrics`"
            )));
        }
        match self.list.iter().find(|replica| !is_url(&replica.url)) {
            Some(Replica { name, url }) => Err(SpecError::new(format!(
                "the `url` of `{name}` is `{url}`: write an address, such as `http://10.0.0.7:8000/metrics`"
            ))),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Replicas for ReplicasSpec {
    async fn replicas(&self, ask: Ask<'_>) -> Result<Vec<Replica>, SourceError> {
        if let Some(file) = &self.targets_file {
            return read(file);
        }
        let Some(template) = &self.template else { return Ok(self.list.clone()) };
        let running = ask.pods.iter().filter(|pod| pod.phase == PodPhase::Running);
        let all: Vec<Replica> = running.filter_map(|pod| page_of(template, pod)).collect();
        if all.is_empty() {
            let message = if template.contains("{address}") {
                "the target knows no running pods and where they are reached"
            } else {
                "the target knows no running pods, by whose names the pages are found"
            };
            return Err(SourceError::Empty(String::from(message)));
        }
        Ok(all)
    }
}

/// Nothing if it takes an address and the pod has none yet.
fn page_of(template: &str, pod: &PodRecord) -> Option<Replica> {
    let mut url = template.replace("{pod}", &pod.name);
    if template.contains("{address}") {
        let address = pod.address.as_deref()?;
        // An IPv6 address stands in brackets in a URL.
        let bare = address.parse::<Ipv6Addr>().is_ok();
        let host = if bare { format!("[{address}]") } else { String::from(address) };
        url = url.replace("{address}", &host);
    }
    is_url(&url).then(|| Replica { name: pod.name.clone(), url })
}

fn read(file: &Path) -> Result<Vec<Replica>, SourceError> {
    let shown = file.display();
    let unreadable = |error| SourceError::Unreachable(format!("`{shown}` can't be read: {error}"));
    if std::fs::metadata(file).map_err(unreadable)?.len() > MOST_BYTES {
        return Err(SourceError::TooLarge { limit: MOST_BYTES });
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let groups: Vec<Group> = serde_json::from_slice(&bytes)
        .map_err(|error| SourceError::Malformed(format!("`{shown}`: {error}")))?;
    let mut all = Vec::new();
    for Group { targets, labels } in &groups {
        let label = |name: &str| labels.get(name).map(String::as_str);
        let scheme = label("__scheme__").unwrap_or("http");
        let path = label("__metrics_path__").unwrap_or("/metrics");
        // A name that several share names none of them.
        let name = label("replica").or(label("pod")).filter(|_| targets.len() == 1);
        for target in targets {
            let url = format!("{scheme}://{target}{path}");
            if !is_url(&url) {
                return Err(SourceError::Malformed(format!(
                    "`{shown}` has the target `{target}`: it is a host and a port"
                )));
            }
            all.push(Replica { name: String::from(name.unwrap_or(target)), url });
        }
    }
    Ok(all)
}

fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_where_the_pod_is() {
        let pod = |address: Option<&str>| PodRecord {
            name: "a".into(),
            address: address.map(String::from),
            ..PodRecord::default()
        };
        let page = |template: &str, pod: &PodRecord| page_of(template, pod).map(|page| page.url);
        let by_address = "http://{address}:8000/metrics";
        assert_eq!(
            page(by_address, &pod(Some("10.0.0.7"))).unwrap(),
            "http://10.0.0.7:8000/metrics"
        );
        assert_eq!(
            page(by_address, &pod(Some("fd00::7"))).unwrap(),
            "http://[fd00::7]:8000/metrics"
        );
        assert_eq!(page(by_address, &pod(None)), None);
        assert_eq!(page("http://{pod}.llm/metrics", &pod(None)).unwrap(), "http://a.llm/metrics");
        assert!(ReplicasSpec::template(by_address).check().is_ok());
        assert!(ReplicasSpec::template("http://{name}:8000/").check().is_err());
    }

    #[test]
    fn a_file_of_targets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets.json");
        assert_eq!(read(&file).unwrap_err().cause(), "unreachable");
        let text = r#"[
            {"targets": ["127.0.0.1:9001"], "labels": {"replica": "replica-1", "__meta_trimtab_ready": "true"}},
            {"targets": ["a:1", "b:2"], "labels": {"pod": "x", "__metrics_path__": "/m", "__scheme__": "https"}}
        ]"#;
        std::fs::write(&file, text).unwrap();
        let replica = |name: &str, url: &str| Replica { name: name.into(), url: url.into() };
        let expected = [
            replica("replica-1", "http://127.0.0.1:9001/metrics"),
            replica("a:1", "https://a:1/m"),
            replica("b:2", "https://b:2/m"),
        ];
        assert_eq!(read(&file).unwrap(), expected);
        for broken in ["", "{}", "[{}]", r#"[{"targets": ["a b"]}]"#, r#"[{"targets": [7]}]"#] {
            std::fs::write(&file, broken).unwrap();
            assert_eq!(read(&file).unwrap_err().cause(), "malformed", "{broken}");
        }
        std::fs::write(&file, "[]").unwrap();
        assert_eq!(read(&file).unwrap(), []);
    }
}
