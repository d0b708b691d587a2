//! The paths under which the HPA's clients ask.

use trimtab_runtime::SourceError;

use crate::cluster::Selector;

pub(super) const RESOURCE: &str = "metrics.k8s.io";
pub(super) const CUSTOM: &str = "custom.metrics.k8s.io";
pub(super) const EXTERNAL: &str = "external.metrics.k8s.io";

/// The PodMetrics of pods.
pub(super) fn pod_metrics(namespace: &str, pods: &Selector) -> String {
    let path = format!("/apis/{RESOURCE}/v1beta1/namespaces/{}/pods", encode(namespace));
    with_query(path, &[("labelSelector", pods)])
}

/// A metric of pods, each with a value of its own.
pub(super) fn pods(
    version: &str,
    namespace: &str,
    metric: &str,
    pods: &Selector,
    selector: &Selector,
) -> Result<String, SourceError> {
    let (namespace, metric) = (encode(namespace), segment(metric)?);
    let path = format!("/apis/{CUSTOM}/{version}/namespaces/{namespace}/pods/%2A/{metric}");
    Ok(with_query(path, &[("labelSelector", pods), ("metricLabelSelector", selector)]))
}

/// A metric of one object, by its resource such as `deployments.apps`.
pub(super) fn object(
    version: &str,
    namespace: &str,
    resource: &str,
    name: &str,
    metric: &str,
    selector: &Selector,
) -> Result<String, SourceError> {
    let (namespace, name, metric) = (encode(namespace), segment(name)?, segment(metric)?);
    let resource = encode(resource);
    let path =
        format!("/apis/{CUSTOM}/{version}/namespaces/{namespace}/{resource}/{name}/{metric}");
    Ok(with_query(path, &[("metricLabelSelector", selector)]))
}

/// A metric of the namespace itself.
pub(super) fn namespace(
    version: &str,
    namespace: &str,
    metric: &str,
    selector: &Selector,
) -> Result<String, SourceError> {
    let (namespace, metric) = (encode(namespace), segment(metric)?);
    let path = format!("/apis/{CUSTOM}/{version}/namespaces/{namespace}/metrics/{metric}");
    Ok(with_query(path, &[("metricLabelSelector", selector)]))
}

/// The series of a metric from outside.
pub(super) fn external(
    namespace: &str,
    metric: &str,
    selector: &Selector,
) -> Result<String, SourceError> {
    let (namespace, metric) = (encode(namespace), segment(metric)?);
    let path = format!("/apis/{EXTERNAL}/v1beta1/namespaces/{namespace}/{metric}");
    Ok(with_query(path, &[("labelSelector", selector)]))
}

/// A selector that selects everything is left out.
fn with_query(mut path: String, selectors: &[(&str, &Selector)]) -> String {
    let mut mark = '?';
    for (name, selector) in selectors.iter().filter(|(_, selector)| !selector.is_everything()) {
        path.push(mark);
        path.push_str(name);
        path.push('=');
        path.push_str(&encode(&selector.to_string()));
        mark = '&';
    }
    path
}

/// A name as one part of a path. One that would be several, or none, is refused, as Kubernetes'
/// clients do.
fn segment(name: &str) -> Result<String, SourceError> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '%']) {
        return Err(SourceError::Refused(format!(
            "`{name}` can't be asked for: a name has no `/` and no `%`, and is not `.` or `..`"
        )));
    }
    Ok(encode(name))
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_those_of_the_hpa() -> Result<(), Box<dyn std::error::Error>> {
        let app: Selector = "app=llm,tier in (web,api)".parse()?;
        let verb: Selector = "verb=GET".parse()?;
        let all = Selector::default();
        let questions = [
            pod_metrics("inference", &app),
            pods("v1beta2", "inference", "waiting", &app, &verb)?,
            object("v1beta1", "inference", "deployments.apps", "llm", "rps", &all)?,
            namespace("v1beta2", "inference", "rps", &verb)?,
            external("inference", "pubsub.googleapis.com|subscription|undelivered", &verb)?,
            external("inference", "queue", &all)?,
        ];
        insta::assert_snapshot!(questions.join("\n"), @r"
        /apis/metrics.k8s.io/v1beta1/namespaces/inference/pods?labelSelector=app%3Dllm%2Ctier%20in%20%28api%2Cweb%29
        /apis/custom.metrics.k8s.io/v1beta2/namespaces/inference/pods/%2A/waiting?labelSelector=app%3Dllm%2Ctier%20in%20%28api%2Cweb%29&metricLabelSelector=verb%3DGET
        /apis/custom.metrics.k8s.io/v1beta1/namespaces/inference/deployments.apps/llm/rps
        /apis/custom.metrics.k8s.io/v1beta2/namespaces/inference/metrics/rps?metricLabelSelector=verb%3DGET
        /apis/external.metrics.k8s.io/v1beta1/namespaces/inference/pubsub.googleapis.com%7Csubscription%7Cundelivered?labelSelector=verb%3DGET
        /apis/external.metrics.k8s.io/v1beta1/namespaces/inference/queue
        ");
        assert!(external("inference", "a/b", &all).is_err());
        Ok(())
    }
}
