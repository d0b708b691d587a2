//! The warm pool as pods of the workload itself, with servers that sleep and wake.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use trimtab_apiserver::fixture::{self, PodFixture, eventually};
use trimtab_apiserver::{ApiServer, Rule};
use trimtab_engine::{Readiness, WarmCounts, WarmPlan};
use trimtab_kube::cluster::{Cluster, Scope};
use trimtab_kube::target::{KubeTarget, RetirementSpec};
use trimtab_manifest::SleepSpec;
use trimtab_metric::Span;
use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus};

use crate::servers::{Fault, Server};
use crate::side::{Side, id, replicas, sides};

const SOON: Duration = Duration::from_secs(30);

/// A workload of which some stand by, with a server in each pod.
struct Bench {
    side: Side,
    servers: Vec<Server>,
    cluster: Cluster,
    spec: SleepSpec,
    stop: CancellationToken,
}

/// How a pod is marked at the beginning; the word is its label.
const SERVES: &str = "";

impl Bench {
    /// Pods `llm-1`, `llm-2` and so on, one for each word.
    async fn of(test: &str, network: u8, words: &[&str]) -> Vec<Self> {
        let mut benches = Vec::new();
        for (number, side) in (0..).zip(sides(test).await) {
            benches.push(Self::on(side, [network, number], words).await);
        }
        benches
    }

    async fn on(side: Side, network: [u8; 2], words: &[&str]) -> Self {
        let asleep: Vec<bool> = words.iter().map(|word| *word == "asleep").collect();
        let servers = Server::several(network, &asleep).await;
        let count = i32::try_from(words.len()).unwrap();
        fixture::deployment(&side.client, &side.namespace, "llm", count).await;
        for (place, word) in words.iter().enumerate() {
            let pod = fixture_of(place, word, &servers);
            pod.create(&side.client, &side.namespace).await;
        }
        let stop = CancellationToken::new();
        let scope = Scope::namespaces([side.namespace.clone()]).without_nodes();
        let cluster = Cluster::watch(side.client.clone(), scope, stop.clone());
        tokio::time::timeout(SOON, cluster.synced()).await.unwrap();
        let port = servers.first().unwrap().port.into();
        let spec = SleepSpec { port, timeout_seconds: 1, ..SleepSpec::default() };
        Self { side, servers, cluster, spec, stop }
    }

    /// How many are let serve. None of them sleeps.
    async fn serving(&self) -> usize {
        let pods = self.pods().list(&Default::default()).await.unwrap().items;
        let serving = pods.iter().filter(|pod| pod.labels()["serving"] == "yes");
        let ips = serving.map(|pod| pod.status.as_ref().unwrap().pod_ip.clone().unwrap());
        let ips: Vec<String> = ips.collect();
        for server in &self.servers {
            let ip = server.ip.to_string();
            assert!(!(ips.contains(&ip) && server.is_asleep()), "{ip} serves and sleeps");
        }
        ips.len()
    }

