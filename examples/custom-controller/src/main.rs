//! The controller as a process. Whoever fills a queue says how long it is in an annotation of the Deployment that works it off.

use std::error::Error;
use std::sync::Arc;

use kube::ResourceExt;
use trimtab::kube::{ConnectSpec, connect};

/// The annotation with the length of the queue.
const QUEUE: &str = "scaling.example.com/queue-length";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let client = connect(&ConnectSpec::default()).await?;
    let queue_of = |deployment: &k8s_openapi::api::apps::v1::Deployment| {
        deployment.annotations().get(QUEUE)?.parse().ok()
    };
    let end = async {
        let _told = tokio::signal::ctrl_c().await;
    };
    trimtab_custom_controller::run(client, Arc::new(queue_of), end).await;
    Ok(())
}
