//! The cluster in words, for reports.

use core::fmt::Display;

use super::{Cluster, Delay, Pool, Routing};
use crate::Random;

impl Cluster {
    /// How long a start takes, as text: `120s`, or by the median `54s on a warm node, 234s on a new one`.
    ///
    /// A warm node has the image and the weights. Where phases add up, their sums are drawn: the median
    /// of a sum is not the sum of the medians.
    ///
    /// ```
    /// use trimtab_sim::{ClusterSpec, ServiceProfile, cluster::Delay};
    ///
    /// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
    /// let cluster = ClusterSpec::default().check(&profile)?;
    /// assert!(cluster.lead_time_text().ends_with("on a new one"));
    /// let fixed = cluster.with_lead_time(Delay::fixed(30.0)?);
    /// assert_eq!(fixed.lead_time_text(), "30s");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lead_time_text(&self) -> String {
        let start = &self.start;
        if let Some(lead_time) = start.lead_time_seconds {
            return lead_time.to_string();
        }
        let [(warm, _), (new, _)] = self.starts();
        format!("{warm}s on a warm node, {new}s on a new one")
    }

    /// Median and 95th percentile of a start on a warm node and on a new one.
    fn starts(&self) -> [(f64, f64); 2] {
        let start = &self.start;
        [
            sum(&[start.cached_weight_load, start.engine_warm_up]),
            sum(&[start.node_launch, start.image_pull, start.weight_load, start.engine_warm_up]),
        ]
    }

    /// How long starts take, by name, as text: the phases, or the lead time that stands for them.
    pub fn start_details(&self) -> Vec<(String, String)> {
        let mut details = Details::default();
        let start = &self.start;
        if let Some(lead_time) = start.lead_time_seconds {
            details.add("lead time", lead_time);
            return details.list;
        }
        details.add("node launch", start.node_launch);
        details.add("image pull", start.image_pull);
        details.add("weight load", start.weight_load);
        details.add("cached weight load", start.cached_weight_load);
        details.add("engine warm-up", start.engine_warm_up);
        for (node, (median, p95)) in ["a warm node", "a new node"].iter().zip(self.starts()) {
            let text = format!("median {median}s, p95 {p95}s");
            details.add(&format!("start on {node}"), text);
        }
        details.list
    }

    /// All settings but those of [`Cluster::start_details`] by name, as text, in the order of the
    /// document.
    pub fn details(&self) -> Vec<(String, String)> {
        let mut details = Details::default();
        self.gateway_details(&mut details);
        details.add("wake", self.start.wake);
        details.add("warm pool", format!("{} replicas", self.warm_pool.size));
        for pool in &self.pools {
            details.add(&format!("pool {}", pool.name), pool);
        }
        self.metrics_details(&mut details);
        self.control_details(&mut details);
        details.list
    }

    fn gateway_details(&self, details: &mut Details) {
        let gateway = &self.gateway;
        details.add("gateway queue", format!("{} requests", gateway.queue_capacity));
        if let Some(seconds) = gateway.queue_timeout_seconds {
            details.add("gateway queue timeout", format!("{seconds}s"));
        }
        details.add("requests per replica", gateway.max_requests_per_replica);
        let routing = match gateway.routing {
            Routing::LeastLoaded => "least loaded",
            Routing::RoundRobin => "round robin",
        };
        details.add("routing", routing);
    }

    fn metrics_details(&self, details: &mut Details) {
        let metrics = &self.metrics;
        details.add("scrape interval", format!("{}s", metrics.scrape_seconds));
        details.add("metric delay", format!("{}s", metrics.delay_seconds));
        details.add("chance that a scrape is lost", metrics.loss_probability);
        details.add("metric window", format!("{}s", metrics.window_seconds));
    }

    fn control_details(&self, details: &mut Details) {
        let control = &self.control;
        details.add("apply delay", format!("{}s", control.apply_seconds));
        let initial = control.initial_replicas;
        let initial = initial.map_or_else(
            || String::from("as the load at the start needs"),
            |count| count.to_string(),
        );
        details.add("initial replicas", initial);
        details.add("drain time", format!("{}s", control.drain_seconds));
    }
}

#[derive(Default)]
struct Details {
    list: Vec<(String, String)>,
}

impl Details {
    fn add(&mut self, name: &str, value: impl Display) {
        self.list.push((name.to_owned(), value.to_string()));
    }
}

