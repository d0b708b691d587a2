//! The server: KEDA's service and gRPC's health protocol on one port.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::interval;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tracing::warn;

use crate::proto::external_scaler_server::ExternalScalerServer;
use crate::{Answers, KedaService, TlsError, TlsFiles, tls};

/// Who is silent for that long is asked whether he is still there.
const ASK: Duration = Duration::from_secs(30);
/// Who does not answer that is gone.
const GONE: Duration = Duration::from_secs(10);
/// What is under way at the end gets that long.
const FINISH: Duration = Duration::from_secs(10);

/// Serves [`KedaService`], and gRPC's health protocol: of the whole server (`""`), which serves until the end, and of the
/// service `externalscaler.ExternalScaler`, which serves once each workload has had a decision.
///
/// KEDA opens a stream for each trigger `external-push`, all on one connection, beside its other calls; so there may be any
/// number of them.
///
/// ```
/// # use std::sync::Arc;
/// use tokio_util::sync::CancellationToken;
/// use trimtab_keda::{Answers, Server};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let answers = Arc::new(Answers::new());
/// let end = CancellationToken::new();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let serving = tokio::spawn(Server::new(answers).serve(listener, end.clone()));
/// // … until it is to end …
/// end.cancel();
/// serving.await??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    answers: Arc<Answers>,
    tls: Option<TlsFiles>,
}

/// Why the server ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The files for TLS can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Serving failed.
    #[error("can't serve: {0}")]
    Transport(#[from] tonic::transport::Error),
}

impl Server {
    /// Without TLS.
    pub fn new(answers: Arc<Answers>) -> Self {
        Self { answers, tls: None }
    }

    /// With TLS.
    #[must_use]
    pub fn with_tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Serves until `end`: then streams end, and what is under way has 10 s.
    ///
    /// # Errors
    ///
    /// [`ServeError`] when it can't begin, or not go on.
    pub async fn serve(
        self,
        listener: TcpListener,
        end: CancellationToken,
    ) -> Result<(), ServeError> {
        match self.tls.clone() {
            Some(files) => {
                let incoming = tls::accept(listener, files, end.clone())?;
                self.serve_on(incoming, end).await
            }
            None => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                self.serve_on(incoming, end).await
            }
        }
    }

    async fn serve_on<S>(
        self,
        incoming: impl Stream<Item = io::Result<S>>,
        end: CancellationToken,
    ) -> Result<(), ServeError>
    where
        S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let (health, health_service) = health_reporter();
        let telling = tokio::spawn(tell_health(health, Arc::clone(&self.answers), end.clone()));
        let service = KedaService::new(self.answers, end.clone());
        let serving = tonic::transport::Server::builder()
            .max_concurrent_streams(u32::MAX)
            .http2_keepalive_interval(Some(ASK))
            .http2_keepalive_timeout(Some(GONE))
            .add_service(ExternalScalerServer::new(service))
            .add_service(health_service)
            .serve_with_incoming_shutdown(incoming, end.clone().cancelled_owned());
        let late = async {
            end.cancelled().await;
            tokio::time::sleep(FINISH).await;
        };
        let served = tokio::select! {
            served = serving => served,
            () = late => {
                warn!(target: "trimtab", "connections are closed that did not end");
                Ok(())
            }
        };
        telling.abort();
        Ok(served?)
    }
}

/// Keeps what health says up to date.
async fn tell_health(mut health: HealthReporter, answers: Arc<Answers>, end: CancellationToken) {
    let mut rounds = interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            _ = rounds.tick() => {
                let is_ready = answers.is_ready();
                let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
                health.set_service_status(NAME, status).await;
            }
        }
    }
    for name in ["", NAME] {
        health.set_service_status(name, ServingStatus::NotServing).await;
        // Ends the streams of those who watch.
        health.clear_service_status(name).await;
    }
}

/// The service's name in the protocol.
const NAME: &str = crate::proto::external_scaler_server::SERVICE_NAME;
