//! What the policy sees of a cluster: what was scraped, late, and nothing else.

use proptest::prelude::*;
use trimtab_engine::{
    MetricReading, ObservationRecord, PodPhase, Policy, PolicySpec, ReadingRecord, State,
    Unavailable, decide,
};
use trimtab_sim::Moment;
use trimtab_sim::cluster::Metrics;
use trimtab_sim::metrics::{
    Bindings, Exporter, GatewayExporter, Gauges, Observer, PodView, Scraper, Signal, timestamp,
};

fn at(seconds: f64) -> Moment {
    Moment::from_seconds(seconds)
}

/// As by default, but read at once.
fn prompt() -> Metrics {
    Metrics { delay_seconds: 0.0, ..Metrics::default() }
}

/// As one sees it that has seen nothing yet.
fn observe(
    bindings: &Bindings,
    scraper: &Scraper,
    now: Moment,
    spec_replicas: i32,
    pods: &[PodView],
) -> ObservationRecord {
    Observer::new(bindings).observe(scraper, &[], now, spec_replicas, pods).clone()
}

fn pod(id: u64) -> PodView {
    PodView {
        id,
        phase: PodPhase::Running,
        start_time: Some(Moment::START),
        ready: true,
        ready_since: Moment::START,
        terminating: false,
        in_flight: None,
        draining_since: None,
        ..PodView::default()
    }
}

fn per_pod(name: &str) -> String {
    format!(
        r#"{{"type": "Pods", "pods": {{"metric": {{"name": "{name}"}},
            "target": {{"type": "AverageValue", "averageValue": "4"}}}}}}"#
    )
}

fn external(name: &str) -> String {
    format!(
        r#"{{"type": "External", "external": {{"metric": {{"name": "{name}"}},
            "target": {{"type": "AverageValue", "averageValue": "4"}}}}}}"#
    )
}

fn object(name: &str) -> String {
    format!(
        r#"{{"type": "Object", "object": {{"metric": {{"name": "{name}"}},
            "describedObject": {{"apiVersion": "v1", "kind": "Service", "name": "llm"}},
            "target": {{"type": "Value", "value": "4"}}}}}}"#
    )
}

fn policy(metrics: &[String]) -> Policy {
    let text = format!(
        r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
            "maxReplicas": 10, "metrics": [{}]}}"#,
        metrics.join(", ")
    );
    Policy::new(serde_json::from_str::<PolicySpec>(&text).unwrap()).unwrap()
}

fn bindings(metrics: &[String]) -> Bindings {
    Bindings::new(&policy(metrics), &[]).unwrap()
}

/// All signals in all forms that they have.
fn everything() -> Policy {
    let gateways = [Signal::GatewayQueueLength, Signal::RejectedPerSecond, Signal::AttainedRatio];
    let pods = Signal::all().filter(|signal| !gateways.contains(signal));
    let mut metrics: Vec<String> = pods.map(|signal| per_pod(&signal.to_string())).collect();
    metrics.extend(Signal::all().map(|signal| external(&signal.to_string())));
    metrics.extend(Signal::all().map(|signal| object(&signal.to_string())));
    let servers = ["vllm:num_requests_waiting", "vllm:e2e_request_latency_seconds_p95"];
    metrics.extend(servers.map(external));
    policy(&metrics)
}

/// The value of replica 0, and when it was scraped in seconds.
fn sample(record: &ObservationRecord, reading: usize) -> Option<(f64, f64)> {
    let sample = record.readings[reading].pods.as_ref()?.get("replica-0")?;
    let taken = sample.timestamp?.since(timestamp(Moment::START)).as_secs_f64();
    Some((sample.value.milli() as f64 / 1e3, taken))
}

fn total(record: &ObservationRecord, reading: usize) -> Result<f64, Unavailable> {
    let ReadingRecord { value, unavailable, .. } = &record.readings[reading];
    value.as_ref().map(|value| value.milli() as f64 / 1e3).ok_or_else(|| unavailable.unwrap())
}

#[test]
fn a_lost_scrape_leaves_the_value_before_it_until_that_is_stale() {
    let bindings = bindings(&[per_pod("requests_waiting"), external("requests_running")]);
    let mut scraper = Scraper::new(&prompt(), 1);
    let gauges = |waiting| Gauges { running: 2, waiting, kv_used: 0.0 };
    scraper.scrape(at(15.0), 0, &Exporter::new(), gauges(7));
    scraper.scrape(at(30.0), 0, &Exporter::new(), gauges(8));
    let seen = |now: f64| {
        let record = observe(&bindings, &scraper, at(now), 1, &[pod(0), pod(1)]);
        (sample(&record, 0), total(&record, 1))
    };
    assert_eq!(seen(29.999), (Some((7.0, 15.0)), Ok(2.0)));
    assert_eq!(seen(45.0), (Some((8.0, 30.0)), Ok(2.0)));
    assert_eq!(seen(329.999), (Some((8.0, 30.0)), Ok(2.0)));
    assert_eq!(seen(330.0), (None, Err(Unavailable::Missing)));
}

