//! An answer's bytes, no more than it may have, and why there are none.

use std::error::Error as _;

use reqwest::{Error, Response};
use trimtab_runtime::SourceError;

use super::tls::words;

/// Reads an answer as it comes in and gives up when it is larger than it may be.
pub(crate) async fn read_body(mut response: Response, limit: u64) -> Result<Vec<u8>, SourceError> {
    let too_large = || SourceError::TooLarge { limit };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    // What is announced need not come.
    let room = announced.unwrap_or(0).min(64 << 10);
    let mut body = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let length = u64::try_from(body.len().saturating_add(chunk.len()));
                if length.is_ok_and(|length| length > limit) {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(body),
            Err(error) => {
                let error = words(&error);
                return Err(SourceError::Unreachable(format!("the answer ended early: {error}")));
            }
        }
    }
}

/// Why a request got no answer. Addresses are left out: they may hold what is not for everybody.
pub(crate) fn sending_failed(error: &Error) -> SourceError {
    if error.is_timeout() {
        return SourceError::Unreachable(String::from("no connection was made in time"));
    }
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::AlertReceived(alert) => {
                    SourceError::Denied(format!("it refuses our certificate: {alert:?}"))
                }
                tls => SourceError::Denied(format!("its certificate is not trusted: {tls}")),
            };
        }
        source = inner.source().or_else(|| {
            let io = inner.downcast_ref::<std::io::Error>()?;
            io.get_ref().map(|inner| inner as _)
        });
    }
    SourceError::Unreachable(words(error))
}
