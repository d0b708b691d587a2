//! The document of a cluster: what it means when something is left out, and what is refused.

use std::path::Path;

use trimtab_manifest::{Limits, Source, from_str};
use trimtab_sim::cluster::Delay;
use trimtab_sim::{Cluster, ClusterSpec, ServiceProfile};

use crate::support::a100;

fn checked(yaml: &str) -> Result<Cluster, String> {
    let source = Source::new("cluster.yaml", yaml);
    let spec: ClusterSpec = from_str(&source, &Limits::default()).unwrap();
    let profile = ServiceProfile::named("llama-3.1-70b-a100x4").unwrap();
    spec.check(&profile).map_err(|refused| {
        let broken: Vec<_> = refused.broken().iter().map(ToString::to_string).collect();
        broken.join("\n")
    })
}

#[test]
fn everything_may_be_left_out() {
    let empty = checked("{}").unwrap();
    let profile = ServiceProfile::named("llama-3.1-70b-a100x4").unwrap();
    assert_eq!(empty, ClusterSpec::default().check(&profile).unwrap());
    assert_eq!(
        empty,
        checked("{gateway: {}, start: {}, warmPool: {}, pools: [{}], metrics: {}, control: {}}")
            .unwrap()
    );
    assert_eq!(empty.gateway().max_requests_per_replica, 256);
    assert_eq!(empty.gateway().queue_capacity, 10_000);
}

#[test]
fn a_document_survives_being_written_and_read() {
    let yaml = "
gateway: {queueCapacity: 0, maxRequestsPerReplica: 64, routing: RoundRobin, queueTimeoutSeconds: 0.5}
start: {nodeLaunch: 30, leadTimeSeconds: {medianSeconds: 150, p95Seconds: 400}}
warmPool: {size: 2}
currency: EUR
pools:
- {name: a, gpu: a100, gpusPerNode: 4, maxNodes: 3, initialNodes: 3, gpuHourPrice: 1.64, idleSeconds: 0}
- gpuHourPrice: 1.19
  lossesPerNodeHour: 0.1
  spot:
    noticeSeconds: 120
    availability: {steps: [{atSeconds: 0, nodes: 1}], repeatSeconds: 60, startSeconds: 30}
metrics: {scrapeSeconds: 1, delaySeconds: 0, lossProbability: 0.01, windowSeconds: 2}
control: {applySeconds: 0, initialReplicas: 0, drainSeconds: 300}
";
    let source = Source::new("cluster.yaml", yaml);
    let spec: ClusterSpec = from_str(&source, &Limits::default()).unwrap();
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<ClusterSpec>(&json).unwrap(), spec);
    let cluster = checked(yaml).unwrap();
    assert_eq!(cluster.pools()[1].name, "spot");
    assert_eq!(cluster.start().lead_time_seconds, Some(Delay::lognormal(150.0, 400.0).unwrap()));
    assert!(cluster.least_start_seconds() == 150.0 && cluster.has_prices());
    assert_eq!(cluster.cost_unit(), "EUR");
}