#[test]
fn scrapes_are_lost_as_often_as_it_says() {
    let bindings = bindings(&[per_pod("requests_waiting")]);
    let metrics = Metrics { loss_probability: 0.3, ..prompt() };
    let kept = |seed| -> Vec<bool> {
        let mut scraper = Scraper::new(&metrics, seed);
        let read = |scrape| {
            let now = at(f64::from(scrape) * 15.0);
            scraper.scrape(now, 0, &Exporter::new(), Gauges::default());
            sample(&observe(&bindings, &scraper, now, 1, &[pod(0)]), 0)
                .is_some_and(|(_, taken)| taken == now.seconds())
        };
        (1..=4000).map(read).collect()
    };
    let share = kept(5).iter().filter(|kept| **kept).count() as f64 / 4000.0;
    assert!((share - 0.7).abs() < 0.03, "{share}");
    assert_eq!(kept(5), kept(5));
    assert_ne!(kept(5), kept(6));
}

#[test]
fn rates_and_quantiles_over_the_window_by_hand() {
    let bindings = bindings(&[
        per_pod("generation_tokens_per_second"),
        per_pod("gpu_utilization_percent"),
        per_pod("ttft_p50_ms"),
        per_pod("ttft_mean"),
        external("ttft_p50"),
        external("requests_per_second"),
        external("vllm:time_to_first_token_seconds_p50"),
    ]);
    let mut scraper = Scraper::new(&prompt(), 1);
    let (mut server, mut gateway) = (Exporter::new(), GatewayExporter::new());
    for scrape in 1..=8 {
        // Per 15 s: 3 requests of 100 tokens, two in (0.1, 0.25], one in (0.25, 0.5]; 6 s busy.
        for ttft in [0.2, 0.2, 0.3] {
            gateway.on_arrival();
            server.on_first_token(ttft, 1000);
            server.on_tokens(99, 0.02);
            gateway.on_first_token(ttft + 1.0);
        }
        server.add_busy(6.0);
        let now = at(f64::from(scrape) * 15.0);
        scraper.scrape(now, 0, &server, Gauges::default());
        scraper.scrape_gateway(now, &gateway, 0);
    }
    let record = observe(&bindings, &scraper, at(120.0), 1, &[pod(0)]);
    assert_eq!(sample(&record, 0), Some((20.0, 120.0)));
    assert_eq!(sample(&record, 1), Some((40.0, 120.0)));
    // The median is at 1.5 of 3, of which 2 are in (0.1, 0.25].
    assert_eq!(sample(&record, 2), Some((212.5, 120.0)));
    assert_eq!(sample(&record, 3), Some((0.233, 120.0)));
    assert_eq!(total(&record, 4), Ok(1.75)); // all in (1, 2.5]: the middle of it
    assert_eq!(total(&record, 5), Ok(0.2));
    assert_eq!(total(&record, 6), Ok(0.213)); // to thousandths, as every value
}

#[test]
fn the_service_is_gateway_and_servers_and_a_servers_name_is_the_servers_alone() {
    let bindings = bindings(&[
        external("requests_waiting"),
        external("vllm:num_requests_waiting"),
        external("inference_pool_average_queue_size"),
        external("kv_cache_usage_ratio"),
        external("gateway_queue_length"),
        external("ttft_p95"),
    ]);
    let mut scraper = Scraper::new(&prompt(), 1);
    let seen = |scraper: &Scraper, now: f64| -> Vec<_> {
        let record = observe(&bindings, scraper, at(now), 0, &[]);
        (0..6).map(|reading| total(&record, reading)).collect()
    };
    let missing = Err(Unavailable::Missing);
    assert_eq!(seen(&scraper, 0.0), [missing; 6]);
    // No server is up: its metrics are missing, and the gateway still tells what waits.
    scraper.scrape_gateway(at(1.0), &GatewayExporter::new(), 5);
    scraper.scrape_gateway(at(2.0), &GatewayExporter::new(), 5);
    let nothing = Err(Unavailable::Invalid);
    assert_eq!(seen(&scraper, 2.0), [Ok(5.0), missing, missing, missing, Ok(5.0), nothing]);
    scraper.scrape(at(2.0), 0, &Exporter::new(), Gauges { running: 1, waiting: 4, kv_used: 0.2 });
    scraper.scrape(at(2.0), 1, &Exporter::new(), Gauges { running: 1, waiting: 8, kv_used: 0.6 });
    let both = [Ok(17.0), Ok(12.0), Ok(6.0), Ok(0.4), Ok(5.0), nothing];
    assert_eq!(seen(&scraper, 2.0), both);
    // One is scaled in.
    scraper.forget(at(3.0), 0);
    assert_eq!(seen(&scraper, 2.999), both);
    assert_eq!(seen(&scraper, 3.0), [Ok(13.0), Ok(8.0), Ok(8.0), Ok(0.6), Ok(5.0), nothing]);
}

