//! Metrics of a policy.

use arbitrary::{Result, Unstructured};
use trimtab_engine::{
    ContainerResourceMetricSource, ExternalMetricSource, MetricIdentifier, MetricSpec,
    MetricTarget, ObjectMetricSource, PodsMetricSource, ResourceMetricSource,
};
use trimtab_metric::Quantity;

use crate::amounts::{amount, option, small};

pub(crate) fn metric(u: &mut Unstructured<'_>) -> Result<MetricSpec> {
    let kinds = ["Resource", "ContainerResource", "Pods", "Object", "External", "?"];
    let kind = *u.choose(&kinds)?;
    metric_of(u, kind)
}

pub(crate) fn metric_of(u: &mut Unstructured<'_>, kind: &str) -> Result<MetricSpec> {
    let quantity = |u: &mut Unstructured<'_>| amount(u).map(Quantity::from_milli);
    let target = MetricTarget {
        type_: u.choose(&["Utilization", "Value", "AverageValue", ""])?.to_string(),
        value: option(u, quantity)?,
        average_value: option(u, quantity)?,
        average_utilization: option(u, small)?,
    };
    let metric = MetricIdentifier { name: "m".into(), selector: None };
    let name = u.choose(&["cpu", "memory"])?.to_string();
    let mut spec = MetricSpec { type_: kind.into(), ..MetricSpec::default() };
    match spec.type_.as_str() {
        "Resource" => spec.resource = Some(ResourceMetricSource { name, target }),
        "ContainerResource" => {
            let container = "server".into();
            spec.container_resource =
                Some(ContainerResourceMetricSource { name, target, container });
        }
        "Pods" => spec.pods = Some(PodsMetricSource { metric, target }),
        "Object" => {
            let mut source = ObjectMetricSource { metric, target, ..Default::default() };
            source.described_object.kind = "Service".into();
            source.described_object.name = "gateway".into();
            source.described_object.api_version = "v1".into();
            spec.object = Some(source);
        }
        "External" => spec.external = Some(ExternalMetricSource { metric, target }),
        _ => {}
    }
    Ok(spec)
}

pub(crate) fn external(u: &mut Unstructured<'_>, name: &str, type_: &str) -> Result<MetricSpec> {
    let quantity = Quantity::from_milli(amount(u)?);
    let (value, average_value) = match type_ {
        "Value" => (Some(quantity), None),
        _ => (None, Some(quantity)),
    };
    let target =
        MetricTarget { type_: type_.into(), value, average_value, ..MetricTarget::default() };
    let metric = MetricIdentifier { name: name.into(), selector: None };
    Ok(MetricSpec {
        type_: "External".into(),
        external: Some(ExternalMetricSource { metric, target }),
        ..MetricSpec::default()
    })
}

pub(crate) fn slo_metric(u: &mut Unstructured<'_>) -> Result<MetricSpec> {
    let name = *u.choose(&SLO_METRICS)?;
    if u.ratio(1, 2)? {
        let type_ = *u.choose(&["Value", "AverageValue"])?;
        return external(u, name, type_);
    }
    let mut spec = metric_of(u, "Pods")?;
    if let Some(pods) = &mut spec.pods {
        pods.metric.name = name.into();
    }
    Ok(spec)
}

pub(crate) const SLO_METRICS: [&str; 4] = ["load", "queue", "latency", "cache"];