#[test]
fn every_rule_names_its_field_and_what_would_be_right() {
    for (yaml, expected) in [
        (
            "gateway: {maxRequestsPerReplica: 0}",
            "gateway.maxRequestsPerReplica is 0: it has to be at least 1",
        ),
        (
            "gateway: {queueTimeoutSeconds: 0}",
            "gateway.queueTimeoutSeconds is 0: it has to be above 0 and at most 1000000000",
        ),
        ("warmPool: {size: 100001}", "warmPool.size is 100001: it has to be at most 100000"),
        ("pools: []", "pools is empty: replicas need at least one pool to run on"),
        ("pools: [{name: ''}]", "pools[0].name is empty: leave it out for a default"),
        (
            "pools: [{}, {}]",
            "pools[1].name is `on-demand`, which another pool is: give each pool a name of its own",
        ),
        (
            "pools: [{name: a, gpuHourPrice: 2}, {}]",
            "pools[1].gpuHourPrice is missing: give all pools a price, or none: \
                 else their costs don't add up",
        ),
        (
            "pools: [{gpu: h100}]",
            "pools[0].gpu is `h100`: `llama-3.1-70b-a100x4` runs on `a100`; leave the pool out",
        ),
        (
            "pools: [{gpusPerNode: 3}]",
            "pools[0].gpusPerNode is 3: it has to be at least 4, the GPUs of a replica of \
                 `llama-3.1-70b-a100x4`",
        ),
        ("pools: [{maxNodes: 0}]", "pools[0].maxNodes is 0: it has to be at least 1"),
        (
            "pools: [{maxNodes: 2, initialNodes: 3}]",
            "pools[0].initialNodes is 3: it has to be at most 2",
        ),
        (
            "pools: [{gpuHourPrice: -1}]",
            "pools[0].gpuHourPrice is -1: it has to be from 0 to 1000000000",
        ),
        (
            "pools: [{idleSeconds: .nan}]",
            "pools[0].idleSeconds is NaN: it has to be from 0 to 1000000000",
        ),
        (
            "pools: [{lossesPerNodeHour: 3601}]",
            "pools[0].lossesPerNodeHour is 3601: it has to be from 0 to 3600",
        ),
        (
            "metrics: {scrapeSeconds: 0}",
            "metrics.scrapeSeconds is 0: it has to be from 0.1 to 1000000000",
        ),
        (
            "metrics: {delaySeconds: -1}",
            "metrics.delaySeconds is -1: it has to be from 0 to 1000000000",
        ),
        (
            "metrics: {lossProbability: 1}",
            "metrics.lossProbability is 1: it has to be at least 0 and below 1",
        ),
        (
            "metrics: {windowSeconds: 14}",
            "metrics.windowSeconds is 14: it has to be at least 30, twice `scrapeSeconds`: a rate needs two scrapes",
        ),
        (
            "currency: USD",
            "currency stands without prices: give the pools a `gpuHourPrice`, or leave the currency out",
        ),
        (
            "{currency: ' ', pools: [{gpuHourPrice: 2}]}",
            "currency is empty: write it as reports should, such as `USD`",
        ),
        (
            "control: {applySeconds: .inf}",
            "control.applySeconds is inf: it has to be from 0 to 1000000000",
        ),
        (
            "control: {initialReplicas: 100001}",
            "control.initialReplicas is 100001: it has to be at most 100000",
        ),
        (
            "control: {drainSeconds: -1}",
            "control.drainSeconds is -1: it has to be from 0 to 1000000000",
        ),
    ] {
        assert_eq!(checked(yaml).unwrap_err(), expected, "{yaml}");
    }
}

#[test]
fn every_rule_of_availability_is_checked() {
    for (yaml, expected) in [
        ("", " is missing: write `steps`, or a `file` and its `column`"),
        (
            "steps: [{atSeconds: 0, nodes: 1}], file: a.csv",
            " has both `steps` and a `file`: keep one of them",
        ),
        ("steps: [{atSeconds: 0, nodes: 1}], column: a", ".column is set: only a `file` has it"),
        (
            "steps: [{atSeconds: 0, nodes: 1}], nodesPerUnit: 2",
            ".nodesPerUnit is set: only a `file` has it",
        ),
        ("steps: []", ".steps is empty: it has to have a step at 0"),
        (
            "steps: [{atSeconds: 5, nodes: 1}]",
            ".steps[0].atSeconds is 5: the first step has to be at 0",
        ),
        (
            "steps: [{atSeconds: 0, nodes: 1}, {atSeconds: 0, nodes: 2}]",
            ".steps[1].atSeconds is 0: it has to be after the step before it, 0",
        ),
        (
            "steps: [{atSeconds: 0, nodes: 1}, {atSeconds: 9, nodes: 2}], repeatSeconds: 9",
            ".repeatSeconds is 9: it has to be above 9, the time of the last change",
        ),
        (
            "steps: [{atSeconds: 0, nodes: 1}], startSeconds: -1",
            ".startSeconds is -1: it has to be from 0 to 1000000000",
        ),
    ] {
        let refused = checked(&format!("pools: [{{spot: {{availability: {{{yaml}}}}}}}]"));
        assert_eq!(refused.unwrap_err(), format!("pools[0].spot.availability{expected}"));
    }
    let refused = checked(
        "pools: [{spot: {noticeSeconds: -1, availability: {steps: [{atSeconds: 0, nodes: 1}]}}}]",
    );
    assert_eq!(
        refused.unwrap_err(),
        "pools[0].spot.noticeSeconds is -1: it has to be from 0 to 1000000000"
    );
}

#[test]
fn files_are_beside_the_document() {
    let yaml = "pools: [{}, {spot: {availability: {file: none.csv, column: a, nodesPerUnit: 0}}}]";
    let source = Source::new("cluster.yaml", yaml);
    let mut spec: ClusterSpec = from_str(&source, &Limits::default()).unwrap();
    spec.relative_to(Path::new("/beside"));
    let profile = a100();
    let refused = spec.check(&profile).unwrap_err();
    let broken = refused.broken();
    assert_eq!(broken[0].field(), "pools[1].spot.availability.nodesPerUnit");
    assert_eq!(broken[1].field(), "pools[1].spot.availability.file");
    assert!(broken[1].message().starts_with("is `/beside/none.csv`, which can't be opened: "));
    assert_eq!(broken[1].help(), "relative paths start at the folder of the document");
}
