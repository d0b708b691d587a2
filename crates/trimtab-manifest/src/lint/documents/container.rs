//! A container: what it asks of the node, how it is probed, how it stops.

use trimtab_metric::Quantity;

use super::duration::sleeps;
use super::probe::Probe;
use crate::lint::autoscaler::is_gpu;
use crate::lint::field::Field;

/// A container of a pod.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Container<'n> {
    pub(in crate::lint) field: Field<'n>,
}

/// An accelerator that a container asks for.
#[derive(Clone, Debug)]
pub(in crate::lint) struct Accelerator<'n> {
    /// Such as `nvidia.com/gpu`.
    pub(in crate::lint) resource: &'n str,
    pub(in crate::lint) request: Option<Amount<'n>>,
    pub(in crate::lint) limit: Option<Amount<'n>>,
}

/// How much of a resource, and where that is written.
#[derive(Clone, Debug)]
pub(in crate::lint) struct Amount<'n> {
    pub(in crate::lint) field: Field<'n>,
    pub(in crate::lint) quantity: Quantity,
}

impl Amount<'_> {
    /// Whether it is within what anybody means: what overflows is neither whole nor a part.
    pub(in crate::lint) fn is_small(&self) -> bool {
        self.quantity.checked_milli().is_some()
    }

    /// The whole number that it is, if it is one.
    pub(in crate::lint) fn whole(&self) -> Option<i64> {
        let milli = self.quantity.checked_milli()?;
        (milli % 1000 == 0).then_some(milli / 1000)
    }
}

impl<'n> Accelerator<'n> {
    /// How many it asks for: Kubernetes takes the limit for the request where there is none.
    pub(in crate::lint) fn count(&self) -> i64 {
        let amount = self.request.as_ref().or(self.limit.as_ref());
        amount.and_then(Amount::whole).unwrap_or(0).max(0)
    }

    /// Where it is written.
    pub(in crate::lint) fn field(&self) -> Option<Field<'n>> {
        self.limit.as_ref().or(self.request.as_ref()).map(|amount| amount.field)
    }
}

/// Whether two amounts are the same, however they are written.
pub(in crate::lint) fn same(one: &Amount<'_>, two: &Amount<'_>) -> bool {
    one.quantity == two.quantity
}