    fn target(&self) -> KubeTarget {
        let retirement = RetirementSpec { pod_labels: [("serving".into(), "no".into())].into() };
        self.side
            .target("apps/v1", "Deployment", "llm")
            .with_cluster(self.cluster.clone())
            .with_retirement(retirement)
            .with_sleep(&self.spec, Span::from_secs(3600))
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.side.client.clone(), &self.side.namespace)
    }

    /// The pods that stand by, and how.
    async fn standing(&self) -> BTreeMap<String, String> {
        let pods = self.pods().list(&Default::default()).await.unwrap().items.into_iter();
        let standing = pods.filter_map(|pod| {
            let word = pod.labels().get("trimtab.dev/standby").cloned()?;
            assert_eq!(pod.labels()["serving"], "no", "who stands by gets nothing");
            Some((pod.name_any(), word))
        });
        standing.collect()
    }

    async fn count(&self) -> i32 {
        replicas(&self.side.client, &self.side.namespace, "llm").await
    }

    /// What a target sees as soon as the watch has seen what was written.
    async fn sees(&self, target: &KubeTarget, replicas: i32, warm: WarmCounts) -> TargetStatus {
        eventually(SOON, &format!("{replicas} and {warm:?}"), async || {
            let status = target.read(&id()).await.unwrap();
            (status.replicas == replicas && status.warm == Some(warm)).then_some(status)
        })
        .await
    }

    /// The words of those that stand by, once they are these.
    async fn stand(&self, words: &[(&str, &str)]) {
        let words: BTreeMap<String, String> =
            words.iter().map(|(pod, word)| (String::from(*pod), String::from(*word))).collect();
        eventually(SOON, &format!("{words:?}"), async || {
            (self.standing().await == words).then_some(())
        })
        .await;
    }

    /// Tends until those that stand by have these words.
    async fn tended(&self, target: &KubeTarget, words: &[(&str, &str)]) {
        let words: BTreeMap<String, String> =
            words.iter().map(|(pod, word)| (String::from(*pod), String::from(*word))).collect();
        eventually(SOON, &format!("{words:?}"), async || {
            target.read(&id()).await.unwrap();
            let _ = target.tend(&id()).await;
            (self.standing().await == words).then_some(())
        })
        .await;
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn fixture_of(place: usize, word: &str, servers: &[Server]) -> PodFixture {
    let long_ago = Timestamp::now() - SignedDuration::from_secs(600);
    let mut pod = PodFixture::new(&format!("llm-{}", place + 1)).label("app", "llm");
    pod = pod.label("serving", if word == SERVES { "yes" } else { "no" });
    if word != SERVES {
        pod = pod
            .label("trimtab.dev/standby", word)
            .label("trimtab.dev/draining", "true")
            .annotation("trimtab.dev/draining-since", "2026-11-24T10:00:00Z")
            .annotation("trimtab.dev/labels-before-draining", r#"{"serving":"yes"}"#);
    }
    if word == "asleep" {
        pod = pod.annotation("trimtab.dev/slept-at-restart", "0");
    }
    pod.ready_since(long_ago, long_ago)
        .status(json!({"podIP": servers.get(place).unwrap().ip.to_string()}))
}

fn warm(ready: u32, starting: u32) -> WarmCounts {
    WarmCounts { ready, starting }
}

fn plan(size: i32, promote: i32, demote: i32, refill: i32, release: i32) -> WarmPlan {
    WarmPlan { size, promote, start: 0, demote, refill, release }
}

fn change(from: i32, to: i32, plan: WarmPlan) -> Change {
    let mut change = Change::of(from, to);
    change.warm = Some(plan);
    change
}

#[tokio::test]
async fn those_that_sleep_are_counted_apart() {
    let words = [SERVES, "asleep", "asleep", "claimed", "waking"];
    for bench in Bench::of("asleep-read", 10, &words).await {
        let status = bench.sees(&bench.target(), 2, warm(3, 0)).await;
        let pods = status.pods.unwrap();
        let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
        assert_eq!(names, ["llm-1", "llm-5"]);
        assert_eq!(status.apart, ["llm-2", "llm-3", "llm-4"]);
        // Where it is reached is told; one that wakes up starts, and does not drain.
        assert_eq!(pods[0].address, Some(bench.servers[0].ip.to_string()));
        assert_eq!(pods[1].ready.unwrap().status, Readiness::False);
        assert_eq!(pods[1].draining_since, None);
        // Nothing is known of a workload whose pods can't be seen.
        let blind = bench.side.target("apps/v1", "Deployment", "llm");
        let blind = blind.with_sleep(&bench.spec, Span::ZERO);
        assert_eq!(blind.read(&id()).await.unwrap_err().cause(), "unreachable");
    }
}

#[tokio::test]
async fn who_is_promoted_wakes_up_and_then_serves() {
    for bench in Bench::of("asleep-promote", 11, &[SERVES, "asleep", "asleep", "idle"]).await {
        let target = bench.target();
        bench.sees(&target, 1, warm(3, 0)).await;
        // The one that is still awake is the soonest.
        let up = change(1, 3, plan(1, 2, 0, 0, 0));
        for _ in 0..2 {
            target.write(&id(), &up).await.unwrap();
            assert_eq!(bench.count().await, 4);
            bench.stand(&[("llm-3", "asleep")]).await;
            bench.sees(&target, 3, warm(1, 0)).await;
        }
        assert_eq!(bench.servers[3].told(), [""; 0]);
        assert_eq!(bench.servers[1].told(), ["wake"]);
        assert!(bench.servers[2].is_asleep());
        let pod = bench.pods().get("llm-2").await.unwrap();
        assert_eq!(pod.labels()["serving"], "yes");
        assert_eq!(pod.annotations().len(), 0);
        // It was decided on another count.
        let late = change(5, 6, plan(0, 1, 0, 0, 0));
        assert_eq!(target.write(&id(), &late).await, Err(TargetError::Conflict));
    }
}

#[tokio::test]
async fn one_that_does_not_wake_up_is_left_and_another_taken() {
    let words = [SERVES, "asleep", "asleep", "asleep", "asleep"];
    for bench in Bench::of("asleep-refuse", 12, &words).await {
        let target = bench.target();
        bench.sees(&target, 1, warm(4, 0)).await;
        for (server, fault) in [(1, Fault::Fails), (2, Fault::Slow), (3, Fault::Lies)] {
            bench.servers[server].breaks(fault);
        }
        let up = change(1, 2, plan(3, 1, 0, 0, 0));
        target.write(&id(), &up).await.unwrap();
        bench.stand(&[("llm-2", "idle"), ("llm-3", "idle"), ("llm-4", "idle")]).await;
        assert_eq!(bench.count().await, 5, "nobody is stopped and nobody is started");
        assert!(!bench.servers[4].is_asleep());
        // They are told of, and not counted upon.
        bench.sees(&target, 2, warm(0, 3)).await;
        let told = target.tend(&id()).await.unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @"pod `llm-2` does not wake up: `/wake_up` answers 500 Internal Server Error; pod `llm-3` does not wake up: `/wake_up` has not done it within 1s; pod `llm-4` does not wake up: `/wake_up` has not done it within 1s");
        }
        assert_eq!(told.cause(), "replicas");
        // Where none wakes up, one is started.
        let more = change(2, 3, plan(2, 1, 0, 0, 0));
        target.write(&id(), &more).await.unwrap();
        assert_eq!(bench.count().await, 6);
        bench.sees(&target, 3, warm(0, 3)).await;
        // One that can again is counted upon once it has been told again.
        bench.servers[1].breaks(Fault::None);
        let up = change(3, 4, plan(2, 1, 0, 0, 0));
        target.write(&id(), &up).await.unwrap();
        bench.stand(&[("llm-3", "idle"), ("llm-4", "idle")]).await;
        assert_eq!(bench.count().await, 6);
    }
}

