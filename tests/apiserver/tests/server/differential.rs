//! The same requests, drawn at random, to both servers: the answers are the same.

use std::fmt::Write as _;

use hyper::{Method, Request};
use kube::{Client, Error};
use serde_json::{Value, json};
use trimtab_apiserver::{ApiServer, fixture};

/// A generator of which only that is asked that it is the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A request, and the part of it that is only known when it is sent.
struct Asked {
    method: Method,
    path: String,
    content_type: &'static str,
    body: Value,
    /// The version that was read last, or an older one.
    version: Option<bool>,
}

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";

const NAMESPACE: &str = "differential";
const MANAGERS: [&str; 3] = ["one", "two", "three"];

fn draw(draw: &mut Draw) -> Asked {
    let custom = draw.below(3) == 0;
    let (api_version, kind, plural, base) = if custom {
        ("example.dev/v1", "Engine", "engines", "/apis/example.dev/v1")
    } else {
        ("apps/v1", "Deployment", "deployments", "/apis/apps/v1")
    };
    let name = *draw.one(&["a", "b"]);
    let all = format!("{base}/namespaces/{NAMESPACE}/{plural}");
    let manager = *draw.one(&MANAGERS);
    let one = |part: &str| format!("{all}/{name}{part}?fieldManager={manager}");
    let replicas = i64::try_from(draw.below(5)).unwrap() - i64::from(draw.below(20) == 0);
    let version = match draw.below(6) {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    };
    let annotations = annotations(draw);
    let asked =
        |method, path, content_type, body| Asked { method, path, content_type, body, version };
    match draw.below(11) {
        0 | 1 => {
            let spec = if custom {
                json!({"replicas": replicas, "model": draw.one(&["x", "y"])})
            } else {
                json!({
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": name}},
                    "template": fixture::pod_template(name),
                })
            };
            let metadata = json!({"name": name, "annotations": annotations});
            let body = json!({
                "apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec,
            });
            Asked {
                version: None,
                ..asked(Method::POST, format!("{all}?fieldManager={manager}"), JSON, body)
            }
        }
        2 => asked(Method::DELETE, one(""), JSON, json!({})),
        3 | 4 => {
            asked(Method::PATCH, one("/scale"), MERGE, json!({"spec": {"replicas": replicas}}))
        }
        5 => {
            let body = json!({
                "apiVersion": "autoscaling/v1", "kind": "Scale",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {"replicas": replicas},
            });
            asked(Method::PUT, one("/scale"), JSON, body)
        }
        6 => {
            let body =
                json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}});
            asked(Method::PATCH, one(""), *draw.one(&[MERGE, MERGE, STRATEGIC]), body)
        }
        7 => {
            let status = json!({"replicas": draw.below(4), "selector": "app=x"});
            let status = if custom { status } else { json!({"replicas": status["replicas"]}) };
            asked(Method::PATCH, one("/status"), MERGE, json!({"status": status}))
        }
        8 => {
            let body = json!([
                {"op": "test", "path": "/metadata/name", "value": draw.one(&["a", "b"])},
                {"op": "add", "path": "/spec/replicas", "value": replicas},
            ]);
            Asked { version: None, ..asked(Method::PATCH, one(""), OPERATIONS, body) }
        }
        _ => {
            let mut force = draw.below(2) == 0;
            let mut body = json!({
                "apiVersion": api_version, "kind": kind,
                "metadata": {"name": name, "annotations": annotations},
            });
            if draw.below(2) == 0 {
                body["spec"] = json!({"replicas": replicas});
                force = true;
            }
            if custom && draw.below(2) == 0 {
                body["spec"]["model"] = "z".into();
            }
            asked(Method::PATCH, format!("{}&force={force}", one("")), APPLY, body)
        }
    }
}

fn annotations(draw: &mut Draw) -> Value {
    let mut annotations = json!({});
    for name in ["p", "q"] {
        if draw.below(2) == 0 {
            annotations[name] = (*draw.one(&["1", "2"])).into();
        }
    }
    annotations
}

/// A server, and the versions that were read from it.
struct Side {
    client: Client,
    versions: std::collections::BTreeMap<String, Vec<String>>,
}

impl Side {
    async fn ask(&mut self, asked: &Asked) -> Value {
        let place =
            asked.path.split(['?']).next().unwrap().replace("/scale", "").replace("/status", "");
        let mut body = asked.body.clone();
        let versions = self.versions.entry(place.clone()).or_default();
        let known = match asked.version {
            Some(true) => versions.last(),
            Some(false) => versions.first(),
            None => None,
        };
        if let Some(version) = known.filter(|_| body.is_object() && asked.method != Method::DELETE)
        {
            body["metadata"]["resourceVersion"] = version.clone().into();
        }
        let request = Request::builder().method(&asked.method).uri(&asked.path);
        let request = request.header("content-type", asked.content_type);
        let request = request.body(serde_json::to_vec(&body).unwrap()).unwrap();
        match self.client.request::<Value>(request).await {
            Ok(object) => {
                if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
                    let versions = self.versions.entry(place).or_default();
                    if versions.last().is_none_or(|last| last != version) {
                        versions.push(version.into());
                    }
                }
                plain(object)
            }
            Err(Error::Api(status)) => {
                json!({"code": status.code, "reason": status.reason, "message": status.message})
            }
            Err(other) => json!({"error": other.to_string()}),
        }
    }
}

/// Whose the count is after it was written through the scale as it was is a matter of chance with a
/// real server: the first such write gives it an entry of its own without a time, and the next
/// takes that away.
fn forget_replicas(entry: &mut Value) {
    let Some(fields) = entry.get_mut("fieldsV1").and_then(Value::as_object_mut) else { return };
    let Some(spec) = fields.get_mut("f:spec").and_then(Value::as_object_mut) else { return };
    spec.remove("f:replicas");
    if spec.is_empty() {
        fields.remove("f:spec");
    }
}

/// Without what is each server's own.
fn plain(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for own in ["uid", "resourceVersion", "creationTimestamp"] {
            metadata.remove(own);
        }
        for entry in
            metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten()
        {
            entry.as_object_mut().unwrap().remove("time");
            forget_replicas(entry);
        }
        if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
            // In one second all have the same time, by which they are ordered.
            entries.retain(|entry| entry["fieldsV1"] != json!({}));
            entries.sort_by_key(Value::to_string);
        }
    }
    if let Some(details) = object["details"].as_object_mut() {
        details.remove("uid");
    }
    object
}

#[tokio::test]
async fn both_answer_the_same() {
    let servers = ApiServer::both().await;
    let [memory, real] = servers.as_slice() else { return };
    let mut sides = Vec::new();
    for server in [memory, real] {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        fixture::install(&client, &fixture::engine()).await;
        sides.push(Side { client, versions: std::collections::BTreeMap::new() });
    }
    let steps = std::env::var("STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(600);
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut source = Draw(seed);
    let mut course = String::new();
    for step in 0..steps {
        let asked = draw(&mut source);
        let Asked { method, path, content_type, body, version } = &asked;
        writeln!(course, "{step}: {method} {path} {content_type} {body} {version:?}").unwrap();
        let first = sides[0].ask(&asked).await;
        let second = sides[1].ask(&asked).await;
        let course: Vec<&str> = course.lines().rev().take(12).collect();
        assert_eq!(
            serde_json::to_string_pretty(&first).unwrap(),
            serde_json::to_string_pretty(&second).unwrap(),
            "{}",
            course.join("\n")
        );
    }
}
