//! Which address is asked first: those that answered, in their order, then those that failed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::time::Instant;

use crate::SpecError;

/// How long one that failed is asked last; doubled with each failure after.
const FIRST_PENALTY: Duration = Duration::from_secs(5);
const LONGEST_PENALTY: Duration = Duration::from_secs(300);

/// The addresses of servers that know the same.
pub(super) struct Endpoints {
    list: Vec<Endpoint>,
}

struct Endpoint {
    address: String,
    /// Without a path, for messages.
    name: String,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    /// Failures since it last answered.
    failures: u32,
    behind_until: Option<Instant>,
}

impl Endpoints {
    pub(super) fn new(addresses: &[String]) -> Result<Self, SpecError> {
        let list: Result<Vec<_>, _> = addresses.iter().map(|text| Endpoint::new(text)).collect();
        Ok(Self { list: list? })
    }

    /// The addresses by number, in the order in which to ask them.
    pub(super) fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let mut order: Vec<(Option<Instant>, usize)> = Vec::with_capacity(self.list.len());
        for (index, endpoint) in self.list.iter().enumerate() {
            let until = endpoint.health().behind_until.filter(|until| *until > now);
            order.push((until, index));
        }
        // `None` stands first; of those that failed, the one that is soonest to be forgiven.
        order.sort();
        order.into_iter().map(|(_, index)| index).collect()
    }

    pub(super) fn address(&self, index: usize) -> &str {
        self.list.get(index).map_or("", |endpoint| &endpoint.address)
    }

    pub(super) fn name(&self, index: usize) -> &str {
        self.list.get(index).map_or("", |endpoint| &endpoint.name)
    }

    pub(super) fn answered(&self, index: usize) {
        if let Some(endpoint) = self.list.get(index) {
            *endpoint.health() = Health::default();
        }
    }

    pub(super) fn failed(&self, index: usize) {
        if let Some(endpoint) = self.list.get(index) {
            let mut health = endpoint.health();
            let penalty = FIRST_PENALTY.saturating_mul(1 << health.failures.min(6));
            health.behind_until = Some(Instant::now() + penalty.min(LONGEST_PENALTY));
            health.failures = health.failures.saturating_add(1);
        }
    }
}

impl Endpoint {
    fn new(text: &str) -> Result<Self, SpecError> {
        let wrong = |why: &str| Err(SpecError::new(format!("the address `{text}` {why}")));
        let Ok(url) = Url::parse(text) else {
            return wrong("can't be read: write it as `http://prometheus:9090`");
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return wrong("is none of a server: write it as `http://prometheus:9090`");
        }
        if !url.username().is_empty() || url.password().is_some() {
            let host = url.host_str().unwrap_or_default();
            return Err(SpecError::new(format!(
                "the address of `{host}` holds a name or a password: give them in `auth`"
            )));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong("has more than a path: leave out what follows `?` or `#`");
        }
        if url.path().trim_end_matches('/').ends_with("/api/v1") {
            return wrong("ends with `/api/v1`: leave that out, it is added");
        }
        let name = String::from(url.host_str().unwrap_or_default());
        let name = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        // A path without a slash at its end would lose its last part.
        let mut address = String::from(url.as_str());
        if !address.ends_with('/') {
            address.push('/');
        }
        Ok(Self { address, name, health: Mutex::default() })
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        let addresses = ["http://a:9090", "http://b:9090/prom"].map(String::from);
        Endpoints::new(&addresses).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_failed_is_asked_last_for_a_while() {
        let pair = endpoints();
        assert_eq!(pair.order(), [0, 1]);
        pair.failed(0);
        assert_eq!(pair.order(), [1, 0]);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(pair.order(), [0, 1], "it is given another chance");
        pair.failed(0);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(pair.order(), [1, 0], "and then a longer while");
        pair.failed(1);
        assert_eq!(pair.order(), [0, 1], "all failed: the one that did so first");
        pair.answered(1);
        assert_eq!(pair.order(), [1, 0]);
    }

    #[test]
    fn addresses_that_can_not_be_meant() {
        assert_eq!(endpoints().address(1), "http://b:9090/prom/");
        for text in [
            "prometheus:9090",
            "ftp://a",
            "http://",
            "http://u:secret@a",
            "http://a?x",
            "http://a/api/v1/",
            "",
        ] {
            let error = Endpoints::new(&[String::from(text)]).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
