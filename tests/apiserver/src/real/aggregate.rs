//! The metrics APIs behind a real server's aggregation layer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use k8s_openapi::api::core::v1::Pod as KubePod;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificates::Certificates;
use crate::fixture::eventually;
use crate::memory::{Status, decode, query};
use crate::metrics::{Metrics, MetricsApi, Pod, answer};
use crate::serve::{Body, Handler, Serving};

/// The server that the API server asks. It is dropped with all its connections.
pub(super) struct Aggregated(Serving);

impl Aggregated {
    pub(super) fn start(
        certificates: &Certificates,
        metrics: Arc<Mutex<Metrics>>,
        config: Config,
    ) -> Self {
        crate::server::use_ring();
        let chain = CertificateDer::from_pem_file(&certificates.server).unwrap();
        let key = PrivateKeyDer::from_pem_file(&certificates.server_key).unwrap();
        let tls = ServerConfig::builder().with_no_client_auth();
        let tls = tls.with_single_cert(vec![chain], key).unwrap();
        let handler: Handler = Arc::new(move |request| {
            let (metrics, config) = (Arc::clone(&metrics), config.clone());
            Box::pin(async move { Ok(respond(&request, &metrics, config).await) })
        });
        Self(Serving::start(Some(TlsAcceptor::from(Arc::new(tls))), handler))
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port()
    }
}

async fn respond(
    request: &Request<Bytes>,
    metrics: &Mutex<Metrics>,
    config: Config,
) -> Response<Body> {
    // The aggregation layer writes what was `*` as `%2A`.
    let path = decode(request.uri().path());
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    let found = MetricsApi::ALL.into_iter().find_map(|api| match path.as_slice() {
        ["apis", group, version, rest @ ..]
            if *group == api.group() && *version == api.version() =>
        {
            Some((api, rest.to_vec()))
        }
        _ => None,
    });
    let Some((api, rest)) = found else {
        return Status::no_such_resource().response();
    };
    // The API server asks for the group again and again to see whether it is there, before there are any clients.
    let pods = if rest.is_empty() { Vec::new() } else { pods(config).await };
    let query = query(request.uri().query().unwrap_or_default());
    let metrics = metrics.lock().unwrap();
    match answer(api, &rest, &query, &metrics, &pods) {
        Ok(value) => crate::memory::json_response(200, &value),
        Err(status) => status.response(),
    }
}

async fn pods(config: Config) -> Vec<Pod> {
    let client = Client::try_from(config).unwrap();
    let pods = Api::<KubePod>::all(client).list(&ListParams::default()).await;
    let pods = pods.map(|list| list.items).unwrap_or_default();
    let pods = pods.into_iter().map(|pod| Pod {
        namespace: pod.metadata.namespace.unwrap_or_default(),
        name: pod.metadata.name.unwrap_or_default(),
        labels: pod.metadata.labels.unwrap_or_default(),
    });
    pods.collect()
}

/// Registers the APIs and takes away others of these, then waits until they are there.
pub(super) async fn register(client: &Client, port: u16, apis: &[MetricsApi]) {
    let service = json!({
        "metadata": {"name": "metrics", "namespace": "default"},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    });
    apply(client, "", "v1", "Service", Some("default"), service).await;
    for api in MetricsApi::ALL {
        let name = format!("{}.{}", api.version(), api.group());
        let services = resource(client, "apiregistration.k8s.io", "v1", "APIService", None);
        if !apis.contains(&api) {
            let _ = services.delete(&name, &Default::default()).await;
            continue;
        }
        let service = json!({
            "metadata": {"name": name},
            "spec": {
                "group": api.group(),
                "version": api.version(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": true,
                "service": {"name": "metrics", "namespace": "default", "port": port},
            },
        });
        apply(client, "apiregistration.k8s.io", "v1", "APIService", None, service).await;
        eventually(Duration::from_secs(60), &format!("{name} is available"), || async {
            let service = services.get(&name).await.ok()?;
            let conditions = service.data.pointer("/status/conditions")?.as_array()?;
            let available = |condition: &Value| {
                condition["type"] == "Available" && condition["status"] == "True"
            };
            conditions.iter().any(available).then_some(())
        })
        .await;
    }
}

fn resource(
    client: &Client,
    group: &str,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

async fn apply(
    client: &Client,
    group: &str,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
    mut object: Value,
) {
    object["kind"] = kind.into();
    object["apiVersion"] =
        if group.is_empty() { version.into() } else { format!("{group}/{version}").into() };
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let params = PatchParams::apply("test").force();
    let api = resource(client, group, version, kind, namespace);
    api.patch(&name, &params, &Patch::Apply(&object)).await.unwrap();
}
