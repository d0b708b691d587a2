//! The first HTTPS client of a process may be that of Kubernetes.

use trimtab_prometheus::{PrometheusClient, ServerSpec};

#[tokio::test]
async fn nobody_has_chosen_a_cryptography_yet() {
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    let config = kube::Config::new("https://kubernetes:6443".parse().unwrap());
    trimtab_kube::connect_with(config).unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    PrometheusClient::new(&ServerSpec::at("https://prometheus:9090")).unwrap();
}