impl<'n> Container<'n> {
    pub(in crate::lint) fn name(&self) -> &'n str {
        self.field.text_of("name").unwrap_or_default()
    }

    /// Where it is shown: at its name, or at its first line.
    pub(in crate::lint) fn heading(&self) -> Field<'n> {
        self.field.get("name").unwrap_or(self.field)
    }

    fn probe(&self, key: &str) -> Option<Probe<'n>> {
        self.field.key_of(key).map(|field| Probe { field })
    }

    pub(in crate::lint) fn readiness(&self) -> Option<Probe<'n>> {
        self.probe("readinessProbe")
    }

    pub(in crate::lint) fn liveness(&self) -> Option<Probe<'n>> {
        self.probe("livenessProbe")
    }

    pub(in crate::lint) fn startup(&self) -> Option<Probe<'n>> {
        self.probe("startupProbe")
    }

    /// What runs before it is asked to stop.
    pub(in crate::lint) fn pre_stop(&self) -> Option<Field<'n>> {
        self.field.get("lifecycle")?.key_of("preStop")
    }

    /// How long its preStop sleeps, where that can be told, and the place.
    pub(in crate::lint) fn pre_stop_sleep(&self) -> Option<(i64, Field<'n>)> {
        let pre_stop = self.pre_stop()?;
        if let Some(seconds) = pre_stop.at("sleep.seconds") {
            return Some((seconds.int()?, seconds));
        }
        let command = pre_stop.get("exec")?.key_of("command")?;
        Some((sleeps(command.items().filter_map(|word| word.text()))?, command))
    }

    fn amount(&self, of: &str, resource: &str) -> Option<Amount<'n>> {
        let field = self.field.get("resources")?.get(of)?.get(resource)?;
        Some(Amount { field, quantity: field.quantity()? })
    }

    /// Whether its requests or limits name a resource.
    pub(in crate::lint) fn names(&self, of: &str, resource: &str) -> bool {
        let resources = self.field.get("resources").and_then(|field| field.get(of));
        resources.is_some_and(|field| field.get(resource).is_some())
    }

    /// What it requests of a resource; its limit where it has no request.
    pub(in crate::lint) fn request(&self, resource: &str) -> Option<Quantity> {
        let amount = self.amount("requests", resource).or_else(|| self.amount("limits", resource));
        amount.map(|amount| amount.quantity)
    }

    /// The accelerators that it asks for, however many of each.
    pub(in crate::lint) fn accelerators(&self) -> Vec<Accelerator<'n>> {
        let mut found: Vec<Accelerator<'n>> = Vec::new();
        for of in ["limits", "requests"] {
            let resources = self.field.get("resources").and_then(|field| field.get(of));
            for (resource, _) in resources.into_iter().flat_map(|field| field.entries()) {
                if is_gpu(resource) && found.iter().all(|one| one.resource != resource) {
                    let request = self.amount("requests", resource);
                    let limit = self.amount("limits", resource);
                    found.push(Accelerator { resource, request, limit });
                }
            }
        }
        found
    }

    /// Whether it asks for an accelerator at all; 0 is how one is declined.
    pub(in crate::lint) fn has_accelerator(&self) -> bool {
        let asks = |amount: &Option<Amount<'_>>| {
            amount.as_ref().is_some_and(|amount| amount.quantity.signum() > 0)
        };
        self.accelerators().iter().any(|one| asks(&one.request) || asks(&one.limit))
    }

    /// The value of a variable of its environment that is written as a value.
    pub(in crate::lint) fn env(&self, name: &str) -> Option<Field<'n>> {
        let variable = self.field.list("env").find(|one| one.text_of("name") == Some(name))?;
        variable.get("value")
    }

    /// Whether requests reach it, as far as it says: a port that is not for metrics, or a probe
    /// over the network.
    pub(in crate::lint) fn listens(&self) -> bool {
        let probes = [self.readiness(), self.liveness(), self.startup()];
        let over_network = |probe: &Probe<'_>| {
            ["httpGet", "tcpSocket", "grpc"].iter().any(|key| probe.field.get(key).is_some())
        };
        self.field.list("ports").any(|port| !is_metrics(&port))
            || probes.iter().flatten().any(over_network)
    }

    /// Whether its image is that of a server whose `/health` answers only once the model is loaded.
    pub(in crate::lint) fn answers_when_loaded(&self) -> bool {
        const SERVERS: [&str; 5] =
            ["vllm", "text-generation-inference", "sglang", "llama.cpp", "llama-server"];
        self.image_has(&SERVERS) && !self.is_beside_server()
    }

    /// Whether its image is that of what stands before a server or plays one.
    fn is_beside_server(&self) -> bool {
        self.image_has(&["router", "proxy", "gateway", "exporter", "sidecar", "emulator", "sim"])
    }

    /// Whether its image is that of a notebook, where a person works and nobody waits for a model.
    pub(in crate::lint) fn is_notebook(&self) -> bool {
        self.image_has(&["jupyter", "jupyterlab", "notebook", "jupyterhub"])
    }

    /// Whether its image is that of a server which answers at once and streams nothing.
    pub(in crate::lint) fn answers_at_once(&self) -> bool {
        self.image_has(&["tensorflow/serving", "torchserve", "sklearnserver", "xgbserver"])
    }

    /// Whether its server opens its port only when the model is loaded.
    pub(in crate::lint) fn opens_when_loaded(&self) -> bool {
        self.image_has(&["vllm", "text-generation-inference"]) && !self.is_beside_server()
    }

    /// The first port that is not one of metrics, as it is written.
    pub(in crate::lint) fn port(&self) -> Option<&'n str> {
        let ports = self.field.list("ports").filter(|port| !is_metrics(port));
        ports.into_iter().find_map(|port| port.text_of("containerPort"))
    }

    /// The number of a port that a probe names, where one of the ports has that name.
    pub(in crate::lint) fn numbered(&self, port: &'n str) -> &'n str {
        let mut ports = self.field.list("ports");
        let named = ports.find(|one| one.text_of("name") == Some(port));
        named.and_then(|one| one.text_of("containerPort")).unwrap_or(port)
    }

    /// Whether its image is that of Triton.
    pub(in crate::lint) fn is_triton(&self) -> bool {
        self.image_has(&["tritonserver"])
    }

    /// Whether its image is that of a model server.
    pub(in crate::lint) fn is_model_server(&self) -> bool {
        self.answers_when_loaded() || self.image_has(&["tritonserver", "tensorrt-llm", "trtllm"])
    }

    fn image_has(&self, parts: &[&str]) -> bool {
        let image = self.field.text_of("image").unwrap_or_default().to_ascii_lowercase();
        parts.iter().any(|part| holds_word(&image, part))
    }
}

