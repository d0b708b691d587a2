//! Leases as the API server has them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::{Client, Error};
use tokio::time::timeout;

use super::LeaseSettings;
use super::claim::{Answer, Record, Write};
use super::shards::{Key, Request};

/// The label by which those who share the work find their leases.
const GROUP: &str = "trimtab.dev/controller";
/// The label that says what a lease is for: `shard` or `member`.
const ROLE: &str = "trimtab.dev/lease";
/// The annotation with the number of shards that the holder divides policies into.
const SHARDS: &str = "trimtab.dev/shards";

const FIELD_MANAGER: &str = "trimtab-controller";

/// Where leases are.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// All leases of those who share the work, as they are now.
    async fn list(&self) -> Result<BTreeMap<Key, Record>, String>;

    /// Does what is asked, and says what went wrong, if that is worth saying.
    async fn send(&self, request: &Request) -> (Answer, Option<String>);
}

/// Leases in a cluster.
pub(crate) struct LeaseApi {
    api: Api<Lease>,
    name: String,
    shards: u32,
    duration: Duration,
    patience: Duration,
}

impl LeaseApi {
    pub(crate) fn new(client: Client, settings: &LeaseSettings) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            name: settings.name.clone(),
            shards: settings.shards,
            duration: settings.duration,
            patience: settings.request_timeout,
        }
    }

    async fn write(&self, key: Key, write: &Write) -> Result<Record, Error> {
        let lease = self.lease(key, write);
        let by = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let lease = match &write.replaces {
            Some(_) => self.api.replace(&self.name_of(key), &by, &lease).await?,
            None => self.api.create(&by, &lease).await?,
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let read = self.read(lease).map(|(_, record)| record);
        // What was just written can be read again.
        Ok(read.unwrap_or_else(|| Record { version, ..self.record(write) }))
    }

    fn name_of(&self, key: Key) -> String {
        match key {
            Key::Shard(shard) => format!("{}-{shard}", self.name),
            Key::Member(number) => format!("{}-member-{number}", self.name),
        }
    }

    fn record(&self, write: &Write) -> Record {
        Record {
            version: String::new(),
            holder: write.holder.clone(),
            transitions: write.transitions,
            duration: self.duration,
            acquired: write.replaces.as_ref().and_then(|record| record.acquired.clone()),
            shards: self.shards,
        }
    }

    fn lease(&self, key: Key, write: &Write) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = write.replaces.as_ref();
        let goes_on = before.filter(|record| {
            record.holder == write.holder && record.transitions == write.transitions
        });
        let acquired = goes_on.and_then(|record| record.acquired.clone());
        let role = if matches!(key, Key::Shard(_)) { "shard" } else { "member" };
        let labels = [(GROUP, self.name.as_str()), (ROLE, role)];
        let pair = |(name, value): (&str, &str)| (String::from(name), String::from(value));
        let shards = self.shards.to_string();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name_of(key)),
                resource_version: before.map(|record| record.version.clone()),
                labels: Some(labels.map(pair).into()),
                annotations: Some([pair((SHARDS, &shards))].into()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
                renew_time: Some(now),
                // One that was released lasts no longer, for whoever asks by its times.
                holder_identity: Some(write.holder.clone().unwrap_or_default()),
                lease_duration_seconds: Some(whole_seconds(self.duration)),
                lease_transitions: Some(write.transitions),
                ..LeaseSpec::default()
            }),
        }
    }

    fn read(&self, lease: Lease) -> Option<(Key, Record)> {
        let metadata = lease.metadata;
        let name = metadata.name?;
        let key = name.strip_prefix(&self.name)?.strip_prefix('-')?;
        let key = match key.strip_prefix("member-") {
            Some(number) => Key::Member(number.parse().ok()?),
            None => Key::Shard(key.parse().ok()?),
        };
        let spec = lease.spec.unwrap_or_default();
        let shards = metadata.annotations.as_ref().and_then(|all| all.get(SHARDS)?.parse().ok());
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let record = Record {
            version: metadata.resource_version.unwrap_or_default(),
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            transitions: spec.lease_transitions.unwrap_or(0),
            duration: seconds.map_or(self.duration, Duration::from_secs),
            acquired: spec.acquire_time,
            shards: shards.unwrap_or(self.shards),
        };
        Some((key, record))
    }
}

#[async_trait]
impl Backend for LeaseApi {
    async fn list(&self) -> Result<BTreeMap<Key, Record>, String> {
        let ours = ListParams::default().labels(&format!("{GROUP}={}", self.name));
        let listed = timeout(self.patience, self.api.list(&ours)).await;
        let listed = listed.map_err(|_| format!("no answer within {:?}", self.patience))?;
        let listed = listed.map_err(|error| error.to_string())?;
        Ok(listed.items.into_iter().filter_map(|lease| self.read(lease)).collect())
    }

    async fn send(&self, request: &Request) -> (Answer, Option<String>) {
        let Request(key, write) = request;
        match timeout(self.patience, self.write(*key, write)).await {
            Ok(Ok(record)) => (Answer::Done(record), None),
            Ok(Err(Error::Api(status))) if status.code == 409 || status.code == 404 => {
                (Answer::Conflict, None)
            }
            Ok(Err(error)) => (Answer::Failed, Some(error.to_string())),
            Err(_) => (Answer::Failed, Some(format!("no answer within {:?}", self.patience))),
        }
    }
}

/// Rounded up, since others wait for it, and at least 1, since the API server wants that.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_millis().div_ceil(1000).max(1);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}
