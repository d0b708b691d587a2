//! What autoscalers are known to do wrong in the field, each in a closed loop with a small model of the
//! service: the autoscaler of the report, and `slo` beside it. The numbers are the report's where it
//! has some. `docs/src/explanation/field-failures.md` has the table.

use libm::fmin;
use serde_json::{Value, json};
use trimtab_engine::{
    ConditionType, Decision, ObservationRecord, Policy, PolicySpec, ScaleUpdate, State,
    decide_traced, settle,
};
use trimtab_metric::Timestamp;

use crate::signals::START;

fn policy(strategy: &str, metrics: Value, more: Value) -> Policy {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "minReplicas": 1, "maxReplicas": 1000, "strategy": strategy, "metrics": metrics,
    });
    let more = more.as_object().expect("an object").clone();
    spec.as_object_mut().expect("an object").extend(more);
    let spec: PolicySpec = serde_json::from_value(spec).expect("it is a policy");
    Policy::new(spec).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// A total that is shared by the replicas.
fn total(name: &str, average: &str) -> Value {
    json!({"type": "External", "external": {"metric": {"name": name},
        "target": {"type": "AverageValue", "averageValue": average}}})
}

/// A value of the whole service.
fn whole(name: &str, value: &str) -> Value {
    json!({"type": "External", "external": {"metric": {"name": name},
        "target": {"type": "Value", "value": value}}})
}

fn by_replica(name: &str, average: &str) -> Value {
    json!({"type": "Pods", "pods": {"metric": {"name": name},
        "target": {"type": "AverageValue", "averageValue": average}}})
}

fn value(metric: &str, value: f64) -> Value {
    json!({"metric": metric, "value": value})
}

/// Of which `ready` are ready; the others are on their way.
fn pods(count: i32, ready: i32) -> Vec<Value> {
    let pod = |pod| json!({"name": format!("llm-{pod}"), "ready": pod < ready});
    (0..count).map(pod).collect()
}

/// A service whose count is what was decided last.
struct Service {
    policy: Policy,
    state: State,
    now: Timestamp,
    replicas: i32,
    /// Pods that are there beyond the count.
    surge: i32,
}

impl Service {
    fn new(policy: Policy, replicas: i32) -> Self {
        Self { state: State::for_policy(&policy), policy, now: START, replicas, surge: 0 }
    }

    /// After one period of its own.
    fn tick(&mut self, pods: Vec<Value>, readings: Vec<Value>) -> Decision {
        self.now = self.now.saturating_add(self.policy.period());
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": self.now, "replicas": self.replicas,
            "statusReplicas": self.replicas + self.surge, "pods": pods, "readings": readings}))
        .expect("it reads");
        let observation = record.resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        self.replicas = decision.desired_replicas;
        decision
    }

    /// All replicas are ready.
    fn steady(&mut self, readings: Vec<Value>) -> Decision {
        self.tick(pods(self.replicas, self.replicas), readings)
    }
}

/// keda#3065: Prometheus lost its targets and answered with nothing, which KEDA's scaler takes for a 0 by
/// default, so that services went to their minimum at the peak. keda#7475, llm-d-autoscaling#360 are
/// alike. Here an answer without a value is a reading that is missing.
#[test]
fn unknown_read_as_zero() {
    let bounds = json!({"minReplicas": 2, "maxReplicas": 40});
    let mut keda = Service::new(policy("keda", json!([total("rps", "40")]), bounds.clone()), 20);
    let mut slo = Service::new(policy("slo", json!([total("rps", "40")]), bounds), 20);
    for _ in 0..8 {
        keda.steady(vec![value("rps", 800.0)]);
        slo.steady(vec![value("rps", 800.0)]);
    }
    assert_eq!((keda.replicas, slo.replicas), (20, 20));
    for _ in 0..40 {
        keda.steady(vec![value("rps", 0.0)]);
        let decision = slo.steady(vec![json!({"metric": "rps", "unavailable": "missing"})]);
        assert!(decision.conditions.is_true(ConditionType::MetricsUnknown));
    }
    assert_eq!((keda.replicas, slo.replicas), (2, 20));
}

