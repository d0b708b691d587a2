//! Probes: what the kubelet asks a container, how often, and when it gives up.

use crate::lint::field::Field;

/// A readiness, liveness or startup probe, with the API's defaults where it says nothing.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Probe<'n> {
    pub(in crate::lint) field: Field<'n>,
}

/// What a probe asks.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::lint) enum Handler<'n> {
    /// `httpGet`: the path and the port as it is written.
    Http { path: &'n str, port: &'n str },
    /// `tcpSocket`: whether the port is open.
    Tcp { port: &'n str },
    /// `grpc`: the service that is asked for.
    Grpc { service: &'n str },
    /// A command in the container.
    Exec,
}

impl<'n> Probe<'n> {
    /// What it asks; nothing if it has no handler that Kubernetes knows.
    pub(in crate::lint) fn handler(&self) -> Option<Handler<'n>> {
        if let Some(http) = self.field.get("httpGet") {
            let path = http.text_of("path").filter(|path| !path.is_empty()).unwrap_or("/");
            return Some(Handler::Http { path, port: http.text_of("port").unwrap_or_default() });
        }
        if let Some(tcp) = self.field.get("tcpSocket") {
            return Some(Handler::Tcp { port: tcp.text_of("port").unwrap_or_default() });
        }
        if let Some(grpc) = self.field.get("grpc") {
            return Some(Handler::Grpc { service: grpc.text_of("service").unwrap_or_default() });
        }
        self.field.get("exec").map(|_| Handler::Exec)
    }

    /// Where the handler is written, for what is wrong with it.
    pub(in crate::lint) fn handler_field(&self) -> Field<'n> {
        let handler = |key| self.field.key_of(key);
        self.field
            .at("httpGet.path")
            .or_else(|| handler("httpGet"))
            .or_else(|| handler("tcpSocket"))
            .or_else(|| handler("grpc"))
            .or_else(|| handler("exec"))
            .unwrap_or(self.field)
    }

    /// The words of its command.
    pub(in crate::lint) fn command(&self) -> impl Iterator<Item = &'n str> + use<'n> {
        let words = self.field.at("exec.command").into_iter().flat_map(|command| command.items());
        words.filter_map(|word| word.text())
    }

    fn number(&self, key: &str, default: i64) -> i64 {
        // The API server takes zero for absent.
        let written = self.field.get(key).and_then(|field| field.seconds());
        written.filter(|number| *number > 0).unwrap_or(default)
    }

    pub(in crate::lint) fn initial_delay(&self) -> i64 {
        self.number("initialDelaySeconds", 0)
    }

    pub(in crate::lint) fn period(&self) -> i64 {
        self.number("periodSeconds", 10)
    }

    pub(in crate::lint) fn failure_threshold(&self) -> i64 {
        self.number("failureThreshold", 3)
    }

    /// How long after its start a container may go without an answer before the kubelet acts: the
    /// initial delay, and as many periods as there may be failures.
    pub(in crate::lint) fn patience(&self) -> i64 {
        self.initial_delay().saturating_add(self.failure_threshold().saturating_mul(self.period()))
    }
}

impl Handler<'_> {
    /// Whether what it asks says no more than that the process is alive, by its name.
    pub(in crate::lint) fn is_aliveness(&self) -> bool {
        const ALIVE: [&str; 10] = [
            "/healthz",
            "/livez",
            "/live",
            "/alive",
            "/liveness",
            "/ping",
            "/health/live",
            "/health/liveness",
            "/v2/health/live",
            "/actuator/health/liveness",
        ];
        match self {
            Self::Http { path, .. } => {
                let path = path.split(['?', '#']).next().unwrap_or(path).trim_end_matches('/');
                ALIVE.contains(&path)
            }
            _ => false,
        }
    }

    /// Whether its name says so beyond doubt; `/healthz` and `/ping` are used for either.
    pub(in crate::lint) fn says_alive(&self) -> bool {
        match self {
            Self::Http { path, .. } => self.is_aliveness() && path.contains("live"),
            _ => false,
        }
    }

    /// How it is called in messages.
    pub(in crate::lint) fn describe(&self) -> String {
        match self {
            Self::Http { path, .. } => format!("`{path}`"),
            Self::Tcp { port } => format!("port `{port}`"),
            Self::Grpc { service: "" } => String::from("gRPC health"),
            Self::Grpc { service } => format!("gRPC health of `{service}`"),
            Self::Exec => String::from("a command"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    #[test]
    fn patience_with_the_defaults_of_the_api() {
        for (text, expected) in [
            ("{httpGet: {path: /x, port: 80}}", 30),
            ("{initialDelaySeconds: 30, periodSeconds: 5, failureThreshold: 6}", 60),
            ("{periodSeconds: 0, failureThreshold: -1}", 30),
            ("{periodSeconds: 9223372036854775807, failureThreshold: 3}", 3_000_000_000_000_000),
            ("{periodSeconds: \"20\"}", 60),
            ("{periodSeconds: often}", 30),
        ] {
            let document = document(text);
            let probe = Probe { field: Field::root(&document) };
            assert_eq!(probe.patience(), expected, "{text}");
        }
    }

    #[test]
    fn handlers() {
        let of = |text: &str| {
            let document = document(text);
            let probe = Probe { field: Field::root(&document) };
            let handler = probe.handler();
            handler.map(|handler| (handler.describe(), handler.is_aliveness()))
        };
        let some = |text: &str, alive| Some((String::from(text), alive));
        assert_eq!(of("{httpGet: {path: /healthz/, port: 80}}"), some("`/healthz/`", true));
        assert_eq!(of("{httpGet: {path: /readyz, port: 80}}"), some("`/readyz`", false));
        assert_eq!(of("{httpGet: {port: 80}}"), some("`/`", false));
        assert_eq!(of("{tcpSocket: {port: http}}"), some("port `http`", false));
        assert_eq!(of("{grpc: {port: 1}}"), some("gRPC health", false));
        assert_eq!(of("{exec: {command: [x]}}"), some("a command", false));
        assert_eq!(of("{}"), None);
    }
}
