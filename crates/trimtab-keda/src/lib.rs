#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answers;
mod find;
pub mod proto;
mod reporting;
mod server;
mod service;
mod target;
mod tls;

pub use answers::{Answers, Registration};
pub use reporting::{METRIC, Report, Reporting, Within};
pub use server::{ServeError, Server};
pub use service::KedaService;
pub use target::{KedaTarget, Unsuitable, check};
pub use tls::{TlsError, TlsFiles};
