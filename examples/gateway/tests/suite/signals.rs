//! What the policy sees of the gateway, under which names.

use trimtab::manifest::{Source, read_policies};
use trimtab_gateway::source::GatewaySource;
use trimtab_runtime::{Ask, Clock, MetricSource, SystemClock};

use crate::harness::{Mocks, Served, chunk, config, gated, policy, text};

const ENDLESS: &str = r#"{"stream": true, "max_tokens": 1000000, "messages": []}"#;
const SHORT: &str = r#"{"stream": true, "max_tokens": 1, "messages": []}"#;

const ALL: &str = "
apiVersion: trimtab.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: all}
spec:
  scaleTargetRef: {apiVersion: example.com/v1, kind: Gateway, name: mock}
  maxReplicas: 2
  metrics:
  - {type: External, external: {metric: {name: requests_waiting}, target: {type: Value, value: 1}}}
  - {type: External, external: {metric: {name: requests_rejected}, target: {type: Value, value: 1}}}
  - {type: External, external: {metric: {name: requests_per_second}, target: {type: Value, value: 1}}}
  - {type: External, external: {metric: {name: ttft_p95}, target: {type: Value, value: 1}}}
  - {type: External, external: {metric: {name: e2e_mean}, target: {type: Value, value: 1}}}
  - {type: External, external: {metric: {name: kv_cache_usage_ratio}, target: {type: Value, value: 1}}}
  - {type: Pods, pods: {metric: {name: requests_in_flight}, target: {type: AverageValue, averageValue: 1}}}
  - {type: Pods, pods: {metric: {name: requests_waiting}, target: {type: AverageValue, averageValue: 1}}}
";

#[tokio::test]
async fn readings_are_what_happened() {
    let mocks = Mocks::new(gated());
    let queue = "queue: {unknown: 1}";
    let served =
        Served::new(config(1, queue), policy(1, 1, ""), mocks.clone()).await.ready(1).await;
    // The loop asks, too, and what was rejected since the last look would be its.
    served.gateway.controller.shutdown().await;
    let mut stream = served.ask(ENDLESS).await;
    mocks.named("replica-1").mock.release(1);
    assert!(chunk(&mut stream).await.is_some());
    let waits = served.asking(SHORT);
    served.until("it waits", |gateway| gateway.fleet.lock().queue.len() == 1).await;
    for _ in 0..3 {
        assert_eq!(served.ask(SHORT).await.status(), 429);
    }

    let all = read_policies(&Source::new("all.yaml", ALL)).unwrap().policies.swap_remove(0).policy;
    let source = GatewaySource::new(served.gateway.fleet.clone());
    let known = ["requests_waiting", "requests_rejected", "requests_per_second", "ttft_p95"];
    let known = [&known[..], &["e2e_mean", "requests_in_flight"]].concat();
    assert_eq!(source.provides(&all).metrics, known);

    let workload = "mock".parse().unwrap();
    let observe = || async {
        source.observe(Ask::new(&workload, &all, SystemClock::new().now())).await.unwrap().readings
    };
    let readings = observe().await;
    let value = |name: &str| {
        let reading = readings.iter().find(|one| one.metric == name && one.pods.is_none())?;
        Some(reading.value.as_ref()?.milli())
    };
    assert_eq!(value("requests_waiting"), Some(1000));
    assert_eq!(value("requests_rejected"), Some(3000));
    assert!(value("requests_per_second").is_some_and(|rate| rate > 0), "five came");
    assert!(value("ttft_p95").is_some());
    assert_eq!(value("e2e_mean"), None, "none has ended: no reading, which is not zero");
    let by_pod = readings.iter().find_map(|one| one.pods.as_ref()).unwrap();
    assert_eq!(by_pod["replica-1"].value.milli(), 1000);

    // Since that look nobody was turned away.
    let again = observe().await;
    let rejected = again.iter().find(|one| one.metric == "requests_rejected").unwrap();
    assert_eq!(rejected.value.as_ref().unwrap().milli(), 0);
    drop(stream);
    let waited = waits.await.unwrap();
    mocks.named("replica-1").mock.release(1);
    assert!(text(waited).await.ends_with("[DONE]\n\n"));
    served.shutdown().await;
}
