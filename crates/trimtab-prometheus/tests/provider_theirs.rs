//! The first HTTPS client of a process may be somebody else's, as `kube`'s is.

use trimtab_prometheus::{PrometheusClient, ServerSpec};
use trimtab_runtime::use_ring;

#[test]
fn somebody_has_chosen_a_cryptography() {
    let mut theirs = rustls::crypto::ring::default_provider();
    theirs.cipher_suites.truncate(1);
    theirs.install_default().unwrap();
    reqwest::Client::builder().build().unwrap();
    PrometheusClient::new(&ServerSpec::at("https://prometheus:9090")).unwrap();
    use_ring();
    let kept = rustls::crypto::CryptoProvider::get_default().unwrap();
    assert_eq!(kept.cipher_suites.len(), 1, "what they chose stays");
}