#[tokio::test]
async fn who_leaves_goes_to_the_pool_and_falls_asleep() {
    for bench in Bench::of("asleep-demote", 13, &[SERVES, SERVES, SERVES]).await {
        let target = bench.target();
        bench.sees(&target, 3, warm(0, 0)).await;
        let mut drain = Change::of(3, 3);
        drain.drain = vec!["llm-2".into(), "llm-3".into()];
        target.write(&id(), &drain).await.unwrap();
        let mut down = change(3, 1, plan(1, 0, 1, 0, 0));
        down.retire = vec!["llm-2".into(), "llm-3".into()];
        target.write(&id(), &down).await.unwrap();
        // The first goes to the pool, the other one is stopped.
        bench.stand(&[("llm-2", "idle")]).await;
        assert_eq!(bench.count().await, 2);
        let pod = bench.pods().get("llm-3").await.unwrap();
        assert_eq!(pod.annotations()["controller.kubernetes.io/pod-deletion-cost"], "-2147483648");
        bench.pods().delete("llm-3", &Default::default()).await.unwrap();
        // Awake as it is, it would serve at once.
        bench.sees(&target, 1, warm(1, 0)).await;
        bench.servers[1].breaks(Fault::Lies);
        let told = eventually(SOON, "it is told of", async || target.tend(&id()).await.err()).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @"pod `llm-2` does not fall asleep: `/sleep?level=1` has not done it within 1s");
        }
        bench.sees(&target, 1, warm(1, 0)).await;
        // Another process, which knows nothing of that.
        bench.servers[1].breaks(Fault::None);
        bench.servers[1].told();
        let target = bench.target();
        bench.tended(&target, &[("llm-2", "asleep")]).await;
        assert_eq!(bench.servers[1].told(), ["sleep"]);
        assert_eq!(target.tend(&id()).await, Ok(()));
        bench.sees(&target, 1, warm(1, 0)).await;
        // And out of the pool.
        target.write(&id(), &change(1, 1, plan(0, 0, 0, 0, 1))).await.unwrap();
        assert_eq!(bench.count().await, 1);
    }
}

