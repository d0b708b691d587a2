//! The first HTTPS client of a process may be ours.

use trimtab_prometheus::{PrometheusClient, ReplicasSpec, ScrapeSource, ScrapeSpec, ServerSpec};

#[test]
fn nobody_has_chosen_a_cryptography_yet() {
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                PrometheusClient::new(&ServerSpec::at("https://prometheus:9090")).unwrap();
                let replicas = ReplicasSpec::template("https://{pod}.llm:8000/metrics");
                let spec = ScrapeSpec { replicas, ..ScrapeSpec::default() };
                ScrapeSource::new(&spec).unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    // Who comes later and chooses is told that it is done, and both go on.
    assert!(rustls::crypto::ring::default_provider().install_default().is_err());
    reqwest::Client::builder().build().unwrap();
}
