//! KEDA's messages, its service, and a client of that, as they are compiled.

#![allow(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    missing_docs,
    reason = "generated"
)]

tonic::include_proto!("externalscaler");
