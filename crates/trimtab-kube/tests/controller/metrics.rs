//! What the controller counts of the cluster's side: each metric's name, type, labels and value after a known event, and that
//! these are the ones that are documented.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use trimtab_apiserver::fixture::eventually;
use trimtab_apiserver::{ApiServer, Rule};

use crate::harness::{
    HOME, Running, SOON, apply, client, cluster, page, queue, settings, spec, until_condition,
    until_replicas, with_pages, workload,
};

/// The metrics of a page whose names begin with `trimtab_kube_`.
#[derive(Debug, Default)]
struct Metrics {
    /// By name: the type.
    types: BTreeMap<String, String>,
    /// By name and labels, as they are written.
    values: BTreeMap<String, f64>,
}

impl Metrics {
    async fn of(at: SocketAddr) -> Self {
        let text = page(at, "/metrics").await.unwrap_or_default();
        let mut metrics = Self::default();
        for line in text.lines().filter(|line| line.contains("trimtab_kube_")) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, type_) = rest.split_once(' ').unwrap();
                // A counter's samples have an end that its name has not.
                let end = if type_ == "counter" { "_total" } else { "" };
                metrics.types.insert(format!("{name}{end}"), type_.to_owned());
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                metrics.values.insert(name.to_owned(), value.parse().unwrap());
            }
        }
        metrics
    }

    fn get(&self, name: &str) -> f64 {
        self.values.get(&format!("trimtab_kube_{name}")).copied().unwrap_or(f64::NAN)
    }

    /// Each as it stands in the reference: name, type, labels.
    fn listed(&self) -> BTreeSet<[String; 3]> {
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in self.values.keys() {
            let (name, rest) = name.split_once('{').unwrap_or((name, "}"));
            let pairs = rest.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
            let keys = pairs.map(|pair| pair.split_once('=').unwrap().0.to_owned());
            labels.entry(name.to_owned()).or_default().extend(keys);
        }
        let one = |(name, keys): (String, BTreeSet<String>)| {
            let type_ = self.types.get(&name).cloned().unwrap_or_default();
            let keys: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
            [format!("`{name}`"), type_, keys.join(", ")]
        };
        labels.into_iter().map(one).collect()
    }
}

/// Waits until a metric has a value.
async fn until(at: SocketAddr, name: &str, value: f64) {
    eventually(SOON, &format!("{name} is {value}"), || async {
        (Metrics::of(at).await.get(name) == value).then_some(())
    })
    .await;
}

