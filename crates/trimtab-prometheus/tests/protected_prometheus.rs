//! Against a real Prometheus that does not let everybody in.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

#[cfg(test)]
mod server;

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use server::{Prometheus, file, now};
use trimtab_prometheus::{
    AuthSpec, BasicAuthSpec, ConnectSpec, PrometheusClient, ServerSpec, TlsSpec,
};
use trimtab_runtime::SourceError;

/// `ali` with `open sesame`, as bcrypt.
const USERS: &str =
    "basic_auth_users:\n  ali: $2b$04$7W32eZvM07Fe/KYLwhV8LeDZz2FgfMl2wykia0.oS1OgkgpTEhIOu\n";

async fn ask(spec: &ServerSpec) -> Result<usize, SourceError> {
    let client = PrometheusClient::new(spec).unwrap();
    client.instant("vector(1)", now()).await.map(|answer| answer.series.len())
}

#[tokio::test]
async fn a_name_and_a_password() {
    let Some(prometheus) = Prometheus::stopped(None) else { return };
    let mut prometheus = prometheus.with_web_config(USERS);
    prometheus.start();
    prometheus.wait();
    let mut spec = prometheus.spec();
    assert_eq!(ask(&spec).await.unwrap_err().cause(), "denied");

    let secret = file(prometheus.folder.path(), "secret", "wrong");
    let basic = BasicAuthSpec { username: "ali".into(), password_file: secret.clone() };
    spec.connect.auth = Some(AuthSpec { basic: Some(basic), bearer_token_file: None });
    let client = PrometheusClient::new(&spec).unwrap();
    let error = client.instant("vector(1)", now()).await.unwrap_err();
    assert_eq!(error.cause(), "denied");
    // It is read again when it changes.
    fs::write(&secret, "open sesame\n").unwrap();
    assert_eq!(client.instant("vector(2)", now()).await.unwrap().series.len(), 1);
}

struct Certificates {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

fn certificates(folder: &std::path::Path) -> Certificates {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([String::from("127.0.0.1")]).unwrap();
        let cert = params.signed_by(&key, &ca).unwrap();
        let cert = file(folder, &format!("{name}.pem"), &cert.pem());
        (cert, file(folder, &format!("{name}.key"), &key.serialize_pem()))
    };
    let (server, server_key) = issue("server");
    let (cert, key) = issue("client");
    let authority = file(folder, "ca.pem", &ca.pem());
    let web = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  client_auth_type: RequireAndVerifyClientCert\n",
        server.display(),
        server_key.display(),
        authority.display()
    );
    file(folder, "web.tls", &web);
    Certificates { ca: authority, cert, key }
}

#[tokio::test]
async fn certificates_on_both_sides() {
    let Some(prometheus) = Prometheus::stopped(None) else { return };
    let Certificates { ca, cert, key } = certificates(prometheus.folder.path());
    let web = fs::read_to_string(prometheus.folder.path().join("web.tls")).unwrap();
    let mut prometheus = prometheus.with_web_config(&web);
    prometheus.start();
    prometheus.wait();
    let mut spec = prometheus.spec();
    spec.addresses = vec![prometheus.address().replace("http:", "https:")];
    spec.timeout_seconds = trimtab_metric::Span::from_secs(3);

    let tls = |tls: TlsSpec| ConnectSpec { tls: Some(tls), ..ConnectSpec::default() };
    let error = ask(&spec).await.unwrap_err();
    assert_eq!(error.cause(), "denied", "whom nobody vouches for is not trusted: {error}");

    spec.connect = tls(TlsSpec { ca_file: Some(ca.clone()), ..TlsSpec::default() });
    let error = ask(&spec).await.unwrap_err();
    assert!(["denied", "unreachable"].contains(&error.cause()), "it wants ours: {error}");

    let mutual = TlsSpec {
        ca_file: Some(ca),
        only_ca_file: true,
        cert_file: Some(cert.clone()),
        key_file: Some(key),
    };
    spec.connect = tls(mutual.clone());
    assert_eq!(ask(&spec).await, Ok(1));

    // What can't be meant is said at once.
    for broken in [
        TlsSpec { key_file: None, ..mutual.clone() },
        TlsSpec { ca_file: None, ..mutual.clone() },
        TlsSpec { key_file: Some(cert), ..mutual.clone() },
        TlsSpec { ca_file: Some("/no/such/file".into()), ..mutual },
    ] {
        spec.connect = tls(broken);
        let error = PrometheusClient::new(&spec).err().unwrap();
        assert!(error.to_string().starts_with("`tls`: "), "{error}");
    }
}