#[test]
fn what_a_replica_did_stays_in_the_totals_for_a_window_after_it_has_gone() {
    let bindings = bindings(&[external("generation_tokens_per_second")]);
    let mut scraper = Scraper::new(&prompt(), 1);
    let mut server = Exporter::new();
    for scrape in 1..=6 {
        server.on_tokens(300, 0.02);
        scraper.scrape(at(f64::from(scrape) * 15.0), 0, &server, Gauges::default());
    }
    scraper.forget(at(91.0), 0);
    let seen = |now: f64| total(&observe(&bindings, &scraper, at(now), 0, &[]), 0);
    assert_eq!(seen(90.0), Ok(20.0));
    // 60, 75 and 90 are inside: 600 tokens in 30 s, and half an interval at the far end.
    assert_eq!(seen(115.0), Ok((20.0 * (30.0 + 5.0 + 7.5) / 60.0 * 1e3_f64).round() / 1e3));
    assert_eq!(seen(136.0), Err(Unavailable::Missing));
}

#[test]
fn a_resource_is_the_ratio_of_a_request_of_one() {
    let text = r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 10, "metrics": [
            {"type": "Resource", "resource": {"name": "memory",
                "target": {"type": "Utilization", "averageUtilization": 60}}},
            {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "vllm",
                "target": {"type": "Utilization", "averageUtilization": 60}}}]}"#;
    let policy = Policy::new(serde_json::from_str::<PolicySpec>(text).unwrap()).unwrap();
    let kv = |metric: &str| (metric.to_owned(), "kv_cache_usage_ratio".to_owned());
    let bindings = Bindings::new(&policy, &[kv("memory"), kv("vllm/cpu")]).unwrap();
    let mut scraper = Scraper::new(&prompt(), 1);
    let gauges = Gauges { running: 0, waiting: 0, kv_used: 0.9 };
    scraper.scrape(at(400.0), 0, &Exporter::new(), gauges);
    let record = observe(&bindings, &scraper, at(400.0), 1, &[pod(0)]);
    let observation = record.resolve(&policy).unwrap();
    let (decision, state) = decide(&policy, State::for_policy(&policy), &observation);
    assert_eq!(decision.desired_replicas, 2, "{state:?}"); // 90 % is 1.5 times 60 %
}

#[test]
fn an_observation_as_it_is_written() {
    let policy = policy(&[
        per_pod("inference_requests_waiting"),
        per_pod("vllm:e2e_request_latency_seconds_p95"),
        external("requests_per_second"),
        object("ttft_p99"),
    ]);
    let bindings = Bindings::new(&policy, &[]).unwrap();
    let mut scraper = Scraper::new(&Metrics::default(), 1);
    let (mut server, mut gateway) = (Exporter::new(), GatewayExporter::new());
    for scrape in 1..=5 {
        for _ in 0..30 {
            gateway.on_arrival();
            server.on_arrival();
            server.on_finish(4.0, Some(0.03));
        }
        let now = at(f64::from(scrape) * 15.0);
        scraper.scrape_gateway(now, &gateway, 1);
        scraper.scrape(now, 0, &server, Gauges { running: 20, waiting: 3, kv_used: 0.5 });
        scraper.scrape(now, 4, &Exporter::new(), Gauges::default());
    }
    let pods = [
        pod(0),
        PodView { terminating: true, ready_since: at(70.25), ready: false, ..pod(4) },
        PodView { ready: false, start_time: Some(at(61.0)), ready_since: at(61.0), ..pod(5) },
        PodView { phase: PodPhase::Pending, start_time: None, ready: false, ..pod(6) },
    ];
    let record = observe(&bindings, &scraper, at(80.0), 3, &pods);
    record.resolve(&policy).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&record).unwrap());
}