#[tokio::test]
async fn what_is_started_for_the_pool_never_serves() {
    for bench in Bench::of("asleep-refill", 14, &[SERVES, SERVES]).await {
        let target = bench.target();
        bench.sees(&target, 2, warm(0, 0)).await;
        for _ in 0..2 {
            target.write(&id(), &change(2, 2, plan(2, 0, 0, 2, 0))).await.unwrap();
            assert_eq!(bench.count().await, 4);
            // They are asked for, and not there.
            bench.sees(&target, 2, warm(0, 2)).await;
        }
        let Side { client, namespace, .. } = &bench.side;
        let fresh = |name: &str| PodFixture::new(name).label("app", "llm").label("serving", "yes");
        fresh("llm-new").create(client, namespace).await;
        // This one was faster than anybody could look.
        let ip = bench.servers[1].ip.to_string();
        fresh("llm-fast").ready().status(json!({"podIP": ip})).create(client, namespace).await;
        bench.tended(&target, &[("llm-new", "claimed"), ("llm-fast", "claimed")]).await;
        bench.sees(&target, 2, warm(1, 1)).await;
        let later = Timestamp::now() + SignedDuration::from_secs(5);
        let ip = bench.servers[0].ip.to_string();
        let ready = fresh("llm-new").ready_since(later, later).status(json!({"podIP": ip}));
        ready.update(client, namespace).await;
        bench.tended(&target, &[("llm-new", "asleep"), ("llm-fast", "claimed")]).await;
        bench.sees(&target, 2, warm(2, 0)).await;
        assert_eq!(bench.servers[1].told(), [""; 0], "it may have work, for an hour");
    }
}

#[tokio::test]
async fn what_a_process_left_is_taken_up() {
    for mut bench in Bench::of("asleep-restart", 15, &[SERVES, "asleep", "waking"]).await {
        // It was woken, and the process ended before it was let serve.
        let target = bench.target();
        bench.tended(&target, &[("llm-2", "asleep")]).await;
        let pod = bench.pods().get("llm-3").await.unwrap();
        assert_eq!(pod.labels()["serving"], "yes");
        bench.sees(&target, 2, warm(1, 0)).await;
        // One that started anew is awake, whatever stands at it, and is put to sleep again.
        let restarted = json!({"status": {"containerStatuses": [{
            "name": "main", "restartCount": 1, "ready": true, "image": "", "imageID": ""}]}});
        let patch = Patch::Merge(&restarted);
        bench.servers[1].restarts();
        bench.pods().patch_status("llm-2", &PatchParams::default(), &patch).await.unwrap();
        // Even where nobody can be asked.
        bench.spec.state_path = String::new();
        let target = bench.target();
        eventually(SOON, "it sleeps again", async || {
            target.read(&id()).await.unwrap();
            target.tend(&id()).await.unwrap();
            bench.servers[1].is_asleep().then_some(())
        })
        .await;
        eventually(SOON, "it is said", async || {
            let pod = bench.pods().get("llm-2").await.unwrap();
            (pod.annotations()["trimtab.dev/slept-at-restart"] == "1"
                && pod.labels()["trimtab.dev/standby"] == "asleep")
                .then_some(())
        })
        .await;
        assert_eq!(bench.servers[1].told(), ["sleep"]);
        bench.sees(&target, 2, warm(1, 0)).await;
        target.write(&id(), &change(2, 3, plan(0, 1, 0, 0, 0))).await.unwrap();
        assert_eq!(bench.servers[1].told(), ["wake"]);
        bench.stand(&[]).await;
    }
}