impl Display for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.max_nodes {
            None => write!(f, "nodes")?,
            Some(1) => write!(f, "1 node")?,
            Some(most) => write!(f, "up to {most} nodes")?,
        }
        match self.gpus_per_node {
            1 => write!(f, " of 1 GPU")?,
            gpus => write!(f, " of {gpus} GPUs")?,
        }
        if let Some(zone) = &self.zone {
            write!(f, " in {zone}")?;
        }
        if self.initial_nodes > 0 {
            write!(f, ", {} at the start", self.initial_nodes)?;
        }
        if let Some(price) = self.gpu_hour_price {
            write!(f, ", {price} per GPU-hour")?;
        }
        write!(f, ", kept idle for {}s", self.idle_seconds)?;
        if let Some(spot) = &self.spot {
            write!(f, ", spot with {}s notice", spot.notice_seconds)?;
        }
        if self.losses_per_node_hour > 0.0 {
            write!(f, ", {} losses per node-hour", self.losses_per_node_hour)?;
        }
        Ok(())
    }
}

/// Median and 95th percentile of a sum of times, drawn, in whole seconds.
fn sum(phases: &[Delay]) -> (f64, f64) {
    const DRAWN: usize = 20_001;
    let mut random = Random::new(0, "lead time");
    let mut draw = || phases.iter().map(|phase| phase.sample(&mut random)).sum::<f64>();
    let mut drawn: Vec<f64> = (0..DRAWN).map(|_| draw()).collect();
    drawn.sort_by(f64::total_cmp);
    let rank = |share: usize| libm::rint(drawn.get(DRAWN * share / 100).copied().unwrap_or(0.0));
    (rank(50), rank(95))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterSpec, ServiceProfile};

    fn cluster() -> Cluster {
        let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
        let mut spec = ClusterSpec::default();
        spec.gateway.queue_timeout_seconds = Some(60.0);
        spec.pools[0].max_nodes = Some(4);
        spec.pools[0].initial_nodes = 1;
        spec.pools[0].gpu_hour_price = Some(1.64);
        spec.pools[0].losses_per_node_hour = 0.01;
        spec.check(&profile).unwrap()
    }

    #[test]
    fn every_setting_is_told() {
        let lines = |cluster: &Cluster| {
            let details = cluster.start_details().into_iter().chain(cluster.details());
            details.map(|(name, value)| format!("{name}: {value}\n")).collect::<String>()
        };
        insta::assert_snapshot!(lines(&cluster()), @"
        node launch: median 90s, p95 180s
        image pull: median 60s, p95 150s
        weight load: median 23s, p95 45s
        cached weight load: median 8s, p95 20s
        engine warm-up: median 45s, p95 100s
        start on a warm node: median 54s, p95 111s
        start on a new node: median 234s, p95 367s
        gateway queue: 10000 requests
        gateway queue timeout: 60s
        requests per replica: 256
        routing: least loaded
        wake: median 8s, p95 20s
        warm pool: 0 replicas
        pool on-demand: up to 4 nodes of 1 GPU, 1 at the start, 1.64 per GPU-hour, kept idle for 600s, 0.01 losses per node-hour
        scrape interval: 15s
        metric delay: 5s
        chance that a scrape is lost: 0
        metric window: 60s
        apply delay: 1s
        initial replicas: as the load at the start needs
        drain time: 30s
        ");
        let fixed = lines(&cluster().with_lead_time(Delay::constant(120.0)));
        assert!(fixed.starts_with("lead time: 120s\ngateway queue: "), "{fixed}");
    }

    #[test]
    fn lead_times_of_phases_are_those_of_their_sums() {
        // By 400 thousand draws of another program: 54.5 and 110.4, 234.8 and 367.1.
        assert_eq!(cluster().lead_time_text(), "54s on a warm node, 234s on a new one");
        let mut fixed = cluster();
        for phase in [
            &mut fixed.start.node_launch,
            &mut fixed.start.image_pull,
            &mut fixed.start.weight_load,
            &mut fixed.start.cached_weight_load,
            &mut fixed.start.engine_warm_up,
        ] {
            *phase = Delay::constant(10.0);
        }
        assert_eq!(fixed.lead_time_text(), "20s on a warm node, 40s on a new one");
        assert_eq!(fixed.least_start_seconds(), 20.0);
    }
}