/// Waits until a metric is more than it was.
async fn until_more(at: SocketAddr, name: &str, than: f64) {
    eventually(SOON, &format!("{name} is more than {than}"), || async {
        (Metrics::of(at).await.get(name) > than).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_counts_what_it_says_and_the_reference_has_them_all() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let mut wrong = spec("other");
    wrong["schedules"] =
        json!([{"name": "day", "start": "99 8 * * *", "durationSeconds": 60, "minReplicas": 2}]);
    apply(&admin, "wrong", wrong).await;
    let mut often = settings("one");
    often.save_interval = Duration::from_secs(2);
    let (settings, at) = with_pages(often).await;
    let controller = Running::start(client(&server), settings);
    until_condition(&admin, "wrong", "Accepted", "False Invalid").await;
    until_condition(&admin, "llm", "Accepted", "True Valid").await;
    until(at, "events_total{how=\"created\"}", 1.0).await;
    let first = Metrics::of(at).await;
    for (name, value) in [
        ("leases_held", 1.0),
        ("lease_moves_total", 1.0),
        ("lease_errors_total", 0.0),
        ("policies{reason=\"Accepted\"}", 1.0),
        ("policies{reason=\"Invalid\"}", 1.0),
        ("watch_listings{resource=\"pods\",namespace=\"\"}", 1.0),
        ("watch_synced{resource=\"pods\",namespace=\"\"}", 1.0),
        ("watch_synced{resource=\"nodes\",namespace=\"\"}", 1.0),
        ("watch_restarts_total{resource=\"scalingpolicies\"}", 0.0),
        ("watch_restarts_total{resource=\"horizontalpodautoscalers\"}", 0.0),
        ("status_writes_total{cause=\"intent\"}", 0.0),
        ("status_writes_total{cause=\"refusal\"}", 1.0),
        ("status_writes_total{cause=\"end\"}", 0.0),
        ("events_total{how=\"series\"}", 0.0),
        ("events_total{how=\"dropped\"}", 0.0),
    ] {
        assert_eq!(first.get(name), value, "{name} of {first:#?}");
    }
    assert!(first.get("status_writes_total{cause=\"change\"}") >= 1.0);
    until_more(at, "status_writes_total{cause=\"interval\"}", 0.0).await;

    // A change of scale is an intent, then a change, and an event; told again, the event is a series.
    for (waiting, intents) in [(40, 1.0), (8, 2.0), (40, 3.0)] {
        queue(&server, waiting);
        until_replicas(&admin, "llm", i32::try_from(waiting / 8).unwrap()).await;
        until(at, "status_writes_total{cause=\"intent\"}", intents).await;
    }
    until(at, "events_total{how=\"series\"}", 1.0).await;

    // What is mended is no longer refused.
    apply(&admin, "wrong", spec("other")).await;
    until(at, "policies{reason=\"Accepted\"}", 2.0).await;
    until(at, "policies{reason=\"Invalid\"}", 0.0).await;

    // Requests that fail, by what for and why.
    let statuses = Rule::any().verb("patch").resource("scalingpolicies.trimtab.dev/status");
    server.faults().fail(statuses, 1, 500);
    until(at, "request_errors_total{what=\"status write\",code=\"500\"}", 1.0).await;
    let events = || Rule::any().resource("events.events.k8s.io");
    server.faults().forbid(events());
    queue(&server, 16);
    until_more(at, "request_errors_total{what=\"event\",code=\"403\"}", 0.0).await;
    server.faults().clear();
    let before = Metrics::of(at).await.get("events_total{how=\"dropped\"}");
    server.faults().delay(events(), 1, Duration::from_secs(10));
    queue(&server, 24);
    until_more(at, "events_total{how=\"dropped\"}", before).await;
    server.faults().clear();

    // Watches that can't go on.
    server.faults().expire_watches();
    until_more(at, "watch_listings{resource=\"pods\",namespace=\"\"}", 1.0).await;
    for resource in ["scalingpolicies", "horizontalpodautoscalers"] {
        let name = format!("watch_restarts_total{{resource=\"{resource}\"}}");
        until_more(at, &name, 0.0).await;
    }
    until(at, "watch_synced{resource=\"pods\",namespace=\"\"}", 1.0).await;

    // What a lease that can't be renewed guards is written no more; and if nobody took it, it goes on.
    server.faults().forbid(Rule::any().resource("leases.coordination.k8s.io"));
    until(at, "leases_held", 0.0).await;
    let over = Metrics::of(at).await;
    assert_eq!(over.get("lease_moves_total"), 1.0);
    assert!(over.get("lease_errors_total") >= 1.0);
    server.faults().clear();
    until(at, "leases_held", 1.0).await;
    assert_eq!(Metrics::of(at).await.get("lease_moves_total"), 1.0);
    // Somebody takes it.
    let leases: Api<Lease> = Api::namespaced(admin.clone(), HOME);
    let theirs = json!({"spec": {"holderIdentity": "other", "leaseTransitions": 7}});
    leases.patch("trimtab-0", &PatchParams::default(), &Patch::Merge(theirs)).await.unwrap();
    until(at, "leases_held", 0.0).await;
    until(at, "lease_moves_total", 2.0).await;
    until(at, "policies{reason=\"Accepted\"}", 0.0).await;
    // Who does not renew it loses it.
    until(at, "leases_held", 1.0).await;
    until(at, "lease_moves_total", 3.0).await;
    until(at, "policies{reason=\"Accepted\"}", 2.0).await;

    let reference = include_str!("../../../../docs/src/reference/controller.md");
    let rows = reference.lines().filter(|line| line.starts_with("| `trimtab_kube_"));
    let documented: BTreeSet<[String; 3]> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let mut labels: Vec<&str> = cells[3].split(", ").collect();
            labels.sort_unstable();
            [cells[1].to_owned(), cells[2].to_owned(), labels.join(", ")]
        })
        .collect();
    assert_eq!(Metrics::of(at).await.listed(), documented);
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_move_are_counted_where_they_come_from_and_where_they_go_to() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    for number in 0..16 {
        let name = format!("w{number}");
        workload(&admin, &name, 1, spec(&name)).await;
    }
    let of = |identity: &str| {
        let mut settings = settings(identity);
        settings.leases.shards = 2;
        with_pages(settings)
    };
    let (one, at_first) = of("first").await;
    let first = Running::start(client(&server), one);
    until(at_first, "leases_held", 2.0).await;
    until(at_first, "policies{reason=\"Accepted\"}", 16.0).await;
    let (other, at_second) = of("second").await;
    let second = Running::start(client(&server), other);
    until(at_second, "leases_held", 1.0).await;
    until(at_first, "leases_held", 1.0).await;
    until(at_first, "lease_moves_total", 3.0).await;
    until(at_second, "lease_moves_total", 1.0).await;
    // What was not written yet is, before the lease is given back.
    until_more(at_first, "status_writes_total{cause=\"end\"}", 0.0).await;
    eventually(SOON, "each policy is somebody's", || async {
        let of = |at| async move { Metrics::of(at).await.get("policies{reason=\"Accepted\"}") };
        let (first, second) = (of(at_first).await, of(at_second).await);
        (first + second == 16.0 && first > 0.0 && second > 0.0).then_some(())
    })
    .await;
    let leases: Api<Lease> = Api::namespaced(admin.clone(), HOME);
    assert!(leases.get("trimtab-0").await.is_ok() && leases.get("trimtab-1").await.is_ok());
    first.end().await;
    second.end().await;
}
