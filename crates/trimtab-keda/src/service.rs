//! The service that KEDA calls.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{Stream, once, unfold};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::Answers;
use crate::answers::{Entry, Latest, Silence};
use crate::find::find;
use crate::proto::external_scaler_server::ExternalScaler;
use crate::proto::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
    MetricValue, ScaledObjectRef,
};
use crate::reporting::{METRIC, TARGET};

/// KEDA's external scaler over [`Answers`].
///
/// | KEDA asks | and is told |
/// | --- | --- |
/// | `GetMetricSpec`, `StreamMetricSpec` | one metric, [`METRIC`](crate::METRIC), with the target 1; always the same |
/// | `GetMetrics` | the count that is wanted, by the workload's [`Reporting`](crate::Reporting) |
/// | `IsActive`, `StreamIsActive` | whether that is above 0 |
///
/// What is not known is an error and never a number, so that neither KEDA nor its HPA moves on it:
///
/// | status | |
/// | --- | --- |
/// | `INVALID_ARGUMENT` | the trigger's metadata can't be meant |
/// | `NOT_FOUND` | no workload, policy or metric of that name |
/// | `PERMISSION_DENIED` | the workload is for another ScaledObject |
/// | `FAILED_PRECONDITION` | the workload is in shadow mode |
/// | `UNAVAILABLE` | there was no decision yet, or none for five periods and two minutes |
///
/// Streams end when the service does and when their workload does, without an error: KEDA opens them anew after 2 s.
#[derive(Clone, Debug)]
pub struct KedaService {
    answers: Arc<Answers>,
    end: CancellationToken,
}

impl KedaService {
    /// Answers until `end`, when streams end.
    pub fn new(answers: Arc<Answers>, end: CancellationToken) -> Self {
        Self { answers, end }
    }
}

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalScaler for KedaService {
    type StreamIsActiveStream = Streamed<IsActiveResponse>;
    type StreamMetricSpecStream = Streamed<GetMetricSpecResponse>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let entry = find(&self.answers, Some(request.get_ref()))?;
        let wanted = entry.wanted().map_err(|silence| status(&entry, &silence))?;
        Ok(Response::new(IsActiveResponse { result: wanted > 0 }))
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let entry = find(&self.answers, Some(request.get_ref()))?;
        let latest = entry.watch();
        drop(entry);
        // What stands now is said first, as soon as there is something.
        let told = (latest, None::<bool>, true);
        let changes = unfold(told, |(mut latest, told, mut is_first)| async move {
            loop {
                if !std::mem::take(&mut is_first) {
                    latest.changed().await.ok()?;
                }
                let is_active = is_active(&latest.borrow_and_update());
                if let Some(now) = is_active.filter(|now| told != Some(*now)) {
                    let response = IsActiveResponse { result: now };
                    return Some((Ok(response), (latest, Some(now), false)));
                }
            }
        });
        let end = self.end.clone().cancelled_owned();
        Ok(Response::new(Box::pin(changes.take_until(end))))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        find(&self.answers, Some(request.get_ref()))?;
        Ok(Response::new(specs()))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let GetMetricsRequest { scaled_object_ref, metric_name } = request.into_inner();
        let entry = find(&self.answers, scaled_object_ref.as_ref())?;
        if metric_name != METRIC {
            return Err(Status::not_found(format!(
                "there is no metric `{metric_name}`: it is called `{METRIC}`"
            )));
        }
        let report = entry.report().map_err(|silence| status(&entry, &silence))?;
        Ok(Response::new(GetMetricsResponse {
            metric_values: vec![MetricValue {
                metric_name,
                metric_value: report.value.ceil() as i64,
                metric_value_float: report.value,
            }],
        }))
    }

    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let entry = find(&self.answers, Some(request.get_ref()))?;
        let mut latest = entry.watch();
        drop(entry);
        // They never change. Open is better than ended, after which KEDA would ask again and again.
        let gone = async move { while latest.changed().await.is_ok() {} };
        let first = once(async { Ok(specs()) });
        let rest = once(gone).filter_map(|()| async { None });
        let end = self.end.clone().cancelled_owned();
        Ok(Response::new(Box::pin(first.chain(rest).take_until(end))))
    }
}

fn specs() -> GetMetricSpecResponse {
    GetMetricSpecResponse {
        metric_specs: vec![MetricSpec {
            metric_name: String::from(METRIC),
            target_size: TARGET as i64,
            target_size_float: TARGET,
        }],
    }
}

fn is_active(latest: &Latest) -> Option<bool> {
    latest.wanted().ok().map(|wanted| wanted > 0)
}

fn status(entry: &Entry, silence: &Silence) -> Status {
    let message = format!("workload `{}`: {silence}", entry.registration.workload);
    match silence {
        Silence::Shadow => Status::failed_precondition(message),
        Silence::NoDecision { .. } | Silence::Stale { .. } => Status::unavailable(message),
    }
}
