//! TLS for the server, from files that may change while it runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);
/// Who has not introduced himself by then is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What waits for the server to take it.
const WAITING: usize = 64;

/// Files in PEM. They are read anew when they change, which new connections see; a file that can't be used then is told,
/// and those of before stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate, and those that lead to who issued it.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// Only clients with a certificate by one of these get in (mTLS). Default: any do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
}

/// Files that can't be used for TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read, or has nothing of what it is for.
    #[error("`{}` can't be used: {why}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// They do not fit together.
    #[error("the certificates and the key can't be used: {0}")]
    Unusable(String),
}

impl TlsFiles {
    /// Reads them once, to see whether they can be used.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if not.
    pub fn check(&self) -> Result<(), TlsError> {
        self.load().map(drop)
    }

    fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let unusable = |error: &dyn std::error::Error| TlsError::Unusable(error.to_string());
        let chain = certificates(&self.certificate_file)?;
        let key = PrivateKeyDer::from_pem_file(&self.key_file)
            .map_err(|error| not_in(&self.key_file, "private key", &error))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let builder = match &self.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| TlsError::File {
                        file: file.clone(),
                        why: error.to_string(),
                    })?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| unusable(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| unusable(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    fn looks(&self) -> Looks {
        let files =
            [Some(&self.certificate_file), Some(&self.key_file), self.client_ca_file.as_ref()];
        let look = |file: &PathBuf| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        files.into_iter().flatten().map(look).collect()
    }
}

/// When each file was written, and how long it is.
type Looks = Vec<Option<(SystemTime, u64)>>;

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, pem::Error> =
        CertificateDer::pem_file_iter(file).and_then(|certificates| certificates.collect());
    let all = all.map_err(|error| not_in(file, "certificate", &error))?;
    if all.is_empty() {
        return Err(not_in(file, "certificate", &pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn not_in(file: &Path, what: &str, error: &pem::Error) -> TlsError {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no {what} in it, in PEM"),
        other => other.to_string(),
    };
    TlsError::File { file: file.to_owned(), why }
}

/// The config of now.
struct Current {
    files: TlsFiles,
    state: Mutex<State>,
}

struct State {
    config: Arc<ServerConfig>,
    looks: Looks,
    looked: Instant,
}

impl Current {
    fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let looks = files.looks();
        let config = files.load()?;
        let state = Mutex::new(State { config, looks, looked: Instant::now() });
        Ok(Self { files, state })
    }

    /// What a new connection gets. It looks at the files, if that is not just done.
    fn config(&self) -> Arc<ServerConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK {
            state.looked = Instant::now();
            let looks = self.files.looks();
            if looks != state.looks {
                match self.files.load() {
                    Ok(config) => {
                        info!(target: "trimtab", "certificates are read anew");
                        (state.config, state.looks) = (config, looks);
                    }
                    Err(error) => {
                        warn!(target: "trimtab", %error, "new certificates are refused, those of before stay");
                        state.looks = looks;
                    }
                }
            }
        }
        Arc::clone(&state.config)
    }
}

/// Connections that have shown what TLS asks of them, until `end`.
pub(crate) fn accept(
    listener: TcpListener,
    files: TlsFiles,
    end: CancellationToken,
) -> Result<ReceiverStream<io::Result<TlsStream<TcpStream>>>, TlsError> {
    let current = Current::new(files)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = end.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let acceptor = TlsAcceptor::from(current.config());
                    tokio::spawn(introduce(acceptor, stream, sender.clone()));
                }
                Err(error) => {
                    // Most likely there are no file descriptors left; it may be better soon.
                    warn!(target: "trimtab", %error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Each introduction is a task of its own: one that dawdles holds up nobody.
async fn introduce(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    sender: mpsc::Sender<io::Result<TlsStream<TcpStream>>>,
) {
    let peer = stream.peer_addr().ok();
    let _slower = stream.set_nodelay(true);
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            // Nobody listens any more when the server has ended.
            let _ended = sender.send(Ok(stream)).await;
        }
        // A probe of the port says nothing.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Ok(Err(error)) => {
            warn!(target: "trimtab", ?peer, %error, "a connection without TLS as asked for")
        }
        Err(_) => warn!(target: "trimtab", ?peer, "a connection that did not introduce itself"),
    }
}