#[tokio::test]
async fn one_that_takes_its_time_is_not_waited_for() {
    for mut bench in Bench::of("asleep-lazy", 16, &[SERVES, "asleep"]).await {
        bench.spec.timeout_seconds = 20;
        let target = bench.target();
        bench.sees(&target, 1, warm(1, 0)).await;
        bench.servers[1].breaks(Fault::Lazy);
        let up = change(1, 2, plan(0, 1, 0, 0, 0));
        target.write(&id(), &up).await.unwrap();
        bench.stand(&[("llm-2", "waking")]).await;
        // It is a replica that starts, and nobody tells it twice.
        let status = bench.sees(&target, 2, warm(0, 0)).await;
        assert_eq!(status.pods.unwrap()[1].ready.unwrap().status, Readiness::False);
        target.tend(&id()).await.unwrap();
        target.write(&id(), &up).await.unwrap();
        assert_eq!(bench.serving().await, 1);
        bench.stand(&[]).await;
        assert_eq!(bench.serving().await, 2);
        assert_eq!(bench.servers[1].told(), ["wake"]);
        assert_eq!(bench.count().await, 2);
    }
}

/// Whichever request fails, nobody who serves is touched, nobody serves and sleeps, and to do it again
/// does it.
#[tokio::test]
async fn whatever_fails_nobody_is_cut() {
    let server = Arc::new(ApiServer::in_process().await);
    let client = server.client();
    // Promote two; promote one and refill it; promote one and start one; release one.
    let plans = [
        (3, plan(0, 2, 0, 0, 0), 3),
        (2, plan(2, 1, 0, 1, 0), 4),
        (4, WarmPlan { size: 0, promote: 2, start: 1, ..WarmPlan::default() }, 4),
        (1, plan(1, 0, 0, 0, 1), 2),
    ];
    let scale = |verb: &str| Rule::any().verb(verb).resource("deployments.apps/scale");
    let pod = |name: &str| Rule::any().verb("patch").resource("pods").name(name);
    let rules = [scale("get"), scale("patch"), pod("llm-2"), pod("llm-3")];
    for (number, (to, warm, count)) in (0..).zip(plans) {
        for (place, rule) in rules.iter().enumerate() {
            let namespace = format!("cut-{number}-{place}");
            fixture::namespace(&client, &namespace).await;
            let side = Side { namespace, ..Side::of(Arc::clone(&server), client.clone()) };
            let network = [21, number * 8 + u8::try_from(place).unwrap()];
            let bench = Bench::on(side, network, &[SERVES, "asleep", "asleep"]).await;
            let target = bench.target();
            bench.sees(&target, 1, WarmCounts { ready: 2, starting: 0 }).await;
            let rule = rule.clone().namespace(&bench.side.namespace);
            server.faults().fail(rule, 1, 500);
            let change = change(1, to, warm);
            let written = target.write(&id(), &change).await;
            let said = format!("{number} {place}: {written:?}");
            assert!(bench.serving().await >= 1, "{said}");
            assert!(bench.count().await >= count.min(3), "{said}");
            server.faults().clear();
            eventually(SOON, &said, async || {
                let _ = target.write(&id(), &change).await;
                let _ = target.tend(&id()).await;
                let serving = i32::try_from(bench.serving().await).unwrap();
                (serving == to.min(3) && bench.count().await == count).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn pods_that_leave_from_the_top_do_not_sleep() {
    for side in sides("asleep-kept").await {
        fixture::stateful_set(&side.client, &side.namespace, "db", 2).await;
        let target = side.target("apps/v1", "StatefulSet", "db");
        let target = target.with_sleep(&SleepSpec::default(), Span::ZERO);
        assert_eq!(target.read(&id()).await.unwrap_err().cause(), "refused");
    }
}