/// Whether a port is for metrics, by its name.
fn is_metrics(port: &Field<'_>) -> bool {
    let name = port.text_of("name").unwrap_or_default();
    name.contains("metric") || name.contains("prom")
}

/// Whether a text holds a part that no letter goes on before or behind: `vllm-openai` holds `vllm`,
/// `vllme` does not.
fn holds_word(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let behind = text.get(at.saturating_add(part.len())..);
        let behind = behind.and_then(|behind| behind.chars().next());
        let ends = |char: Option<char>| !char.is_some_and(|char| char.is_ascii_alphabetic());
        ends(before) && ends(behind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    fn with<T>(text: &str, check: impl Fn(Container<'_>) -> T) -> T {
        let document = document(text);
        check(Container { field: Field::root(&document) })
    }

    #[test]
    fn accelerators_and_their_amounts() {
        let counts = |text: &str| {
            with(text, |container| {
                let found = container.accelerators();
                found.iter().map(|one| (one.resource.to_owned(), one.count())).collect::<Vec<_>>()
            })
        };
        assert_eq!(
            counts("resources: {limits: {cpu: 4, nvidia.com/gpu: \"2\"}}"),
            [("nvidia.com/gpu".to_owned(), 2)]
        );
        assert_eq!(
            counts("resources: {requests: {nvidia.com/mig-1g.10gb: 1}, limits: {memory: 1Gi}}"),
            [("nvidia.com/mig-1g.10gb".to_owned(), 1)]
        );
        assert_eq!(
            counts("resources: {limits: {nvidia.com/gpu: 0.5}}"),
            [("nvidia.com/gpu".to_owned(), 0)]
        );
        assert!(counts("resources: {limits: [nvidia.com/gpu]}").is_empty());
        assert!(!with("resources: {limits: {nvidia.com/gpu: 0}}", |one| one.has_accelerator()));
        assert!(with("resources: {limits: {nvidia.com/gpu: 0.5}}", |one| one.has_accelerator()));
    }

    #[test]
    fn stopping() {
        let sleep = |text: &str| with(text, |one| one.pre_stop_sleep().map(|(s, _)| s));
        assert_eq!(sleep("lifecycle: {preStop: {sleep: {seconds: 20}}}"), Some(20));
        assert_eq!(sleep("lifecycle: {preStop: {exec: {command: [sleep, \"5\"]}}}"), Some(5));
        assert_eq!(sleep("lifecycle: {preStop: {httpGet: {path: /drain}}}"), None);
        assert_eq!(sleep("lifecycle: {}"), None);
    }

    #[test]
    fn images() {
        for (image, expected) in [
            ("vllm/vllm-openai:v0.10.0", true),
            ("registry.example.com/team/vllm:1", true),
            ("lmsysorg/sglang:latest", true),
            ("registry.example.com/vllme:0.2", false),
            ("registry.example.com/vllm-router:1", false),
            ("registry.example.com/vllm-sim:1", false),
            ("registry.example.com/llm:1", false),
        ] {
            let text = format!("image: {image}");
            assert_eq!(with(&text, |one| one.answers_when_loaded()), expected, "{image}");
        }
        assert!(with("image: tensorflow/tensorflow:2.13.0-gpu-jupyter", |one| one.is_notebook()));
    }

    #[test]
    fn listening() {
        let listens = |text: &str| with(text, |one| one.listens());
        assert!(listens("ports: [{containerPort: 8000}]"));
        assert!(listens("livenessProbe: {httpGet: {path: /, port: 1}}"));
        assert!(!listens("ports: [{containerPort: 9090, name: metrics}]"));
        assert!(!listens("readinessProbe: {exec: {command: [x]}}"));
    }
}
