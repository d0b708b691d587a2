//! TLS: who gets in, and certificates that change while the server runs.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[cfg(test)]
mod scaler;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use scaler::{Bench, object};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use trimtab_keda::proto::external_scaler_client::ExternalScalerClient;
use trimtab_keda::{Server, TlsError, TlsFiles};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` and its key, in PEM.
fn issued(issuer: &Issuer) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![String::from("localhost")]).unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn write(directory: &Path, (certificate, key): &(String, String)) {
    std::fs::write(directory.join("tls.crt"), certificate).unwrap();
    std::fs::write(directory.join("tls.key"), key).unwrap();
}

fn files(directory: &Path, client_ca: Option<&Issuer>) -> TlsFiles {
    let client_ca_file = client_ca.map(|issuer| {
        let file = directory.join("ca.crt");
        std::fs::write(&file, issuer.pem()).unwrap();
        file
    });
    TlsFiles {
        certificate_file: directory.join("tls.crt"),
        key_file: directory.join("tls.key"),
        client_ca_file,
    }
}

struct Served {
    bench: Bench,
    port: u16,
}

impl Served {
    async fn start(files: TlsFiles) -> Self {
        let bench = Bench::new(3, 8);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server::new(Arc::clone(&bench.answers)).with_tls(files);
        let serving = server.serve(listener, bench.end.clone());
        tokio::spawn(async { serving.await.unwrap() });
        bench.tick().await;
        Self { bench, port }
    }

    async fn connect(&self, tls: ClientTlsConfig) -> Result<Channel, tonic::transport::Error> {
        let endpoint = Endpoint::new(format!("https://localhost:{}", self.port)).unwrap();
        endpoint.tls_config(tls.domain_name("localhost"))?.connect().await
    }

    async fn gets_in(&self, tls: ClientTlsConfig) -> bool {
        let Ok(channel) = self.connect(tls).await else { return false };
        let mut client = ExternalScalerClient::new(channel);
        client.is_active(object(&[])).await.is_ok_and(|answer| answer.into_inner().result)
    }
}

fn trusting(issuer: &Issuer) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(issuer.pem()))
}

#[tokio::test]
async fn tls_is_for_those_who_trust_it() {
    let (directory, ours, other) = (TempDir::new().unwrap(), issuer(), issuer());
    write(directory.path(), &issued(&ours));
    let served = Served::start(files(directory.path(), None)).await;
    assert!(served.gets_in(trusting(&ours)).await);
    assert!(!served.gets_in(trusting(&other)).await);
    // Without TLS nobody gets in, and who says nothing holds up nobody.
    let plain = Endpoint::new(format!("http://localhost:{}", served.port)).unwrap();
    let plain = plain.connect_lazy();
    assert!(ExternalScalerClient::new(plain).is_active(object(&[])).await.is_err());
    let silent = TcpStream::connect(("127.0.0.1", served.port)).await.unwrap();
    assert!(served.gets_in(trusting(&ours)).await);
    drop(silent);
    served.bench.end.cancel();
}

#[tokio::test]
async fn mtls_lets_in_who_has_a_certificate_of_the_right_issuer() {
    let (directory, ours, clients, strangers) =
        (TempDir::new().unwrap(), issuer(), issuer(), issuer());
    write(directory.path(), &issued(&ours));
    let served = Served::start(files(directory.path(), Some(&clients))).await;
    let with = |issuer: &Issuer| {
        let (certificate, key) = issued(issuer);
        trusting(&ours).identity(Identity::from_pem(certificate, key))
    };
    assert!(served.gets_in(with(&clients)).await);
    assert!(!served.gets_in(with(&strangers)).await);
    assert!(!served.gets_in(trusting(&ours)).await);
    served.bench.end.cancel();
}

#[tokio::test]
async fn certificates_are_read_anew_when_they_change() {
    let (directory, before, after) = (TempDir::new().unwrap(), issuer(), issuer());
    write(directory.path(), &issued(&before));
    let served = Served::start(files(directory.path(), None)).await;
    // One that is open stays open.
    let channel = served.connect(trusting(&before)).await.unwrap();
    let mut open = ExternalScalerClient::new(channel);
    assert!(open.is_active(object(&[])).await.is_ok());

    // What can't be used is refused, and what was before goes on.
    std::fs::write(directory.path().join("tls.crt"), "not a certificate").unwrap();
    sleep(Duration::from_millis(1100)).await;
    assert!(served.gets_in(trusting(&before)).await);

    write(directory.path(), &issued(&after));
    let taken_up = async {
        while !served.gets_in(trusting(&after)).await {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(10), taken_up).await.unwrap();
    assert!(!served.gets_in(trusting(&before)).await);
    assert!(open.is_active(object(&[])).await.is_ok());
    served.bench.end.cancel();
}

#[test]
fn files_that_cannot_be_used_are_told() {
    let (directory, ours) = (TempDir::new().unwrap(), issuer());
    let path = directory.path();
    let told = |what: &str| {
        let error: TlsError = files(path, None).check().unwrap_err();
        let text = error.to_string().replace(&path.display().to_string(), "DIRECTORY");
        format!("{what}: {text}\n")
    };
    let mut all = told("nothing there");
    write(path, &(String::new(), String::new()));
    all += &told("empty");
    let (certificate, _) = issued(&ours);
    write(path, &(certificate.clone(), String::from("key")));
    all += &told("no key");
    write(path, &(certificate, issued(&ours).1));
    all += &told("a key of another");
    insta::assert_snapshot!("unusable_files", all);
    write(path, &issued(&ours));
    files(path, Some(&ours)).check().unwrap();
}
