//! A policy that was made of an HPA, in shadow beside it: the same counts at every step, and the same conditions where each
//! step ends. The HPA is the real one, of kube-controller-manager.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus as HpaStatus,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;
use trimtab_apiserver::fixture::{self, PodFixture, eventually};
use trimtab_apiserver::{ApiServer, MetricsApi};
use trimtab_kube::crd::policy_of;
use trimtab_runtime::{DecisionSink, SinkError, Tick};

use crate::harness::{
    NAMESPACE, Running, SOON, apply, client, cluster, queue, settings, until_condition,
};

/// What is compared of conditions.
const CONDITIONS: [&str; 3] = ["AbleToScale", "ScalingActive", "ScalingLimited"];

/// What one of the two said so far: the counts that it wanted, without repetitions, and its conditions now.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    counts: Vec<i32>,
    conditions: Vec<String>,
}

impl Said {
    fn hear(&mut self, count: i32, conditions: Vec<String>) {
        if self.counts.last() != Some(&count) {
            self.counts.push(count);
        }
        self.conditions = conditions;
    }
}

/// Takes what the policy decides.
#[derive(Default)]
struct Ours(Mutex<Said>);

#[async_trait]
impl DecisionSink for Ours {
    fn name(&self) -> &str {
        "ours"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        let decision = &tick.record.decision;
        let conditions = decision.conditions.iter().map(|condition| {
            let (type_, status) = (condition.type_, condition.status);
            format!("{type_:?} {status:?} {:?}", condition.reason)
        });
        let conditions = conditions.filter(|one| is_compared(one)).collect();
        self.0.lock().unwrap().hear(decision.desired_replicas, conditions);
        Ok(())
    }
}

fn is_compared(condition: &str) -> bool {
    CONDITIONS.iter().any(|type_| condition.starts_with(type_))
}

fn of_hpa(status: &HpaStatus) -> Vec<String> {
    let conditions = status.conditions.iter().flatten();
    let mut told: Vec<String> = conditions
        .map(|one| {
            format!("{} {} {}", one.type_, one.status, one.reason.clone().unwrap_or_default())
        })
        .filter(|one| is_compared(one))
        .collect();
    told.sort();
    told
}

/// The two, beside each other.
struct Both {
    admin: Client,
    theirs: Arc<Mutex<Said>>,
    ours: Arc<Ours>,
    controller: Running,
    _watch: AbortOnDropHandle<()>,
}

impl Both {
    /// An HPA and the policy made of it, of the Deployment `llm`, which has so many replicas.
    async fn start(server: &ApiServer, admin: Client, replicas: i32, spec: Value) -> Self {
        fixture::deployment(&admin, NAMESPACE, "llm", replicas).await;
        follow(&admin, old).await;
        let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(admin.clone(), NAMESPACE);
        let hpa = json!({"metadata": {"name": "llm"}, "spec": spec});
        let hpa = serde_json::from_value(hpa).unwrap();
        let theirs = Arc::new(Mutex::new(Said::default()));
        let watch = tokio::spawn(follow_hpa(hpas.clone(), Arc::clone(&theirs)));
        let hpa = hpas.create(&PostParams::default(), &hpa).await.unwrap();
        let policy = policy_of(&hpa).unwrap().policy;
        let mut spec = serde_json::to_value(&policy.spec).unwrap();
        spec["hpa"]["syncPeriodSeconds"] = 1.into();
        apply(&admin, "llm", spec).await;
        let ours = Arc::new(Ours::default());
        let mut settings = settings("one");
        settings.sinks.push(Arc::clone(&ours) as Arc<dyn DecisionSink>);
        let controller = Running::start(client(server), settings);
        until_condition(&admin, "llm", "Adopted", "False HorizontalPodAutoscalerPresent").await;
        Self { admin, theirs, ours, controller, _watch: AbortOnDropHandle::new(watch) }
    }