/// Of those that ended, whoever was turned away or cut has missed; while none ends, nothing is known.
#[test]
fn the_attained_share_counts_what_was_rejected_and_cut() {
    let policy = policy(&[external("attained_ratio")]);
    let bindings = Bindings::new(&policy, &[]).unwrap();
    let mut scraper = Scraper::new(&Metrics::default(), 1);
    let mut gateway = GatewayExporter::new();
    let share =
        |scraper: &Scraper, second: f64| total(&observe(&bindings, scraper, at(second), 0, &[]), 0);
    for scrape in 1..=5 {
        for request in 0..17 {
            gateway.on_finish(4.0);
            if request < 12 {
                gateway.on_attained();
            }
        }
        gateway.on_rejection();
        gateway.on_cut(2);
        scraper.scrape_gateway(at(f64::from(scrape) * 15.0), &gateway, 0);
    }
    assert_eq!(share(&scraper, 80.0), Ok(0.6));
    for scrape in 6..=12 {
        scraper.scrape_gateway(at(f64::from(scrape) * 15.0), &gateway, 0);
    }
    assert_eq!(share(&scraper, 185.0), Err(Unavailable::Invalid));
}

/// Something that happens to the metrics.
#[derive(Clone, Debug)]
enum Event {
    Scrape { replica: u8, load: u32 },
    Gateway { load: u32 },
    Forget { replica: u8 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_u8..4, 0_u32..50).prop_map(|(replica, load)| Event::Scrape { replica, load }),
        2 => (0_u32..50).prop_map(|load| Event::Gateway { load }),
        1 => (0_u8..4).prop_map(|replica| Event::Forget { replica }),
    ]
}

/// A scraper to which all that happens up to `until` has happened.
fn after(metrics: &Metrics, events: &[(Moment, Event)], until: Moment) -> Scraper {
    let mut scraper = Scraper::new(metrics, 9);
    let mut servers = vec![Exporter::new(); 4];
    let mut gateway = GatewayExporter::new();
    for (now, event) in events.iter().filter(|(now, _)| *now <= until) {
        match *event {
            Event::Scrape { replica, load } => {
                let server = &mut servers[usize::from(replica)];
                for request in 0..load {
                    let seconds = 0.1 * f64::from(request);
                    server.on_arrival();
                    server.on_first_token(seconds, load);
                    server.on_tokens(u64::from(load), 0.01);
                    server.on_finish(2.0 * seconds, (load > 7).then_some(0.01 * seconds));
                    server.add_busy(seconds);
                }
                let kv_used = f64::from(load) / 50.0;
                let gauges = Gauges { running: load, waiting: load / 2, kv_used };
                scraper.scrape(*now, u64::from(replica), server, gauges);
            }
            Event::Gateway { load } => {
                for request in 0..load {
                    gateway.on_arrival();
                    gateway.on_rejection();
                    gateway.on_first_token(f64::from(request));
                    gateway.on_finish(f64::from(request));
                }
                scraper.scrape_gateway(*now, &gateway, load);
            }
            Event::Forget { replica } => scraper.forget(*now, u64::from(replica)),
        }
    }
    scraper
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The policy sees neither the future nor the present: what happened after `now - delay` changes
    /// nothing, bit for bit. What it sees resolves, is never negative, and is as old as it says.
    #[test]
    fn nothing_is_seen_before_its_time(
        schedule in prop::collection::vec((0_i64..20_000, event()), 0..60),
        delay in 0_i64..60_000,
        window in 10_i64..120,
        loss in prop_oneof![Just(0.0), 0.0..0.9],
    ) {
        let metrics = Metrics {
            scrape_seconds: 5.0,
            delay_seconds: delay as f64 / 1e3,
            loss_probability: loss,
            window_seconds: window as f64,
        };
        let mut now = Moment::START;
        let mut events = Vec::new();
        for (pause, event) in schedule {
            now = now.after_nanos(pause * 1_000_000);
            events.push((now, event));
        }
        let policy = everything();
        let bindings = Bindings::new(&policy, &[]).unwrap();
        let pods: Vec<PodView> = (0..4).map(pod).collect();
        let visible = now.after_nanos(-delay * 1_000_000);
        let seen = |until| observe(&bindings, &after(&metrics, &events, until), now, 4, &pods);
        let record = seen(now);
        prop_assert_eq!(&record, &seen(visible));
        prop_assert_eq!(&record, &seen(now));

        let samples = record.readings.iter().filter_map(|reading| reading.pods.as_ref());
        for sample in samples.flat_map(|pods| pods.values()) {
            prop_assert!(sample.value.signum() >= 0, "{sample:?}");
            prop_assert!(sample.timestamp.unwrap() <= timestamp(visible));
        }
        for value in record.readings.iter().filter_map(|reading| reading.value.as_ref()) {
            prop_assert!(value.signum() >= 0, "{value}");
        }

        let observation = record.resolve(&policy).unwrap();
        for (reading, written) in observation.readings.iter().zip(&record.readings) {
            let none = written.value.is_none() && written.pods.iter().all(|pods| pods.is_empty());
            prop_assert_eq!(matches!(reading, MetricReading::Unavailable(_)), none);
        }
    }
}
