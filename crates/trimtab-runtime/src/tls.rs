//! Which cryptography HTTP clients use.

/// Makes ring the cryptography of this process, unless somebody has chosen before. To be called before the first HTTP
/// client is built: without a choice one can't be.
pub fn install_tls_provider() {
    // That there is one already is what we want.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
}
