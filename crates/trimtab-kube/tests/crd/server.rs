//! An API server that has the definition, and what it says of a policy.

use hyper::Request;
use kube::Client;
use serde_json::{Value, json};
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_kube::crd::crd;

/// An API server with the definition.
pub(crate) struct Judge {
    server: ApiServer,
    client: Client,
}

/// What is wrong, as the API server says it: the field and the sentence.
pub(crate) type Cause = (String, String);

impl Judge {
    /// The one in process, which has an evaluator of CEL of its own, and a real one where there is one.
    pub(crate) async fn both() -> Vec<Self> {
        let mut judges = Vec::new();
        for server in ApiServer::both().await {
            judges.push(Self::of(server).await);
        }
        judges
    }

    async fn of(server: ApiServer) -> Self {
        let client = server.client();
        fixture::install(&client, &crd()).await;
        fixture::namespace(&client, "inference").await;
        Self { server, client }
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn is_real(&self) -> bool {
        self.server.is_real()
    }

    /// What the server would say of a policy with this `spec`; empty if it would take it.
    pub(crate) async fn causes(&self, spec: &Value) -> Vec<Cause> {
        let path = "/apis/trimtab.dev/v1alpha1/namespaces/inference/scalingpolicies?dryRun=All&fieldValidation=Strict";
        let policy = json!({
            "apiVersion": "trimtab.dev/v1alpha1",
            "kind": "ScalingPolicy",
            "metadata": {"name": "p"},
            "spec": spec,
        });
        let body = serde_json::to_vec(&policy).unwrap();
        let request = Request::post(path).header("content-type", "application/json").body(body);
        match self.client.request_text(request.unwrap()).await {
            Ok(_) => Vec::new(),
            Err(kube::Error::Api(status)) => {
                let causes = status.details.iter().flat_map(|details| details.causes.iter());
                let mut told: Vec<Cause> =
                    causes.map(|cause| (cause.field.clone(), cause.message.clone())).collect();
                if told.is_empty() {
                    told.push((String::new(), status.message.clone()));
                }
                told
            }
            Err(error) => panic!("the server can't be asked: {error}"),
        }
    }
}
