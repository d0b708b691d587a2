//! Server-side apply: what is applied is there, and what is no longer applied is gone.

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use serde::Deserialize;
use serde_json::{Value, json};
use trimtab_kube::crd::{ScalingPolicy, ScalingPolicySpec};

use crate::seeds;
use crate::server::Judge;

fn api(client: Client) -> Api<DynamicObject> {
    Api::namespaced_with(client, "inference", &ApiResource::erase::<ScalingPolicy>(&()))
}

/// The `spec` that there is once somebody applied this.
async fn applied(
    api: &Api<DynamicObject>,
    manager: &str,
    spec: &Value,
) -> Result<Value, kube::Error> {
    let object = json!({
        "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": "p"}, "spec": spec,
    });
    let by = PatchParams::apply(manager).validation_strict();
    api.patch("p", &by, &Patch::Apply(object)).await.map(|object| object.data["spec"].clone())
}

/// With what the API server fills in.
fn filled(spec: &Value) -> Value {
    seeds::merged(json!({"strategy": "hpa", "mode": "active"}), spec.clone())
}

/// Whether two say the same, however numbers are written.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

/// Each field that a policy has, without the items of lists: JSON pointers.
fn fields(value: &Value, at: &str, found: &mut Vec<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        fields(inner, &at, found);
        found.push(at);
    }
}

fn without(mut spec: Value, at: &str) -> Value {
    if let Some((parent, key)) = at.rsplit_once('/')
        && let Some(Value::Object(fields)) = spec.pointer_mut(parent)
    {
        fields.shift_remove(&key.replace("~1", "/").replace("~0", "~"));
    }
    spec
}

fn is_valid(spec: &Value) -> bool {
    ScalingPolicySpec::deserialize(spec).is_ok_and(|spec| spec.compile().is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_applied_no_longer_is_gone() {
    for judge in Judge::both().await {
        let (api, mut wrong) = (api(judge.client()), Vec::new());
        for (name, seed) in seeds::all() {
            let mut found = Vec::new();
            fields(&seed, "", &mut found);
            let mut others: Vec<(String, Value)> = found
                .into_iter()
                .map(|at| (format!("{name} without {at}"), without(seed.clone(), &at)))
                .filter(|(_, spec)| is_valid(spec))
                .collect();
            others.extend(
                seeds::all()
                    .into_iter()
                    .map(|(other, spec)| (format!("{name}, then {other}"), spec)),
            );
            for (what, other) in others {
                applied(&api, "kubectl", &seed).await.unwrap();
                match applied(&api, "kubectl", &other).await {
                    Ok(spec) if is_same(&spec, &filled(&other)) => {}
                    Ok(spec) => wrong.push(format!("{what}: {spec}")),
                    Err(error) => wrong.push(format!("{what}: {error}")),
                }
            }
        }
        assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_apply_each_keeps_its_own() {
    for judge in Judge::both().await {
        let api = api(judge.client());
        let (whole, part) = (seeds::with(json!({})), json!({"minReplicas": 2}));
        let schedules = seeds::hpa()["schedules"].clone();
        let timed = json!({"schedules": schedules});
        applied(&api, "helm", &whole).await.unwrap();
        applied(&api, "team", &seeds::merged(part.clone(), timed.clone())).await.unwrap();
        let spec = applied(&api, "helm", &whole).await.unwrap();
        let both = seeds::merged(seeds::merged(whole.clone(), part.clone()), timed);
        assert!(is_same(&spec, &filled(&both)), "{spec}");
        // A field is one value: whoever else applies it is told who has it.
        let mine = seeds::merged(whole.clone(), json!({"schedules": [schedules[1]]}));
        let refused = applied(&api, "helm", &mine).await.unwrap_err().to_string();
        assert!(refused.contains(r#"conflict with "team""#), "{refused}");
        let spec = applied(&api, "team", &part).await.unwrap();
        assert!(is_same(&spec, &filled(&seeds::merged(whole, part))), "{spec}");
        api.delete("p", &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_holds_no_more_is_gone() {
    for judge in Judge::both().await {
        let api = api(judge.client());
        applied(&api, "kubectl", &seeds::with(json!({}))).await.unwrap();
        let condition = |type_: &str| {
            json!({"type": type_, "status": "True", "reason": "Valid", "message": "it is so",
                "lastTransitionTime": "2026-11-24T10:00:00Z"})
        };
        for types in [&["Accepted", "Contested", "AbleToScale"][..], &["Accepted", "AbleToScale"]] {
            let conditions: Vec<Value> = types.iter().map(|type_| condition(type_)).collect();
            let object = json!({
                "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
                "metadata": {"name": "p"}, "status": {"conditions": conditions},
            });
            let by = PatchParams::apply("trimtab-status").force();
            let written = api.patch_status("p", &by, &Patch::Apply(object)).await.unwrap();
            assert_eq!(written.data["status"]["conditions"], json!(conditions));
        }
    }
}