/// kubernetes#127193: for eight hours a fleet of some 160 pods stayed at its maximum, at twice the cost,
/// since one container among them had no metrics (#30471: 69 of 70). The HPA fills that one in by now; a
/// single pod without a request still fails the whole metric. And one that reports nonsense is
/// averaged in.
#[test]
fn one_bad_replica_pins_the_fleet() {
    const HOURS: usize = 8 * 60 * 4;
    let cpu = json!([{"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 60}}}]);
    let most = json!({"maxReplicas": 160});
    let mut hpa = Service::new(policy("hpa", cpu, most.clone()), 160);
    let mut slo = Service::new(policy("slo", json!([by_replica("running", "10")]), most), 160);
    let running = |service: &Service, bad: Option<f64>| {
        let each = 800.0 / f64::from(service.replicas);
        let mut pods: serde_json::Map<_, _> =
            (1..service.replicas).map(|pod| (format!("llm-{pod}"), json!(each))).collect();
        pods.extend(bad.map(|bad| (String::from("llm-0"), json!(bad))));
        vec![json!({"metric": "running", "pods": pods})]
    };
    for tick in 0..HOURS {
        if tick % 60 == 0 {
            let mut listed = pods(hpa.replicas, hpa.replicas);
            for (index, pod) in listed.iter_mut().enumerate() {
                let requests = if index == 0 { json!({}) } else { json!({"cpu": "1"}) };
                pod["containers"] = json!([{"name": "server", "requests": requests}]);
            }
            let used: serde_json::Map<_, _> =
                (0..hpa.replicas).map(|pod| (format!("llm-{pod}"), json!("300m"))).collect();
            hpa.tick(listed, vec![json!({"metric": "cpu", "pods": used})]);
        }
        slo.steady(running(&slo, None)); // the bad one is silent
    }
    assert_eq!(hpa.replicas, 160, "half as busy as they should be");
    assert_eq!(slo.replicas, 81, "the silent one counts as on target");

    let mut hpa = Service::new(
        policy("hpa", json!([by_replica("running", "10")]), json!({"maxReplicas": 160})),
        80,
    );
    slo.replicas = 80;
    for _ in 0..40 {
        let readings = running(&hpa, Some(1e6));
        hpa.steady(readings);
        let readings = running(&slo, Some(1e6));
        slo.steady(readings);
    }
    assert_eq!(hpa.replicas, 160);
    assert_eq!(slo.replicas, 80, "it counts as four, which is within the tolerance");
}

/// kubernetes#34821: of 10 replicas 1 was ready, and it ran at 300 %: the 10 were multiplied, and 30
/// were asked for, although the need was 3. (#59975 has starts of half an hour.) AIBrix's APA does it
/// today; an HPA by a latency multiplies those that are ready, again with each that becomes so.
#[test]
fn wind_up_during_a_cold_start() {
    let metrics = json!([by_replica("running", "10")]);
    let mut apa = Service::new(policy("apa", metrics.clone(), json!({"maxReplicas": 100})), 10);
    let mut slo = Service::new(policy("slo", metrics, json!({"maxReplicas": 100})), 10);
    for _ in 0..20 {
        let one = || vec![json!({"metric": "running", "pods": {"llm-0": 30}})];
        apa.tick(pods(apa.replicas, 1), one());
        slo.tick(pods(slo.replicas, 1), one());
        assert!(slo.replicas <= 10);
    }
    assert_eq!(apa.replicas, 100);

    // Eight are needed, four are there, and then one more becomes ready with each half minute.
    let latency = whole("ttft", "2");
    let mut hpa = Service::new(policy("hpa", json!([latency]), json!({})), 4);
    let signals =
        json!({"leadTimeSeconds": 300, "signals": [{"metric": "ttft", "role": "latency"}]});
    let metrics = json!([total("rps", "10"), latency]);
    let mut slo = Service::new(policy("slo", metrics, json!({"slo": signals})), 4);
    let mut most = (0, 0);
    for tick in 0..60 {
        let ready = |service: &Service| (4 + (tick - 20).max(0) / 2).min(service.replicas);
        let ttft = |ready: i32| value("ttft", if ready < 8 { 6.0 } else { 0.8 });
        let there = ready(&hpa);
        hpa.tick(pods(hpa.replicas, there), vec![ttft(there)]);
        let there = ready(&slo);
        slo.tick(pods(slo.replicas, there), vec![value("rps", 80.0), ttft(there)]);
        most = (most.0.max(hpa.replicas), most.1.max(slo.replicas));
    }
    assert_eq!(most, (21, 8));
}

/// kubernetes#72775: rolling updates raise the count, without any load, in one report of a service of 664
/// replicas (#84142, #98914 alike). Within its tolerance the HPA proposes the pods that there are, and
/// while an update lasts there are more than the count says.
#[test]
fn rollout_inflation() {
    let requests = || vec![value("rps", 6640.0)];
    let metrics = json!([total("rps", "10")]);
    let mut hpa = Service::new(policy("hpa", metrics.clone(), json!({})), 664);
    let mut slo = Service::new(policy("slo", metrics, json!({})), 664);
    hpa.steady(requests());
    slo.steady(requests());
    assert_eq!((hpa.replicas, slo.replicas), (664, 664));
    for service in [&mut hpa, &mut slo] {
        for _ in 0..10 {
            service.surge = service.replicas / 10; // `maxSurge: 10%`
            let all = service.replicas + service.surge;
            service.tick(pods(all, all), requests());
        }
    }
    assert_eq!((hpa.replicas, slo.replicas), (730, 664));
}

/// ray#26455: with delays shorter than what is looked back over, replicas are started and stopped again
/// and again. keda#8172: with an idle count of 1 under a minimum of 2, KEDA's two loops undo each other
/// for ever, without any load.
#[test]
fn flapping() {
    let turns = |counts: &[i32]| {
        let changes: Vec<i32> = counts.windows(2).map(|two| (two[1] - two[0]).signum()).collect();
        let moves: Vec<i32> = changes.into_iter().filter(|change| *change != 0).collect();
        moves.windows(2).filter(|two| two[0] != two[1]).count()
    };
    let metrics = json!([total("load", "2")]);
    let rapid = json!({"maxReplicas": 20, "rayServe": {"upscaleDelaySeconds": 1,
        "downscaleDelaySeconds": 1, "controlLoopIntervalSeconds": 1}});
    let mut ray = Service::new(policy("rayServe", metrics.clone(), rapid), 2);
    let mut slo = Service::new(policy("slo", metrics.clone(), json!({"maxReplicas": 20})), 2);
    let load =
        |second: usize| value("load", if (second / 20).is_multiple_of(2) { 4.0 } else { 20.0 });
    let (mut counts, mut calm) = (Vec::new(), Vec::new());
    for second in 0..1200 {
        ray.steady(vec![load(second)]);
        counts.push(ray.replicas);
        if second % 15 == 0 {
            slo.steady(vec![load(second)]);
            calm.push(slo.replicas);
        }
    }
    assert!(turns(&counts) >= 50, "{} in 20 minutes", turns(&counts));
    assert_eq!(turns(&calm), 0);

    let idle = json!({"minReplicas": 2, "maxReplicas": 10,
        "keda": {"idleReplicaCount": 1, "cooldownPeriodSeconds": 30}});
    let mut keda = Service::new(policy("keda", metrics.clone(), idle), 2);
    let mut slo = Service::new(policy("slo", metrics, json!({"maxReplicas": 10})), 2);
    let (mut counts, mut calm) = (Vec::new(), Vec::new());
    for _ in 0..240 {
        keda.steady(vec![value("load", 0.0)]);
        slo.steady(vec![value("load", 0.0)]);
        counts.push(keda.replicas);
        calm.push(slo.replicas);
    }
    assert!(turns(&counts) >= 50, "{} without any load", turns(&counts));
    assert_eq!(turns(&calm), 0);
}

/// What an autoscaler remembers in memory alone is gone with its process: knative#2705, autoscaler#9891 for
/// the VPA, ray#25646; the HPA keeps its windows and rate limits so, too. With a leader that changes
/// each minute, at most four in ten minutes are four in a minute.
#[test]
fn state_lost_on_restart() {
    let rules = json!({"maxReplicas": 40, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 600}]}}});
    let metrics = || json!([total("load", "10")]);
    let mut hpa = Service::new(policy("hpa", metrics(), rules.clone()), 20);
    let mut slo = Service::new(policy("slo", metrics(), rules), 20);
    for tick in 0..20 {
        if tick % 4 == 0 {
            hpa.state = State::for_policy(&hpa.policy);
            let written = serde_json::to_string(&slo.state).expect("it serializes");
            slo.state = serde_json::from_str(&written).expect("it reads");
        }
        hpa.steady(vec![value("load", 10.0)]);
        slo.steady(vec![value("load", 10.0)]);
    }
    assert_eq!((hpa.replicas, slo.replicas), (1, 16));
}

