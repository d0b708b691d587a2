//! The status subresource, read and written without the rest of the object: that may be one that can't be read.

use std::time::Duration;

use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::core::Request;
use kube::{Client, Error};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::timeout;
use trimtab_runtime::WorkloadId;

use crate::crd::{GROUP, KIND, PLURAL, ScalingPolicyStatus, VERSION};

/// Under this name statuses are written.
const FIELD_MANAGER: &str = "trimtab-status";

/// Reads and writes statuses.
#[derive(Clone)]
pub(crate) struct StatusApi {
    client: Client,
    patience: Duration,
}

/// A status as it is.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) uid: String,
    pub(crate) version: String,
    /// What can be read of it.
    pub(crate) status: ScalingPolicyStatus,
}

/// Why a status could not be read or written.
#[derive(Debug, Error)]
pub(crate) enum StatusError {
    /// Somebody changed the object since.
    #[error("the policy was changed since it was read")]
    Conflict,
    /// The policy is gone.
    #[error("there is no such policy any more")]
    Gone,
    /// There was no answer.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Another error.
    #[error("{0}")]
    Failed(Box<Error>),
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    status: Value,
}

/// Which object is meant: namespace, name, and the one of several of that name over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: WorkloadId,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl StatusApi {
    pub(crate) fn new(client: Client, patience: Duration) -> Self {
        Self { client, patience }
    }

    fn request(namespace: &str) -> Request {
        Request::new(format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"))
    }

    /// The status as it is now.
    pub(crate) async fn read(&self, named: &Named) -> Result<Held, StatusError> {
        let request = Self::request(&named.namespace);
        let request = request.get_subresource("status", &named.name);
        let held = self.send(request).await?;
        if held.uid == named.uid { Ok(held) } else { Err(StatusError::Gone) }
    }

    /// Writes all of a status, if the object is still as it was read.
    pub(crate) async fn write(
        &self,
        named: &Named,
        version: Option<&str>,
        status: &ScalingPolicyStatus,
    ) -> Result<Held, StatusError> {
        let Named { namespace, name, uid, .. } = named;
        let body = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": {
                "name": name, "namespace": namespace, "uid": uid, "resourceVersion": version,
            },
            "status": status,
        });
        let by = PatchParams::apply(FIELD_MANAGER).force();
        let request = Self::request(namespace);
        self.send(request.patch_subresource("status", name, &by, &Patch::Apply(body))).await
    }

    async fn send(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Held, StatusError> {
        let request =
            request.map_err(|error| StatusError::Failed(Box::new(Error::BuildRequest(error))))?;
        let object = match timeout(self.patience, self.client.request::<Object>(request)).await {
            Ok(Ok(object)) => object,
            Ok(Err(Error::Api(status))) if status.code == 409 => return Err(StatusError::Conflict),
            Ok(Err(Error::Api(status))) if status.code == 404 => return Err(StatusError::Gone),
            Ok(Err(error)) => return Err(StatusError::Failed(Box::new(error))),
            Err(_) => return Err(StatusError::TimedOut(self.patience)),
        };
        let metadata = object.metadata;
        Ok(Held {
            uid: metadata.uid.unwrap_or_default(),
            version: metadata.resource_version.unwrap_or_default(),
            status: serde_json::from_value(object.status).unwrap_or_default(),
        })
    }
}
