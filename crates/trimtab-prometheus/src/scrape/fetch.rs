//! One page, over HTTP.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use trimtab_runtime::SourceError;

use super::page::Page;
use crate::connect::{Transport, read_body, sending_failed};
use crate::exposition::Exposition;

/// Names are steadier in the older format: OpenMetrics has `_total` where a server may have left it out.
const FORMATS: &str =
    "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1";

/// The page at an address.
pub(super) async fn page(
    transport: &Transport,
    url: &str,
    max_bytes: u64,
) -> Result<Page, SourceError> {
    let request = transport.client()?.get(url).headers(transport.headers()?);
    let response = request.header(ACCEPT, FORMATS).send().await;
    let response = response.map_err(|error| sending_failed(&error))?;
    let status = response.status();
    if status.as_u16() == 401 || status.as_u16() == 403 {
        return Err(SourceError::Denied(format!("it answers {status}")));
    }
    if !status.is_success() {
        return Err(if status.is_server_error() {
            SourceError::Unreachable(format!("it answers {status}"))
        } else {
            SourceError::Refused(format!("it answers {status}"))
        });
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default();
    if kind.starts_with("application/vnd.google.protobuf") {
        return Err(SourceError::Malformed(String::from(
            "the page is in Protocol Buffers, which only a Prometheus reads: have it written as text",
        )));
    }
    let format = Exposition::of(kind);
    let body = read_body(response, max_bytes).await?;
    let text = String::from_utf8(body)
        .map_err(|_| SourceError::Malformed(String::from("the page is not UTF-8")))?;
    Ok(Page { format, text })
}
