//! The certificates of a server: one authority, and what it signs.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Files, in PEM.
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) ca_der: Vec<u8>,
    pub(crate) server: PathBuf,
    pub(crate) server_key: PathBuf,
    /// In `system:masters`.
    pub(crate) admin: PathBuf,
    pub(crate) admin_key: PathBuf,
    /// Of the API server, when it asks those that it speaks for.
    pub(crate) proxy: PathBuf,
    pub(crate) proxy_key: PathBuf,
    /// What tokens are signed with.
    pub(crate) account_key: PathBuf,
    pub(crate) account_public: PathBuf,
}

impl Certificates {
    pub(crate) fn write(folder: &Path) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let issue = |name: &str, organization: Option<&str>| {
            let key = KeyPair::generate().unwrap();
            let names = ["127.0.0.1", "localhost"].map(String::from);
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            if let Some(organization) = organization {
                params.distinguished_name.push(DnType::OrganizationName, organization);
            }
            let certificate = params.signed_by(&key, &ca).unwrap();
            let certificate = file(&format!("{name}.crt"), &certificate.pem());
            (certificate, file(&format!("{name}.key"), &key.serialize_pem()))
        };
        let (server, server_key) = issue("server", None);
        let (admin, admin_key) = issue("admin", Some("system:masters"));
        let (proxy, proxy_key) = issue("proxy", None);
        let account = KeyPair::generate().unwrap();
        Self {
            ca: file("ca.crt", &ca.pem()),
            ca_der: ca.der().to_vec(),
            server,
            server_key,
            admin,
            admin_key,
            proxy,
            proxy_key,
            account_key: file("account.key", &account.serialize_pem()),
            account_public: file("account.pub", &account.public_key_pem()),
        }
    }
}
