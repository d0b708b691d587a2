//! `count: prometheus`: how many there are, as a real Prometheus has it from kube-state-metrics.

use std::sync::atomic::Ordering;

use tonic::Code;

use super::{Scaler, config};
use crate::command::Desk;
use crate::run::{Metrics, POLICY};

#[path = "../../../../trimtab-prometheus/tests/server/mod.rs"]
mod server;

use server::{Exporter, Prometheus};

/// What kube-state-metrics says of two Deployments.
fn page(spec: u32, status: u32) -> String {
    let labels = r#"{namespace="inference",deployment="llm"}"#;
    let other = r#"{namespace="inference",deployment="other"}"#;
    format!(
        "kube_deployment_spec_replicas{labels} {spec}\nkube_deployment_status_replicas{labels} {status}\n\
         kube_deployment_spec_replicas{other} 40\nkube_deployment_status_replicas{other} 40\n"
    )
}

const REPLICAS: &str = r#"kube_deployment_spec_replicas{deployment="llm"}"#;
const STATUS: &str = r#"kube_deployment_status_replicas{deployment="llm"}"#;

/// A scaler that counts by these fields of `target.keda`.
fn start(metrics: &Metrics, prometheus: &Prometheus, keda: &str) -> Scaler {
    let desk = Desk::new();
    desk.write("policy.yaml", POLICY);
    let servers = format!("servers: {{main: {{addresses: ['{}']}}}}\n", prometheus.address());
    Scaler::start_at(desk, None, |port| {
        let config = config(metrics, port, "COUNT");
        servers + &config.replace("{count: COUNT}", keda)
    })
}

fn counted_by(replicas: &str, more: &str) -> String {
    format!("{{count: {{prometheus: {{server: main, replicas: '{replicas}'{more}}}}}}}")
}

/// Nothing can be decided on what is not known, so what is told is the count that is there.
#[test]
fn the_count_is_that_of_prometheus() {
    let exporter = Exporter::new(&page(3, 3));
    let Some(mut prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let mut metrics = Metrics::serve(8 * 3);
    let served = std::mem::replace(&mut metrics.address, ([127, 0, 0, 1], 9).into());
    let scaler = start(&metrics, &prometheus, &counted_by(REPLICAS, ""));
    scaler.until(3.0);
    exporter.set(&page(2, 2));
    scaler.until(2.0);

    // A decision that changes it, and from then on the count is what was asked for.
    let config = std::fs::read_to_string(scaler.desk.path("trimtab.yaml")).unwrap();
    let closed = metrics.address.to_string();
    scaler.desk.write("trimtab.yaml", config.replace(&closed, &served.to_string()));
    scaler.until(3.0);
    metrics.in_flight.store(8 * 4, Ordering::Relaxed);
    scaler.until(4.0);
    exporter.set(&page(1, 1));
    std::thread::sleep(std::time::Duration::from_secs(3));
    scaler.until(4.0);

    // Without the server nothing is known, and what was decided last stands for a while.
    prometheus.stop();
    scaler.until(4.0);
}

#[test]
fn how_many_there_are_is_asked_for_too() {
    let exporter = Exporter::new(&page(3, 4));
    let Some(prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let metrics = Metrics::serve(8 * 3);
    let status = format!(", statusReplicas: '{STATUS}'");
    let keda = counted_by(REPLICAS, &status).replacen('{', "{hpaTolerance: 0.3, ", 1);
    let scaler = start(&metrics, &prometheus, &keda);
    // 3 of the 4 that the HPA counts are within its tolerance, so a little more than 2 are reported.
    scaler.until(2.0 + 1.0 / 512.0);
}

#[test]
fn what_is_no_count_is_told() {
    let exporter = Exporter::new(&page(3, 3));
    let Some(mut prometheus) = Prometheus::scraping(Some(&exporter)) else { return };
    let metrics = Metrics::serve(8 * 3);
    let is_told = |replicas: &str, expected: &str| {
        let scaler = start(&metrics, &prometheus, &counted_by(replicas, ""));
        scaler.until_told("llm", |told| {
            told.as_ref().is_err_and(|status| {
                status.code() == Code::Unavailable && status.message().contains(expected)
            })
        });
    };
    is_told("kube_deployment_spec_replicas", "gives 2 series, and one count is asked for");
    is_told("kube_deployment_spec_replicas{deployment=\"none\"}", "gives 0 series");
    is_told("avg(kube_deployment_spec_replicas)", "gives 21.5, which is no count");
    is_told("sum(", "parse error");
    prometheus.stop();
    let scaler = start(&metrics, &prometheus, &counted_by(REPLICAS, ""));
    scaler.until_told("llm", |told| {
        told.as_ref().is_err_and(|status| {
            status.code() == Code::Unavailable && status.message().contains("no decision yet: ")
        })
    });
}