    /// Waits until both have gone these steps, each from the last of those before, and say the same of where they are.
    async fn go(&self, what: &str, steps: &[i32], pods: impl Fn(PodFixture) -> PodFixture) {
        let before = self.said();
        let last = *steps.last().unwrap();
        println!("{what}: {steps:?}");
        eventually(SOON, &format!("{what}: both want {last}"), || async {
            let is = follow(&self.admin, &pods).await;
            let (theirs, ours) = self.said();
            let done = [&theirs, &ours].iter().all(|said| said.counts.last() == Some(&last));
            (done && is == last && theirs.conditions == ours.conditions).then_some(())
        })
        .await;
        for (whose, before, said) in
            [("the HPA", before.0, self.said().0), ("the policy", before.1, self.said().1)]
        {
            let since = before.counts.len().saturating_sub(1);
            assert_eq!(said.counts[since..], *steps, "{what}: {whose}");
        }
    }

    /// Waits until both say this of themselves, and want what they wanted.
    async fn say(&self, what: &str, condition: &str, pods: impl Fn(PodFixture) -> PodFixture) {
        let before = self.said();
        eventually(SOON, &format!("{what}: both say {condition}"), || async {
            follow(&self.admin, &pods).await;
            let (theirs, ours) = self.said();
            let says = theirs.conditions.iter().any(|one| one == condition);
            (says && theirs.conditions == ours.conditions).then_some(())
        })
        .await;
        let (theirs, ours) = self.said();
        assert_eq!((theirs.counts, ours.counts), (before.0.counts, before.1.counts), "{what}");
    }

    fn said(&self) -> (Said, Said) {
        let mut ours = self.ours.0.lock().unwrap().clone();
        ours.conditions.sort();
        (self.theirs.lock().unwrap().clone(), ours)
    }
}

/// Notes each status of the HPA, in their order.
async fn follow_hpa(hpas: Api<HorizontalPodAutoscaler>, said: Arc<Mutex<Said>>) {
    let mut events = watcher::watcher(hpas, watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        let (watcher::Event::Apply(hpa) | watcher::Event::InitApply(hpa)) = event.unwrap() else {
            continue;
        };
        // Before its first look it says nothing.
        if let Some(status) = hpa.status.filter(|status| status.conditions.is_some()) {
            said.lock().unwrap().hear(status.desired_replicas, of_hpa(&status));
        }
    }
}

/// Pods as many as are asked for, of which new ones are made so; and the count.
async fn follow(admin: &Client, make: impl Fn(PodFixture) -> PodFixture) -> i32 {
    let deployments: Api<Deployment> = Api::namespaced(admin.clone(), NAMESPACE);
    let wanted = deployments.get("llm").await.unwrap().spec.unwrap().replicas.unwrap_or(1);
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    let there = pods.list(&ListParams::default().labels("app=llm")).await.unwrap().items;
    let there: Vec<String> = there.iter().map(ResourceExt::name_any).collect();
    let needed: Vec<String> = (0..wanted).map(|number| format!("llm-{number}")).collect();
    for name in needed.iter().filter(|name| !there.contains(name)) {
        make(PodFixture::new(name).label("app", "llm")).create(admin, NAMESPACE).await;
    }
    for name in there.iter().filter(|name| !needed.contains(name)) {
        pods.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
    }
    fixture::observe_replicas(admin, NAMESPACE, "llm", wanted, wanted).await;
    wanted
}

/// Ready since an hour, when it started.
fn old(pod: PodFixture) -> PodFixture {
    let since = Timestamp::now() - Duration::from_secs(3600);
    pod.ready_since(since, since)
}

/// Started, and never ready.
fn unready(pod: PodFixture) -> PodFixture {
    pod.running(Timestamp::now() - Duration::from_secs(3600))
}

async fn server() -> Option<(ApiServer, Client)> {
    let server = ApiServer::real().await?;
    let flags = [
        "--controllers=horizontal-pod-autoscaler-controller",
        "--horizontal-pod-autoscaler-sync-period=1s",
    ];
    let apis = [MetricsApi::External, MetricsApi::Resource];
    // What is served when it starts it knows at once.
    server.serve_metrics(&apis).await;
    let server = server.with_controller_manager(&flags).await?;
    let admin = cluster(&server).await;
    server.serve_metrics(&apis).await;
    Some((server, admin))
}

