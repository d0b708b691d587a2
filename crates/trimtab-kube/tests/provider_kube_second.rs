//! The first HTTPS client of a process may be that of Prometheus.

use trimtab_prometheus::{PrometheusClient, ServerSpec};

#[tokio::test]
async fn prometheus_has_chosen_a_cryptography() {
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    PrometheusClient::new(&ServerSpec::at("https://prometheus:9090")).unwrap();
    let chosen = rustls::crypto::CryptoProvider::get_default().unwrap();
    let config = kube::Config::new("https://kubernetes:6443".parse().unwrap());
    trimtab_kube::connect_with(config).unwrap();
    let kept = rustls::crypto::CryptoProvider::get_default().unwrap();
    assert!(std::sync::Arc::ptr_eq(chosen, kept));
}
