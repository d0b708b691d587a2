//! Whose cryptography HTTP clients use.

use rustls::crypto::{CryptoProvider, ring};

/// Makes *ring* the cryptography of this process, unless it has one already.
///
/// `rustls` wants to be told once per process whose it is to use, and without that no HTTP client can be built. Nothing here
/// chooses for others: a program that made its own choice before, or made a `kube` client, keeps it. What makes clients here
/// calls this by itself; a program that makes HTTPS clients of its own may want to call it first.
///
/// ```
/// trimtab_runtime::use_ring();
/// trimtab_runtime::use_ring(); // again does nothing
/// ```
pub fn use_ring() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, which is as good.
        let _chosen = ring::default_provider().install_default();
    }
}