/// knative#2579: with at most 100 requests at once in a container, one replica under 400 reported 100 and
/// nothing of what it turned away: exactly on target, it stayed alone (llm-d-autoscaling#1500: a replica that
/// drops requests looks idle). `slo` counts what waits and what was turned away as load.
#[test]
fn saturated_demand_under_reported() {
    const OFFERED: f64 = 400.0;
    let mut hpa = Service::new(policy("hpa", json!([total("running", "100")]), json!({})), 1);
    let metrics = json!([total("running", "100"), total("waiting", "1"), total("rejected", "1")]);
    let slo = json!({"surgeQuantile": 0, "signals": [
        {"metric": "running", "offered": {"waiting": "waiting", "rejected": "rejected"}},
        {"metric": "waiting", "role": "part"}, {"metric": "rejected", "role": "part"}]});
    let mut slo = Service::new(policy("slo", metrics, json!({"slo": slo})), 1);
    for tick in 0..40 {
        let running = |service: &Service| fmin(OFFERED, 100.0 * f64::from(service.replicas));
        let there = running(&hpa);
        hpa.steady(vec![value("running", there)]);
        let there = running(&slo);
        // The queue takes 50 for each replica; what is beyond that is turned away.
        let waiting = fmin(OFFERED - there, 50.0 * f64::from(slo.replicas));
        let rejected = OFFERED - there - waiting;
        let readings = [("running", there), ("waiting", waiting), ("rejected", rejected)];
        slo.steady(readings.map(|(name, amount)| value(name, amount)).to_vec());
        assert_eq!(slo.replicas, 4, "at once, and it stays: {tick}");
    }
    assert_eq!(hpa.replicas, 1);
}