fn hpa(least: i32, most: i32, metric: Value, behavior: Value) -> Value {
    json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "minReplicas": least, "maxReplicas": most, "metrics": [metric], "behavior": behavior,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_queue_both_go_the_same_steps() {
    let Some((server, admin)) = server().await else { return };
    let metric = json!({"type": "External", "external": {
        "metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "8"},
    }});
    let behavior = json!({
        "scaleUp": {"policies": [{"type": "Pods", "value": 3, "periodSeconds": 5}]},
        "scaleDown": {"stabilizationWindowSeconds": 10, "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 6},
            {"type": "Percent", "value": 10, "periodSeconds": 6}]},
    });
    let both = Both::start(&server, admin, 1, hpa(1, 12, metric, behavior)).await;
    both.go("at first", &[1], old).await;
    queue(&server, 64);
    both.go("up, 3 in 5 s", &[1, 4, 7, 8], old).await;
    // What was added lately counts no longer.
    tokio::time::sleep(Duration::from_secs(8)).await;
    queue(&server, 160);
    both.go("up to the most", &[8, 11, 12], old).await;
    both.say("it would be more", "ScalingLimited True TooManyReplicas", old).await;
    queue(&server, 16);
    both.say("within the window", "AbleToScale True ScaleDownStabilized", old).await;
    both.go("down, 4 in 6 s, after the window", &[12, 8, 4, 2], old).await;
    queue(&server, 40);
    both.go("up again", &[2, 5], old).await;
    queue(&server, 8);
    both.say("within the window", "AbleToScale True ScaleDownStabilized", old).await;
    queue(&server, 48);
    both.go("before the window is over", &[5, 6], old).await;
    server.set_metrics(|metrics| metrics.fail(MetricsApi::External, Some(503)));
    both.say("without a metric", "ScalingActive False FailedGetExternalMetric", old).await;
    queue(&server, 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.set_metrics(|metrics| metrics.fail(MetricsApi::External, None));
    both.go("it is there again", &[6, 2, 1], old).await;
    both.say("it would be less", "ScalingLimited True TooFewReplicas", old).await;
    both.controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_use_of_pods_both_go_the_same_steps() {
    let Some((server, admin)) = server().await else { return };
    let metric = json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50},
    }});
    let behavior = json!({
        "scaleUp": {"policies": [{"type": "Pods", "value": 20, "periodSeconds": 15}]},
        "scaleDown": {"stabilizationWindowSeconds": 6},
    });
    // Of the half core that each asked for.
    let uses = |pods: std::ops::Range<i32>, cpu: &str| {
        server.set_metrics(|metrics| {
            for number in pods {
                let name = format!("llm-{number}");
                metrics.usage(NAMESPACE, &name, "main", &[("cpu", cpu), ("memory", "1Gi")]);
            }
        });
    };
    uses(0..4, "250m");
    uses(4..7, "50m");
    let both = Both::start(&server, admin, 4, hpa(1, 12, metric, behavior)).await;
    both.go("at first", &[4], old).await;
    uses(0..4, "400m");
    // New ones are not ready, and count as idle: 7 are enough.
    both.go("up, and new ones are not ready", &[4, 7], unready).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    both.go("they stay so", &[7], unready).await;
    // Those that are not ready don't count where the others could do with fewer: of 4, two fifths.
    uses(0..4, "100m");
    both.go("down by those that are ready", &[7, 2, 1], unready).await;
    both.controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_pods_without_metrics_both_go_the_same_steps() {
    let Some((server, admin)) = server().await else { return };
    let metric = json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50},
    }});
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 6}});
    let uses = |pods: std::ops::Range<i32>, cpu: &str| {
        server.set_metrics(|metrics| {
            metrics.clear();
            for number in pods {
                let name = format!("llm-{number}");
                metrics.usage(NAMESPACE, &name, "main", &[("cpu", cpu), ("memory", "1Gi")]);
            }
        });
    };
    uses(0..6, "250m");
    let both = Both::start(&server, admin, 6, hpa(1, 12, metric, behavior)).await;
    both.go("at first", &[6], old).await;
    // Two of six say nothing: they use all of it where the rest could do with fewer.
    uses(0..4, "150m");
    tokio::time::sleep(Duration::from_secs(8)).await;
    both.go("no fewer while two say nothing", &[6], old).await;
    // And nothing where the rest need more: 4 * 500 m of 6 * 500 m are two thirds.
    uses(0..4, "500m");
    both.go("up by what is known", &[6, 8], old).await;
    uses(0..0, "0");
    both.say("nobody says anything", "ScalingActive False FailedGetResourceMetric", old).await;
    uses(0..8, "125m");
    both.go("down after the window", &[8, 4, 2, 1], old).await;
    both.controller.end().await;
}
