//! The rules that a cluster keeps.

use std::collections::BTreeSet;

use super::delay::MOST_SECONDS;
use super::invalid::Rules;
use super::{
    AvailabilitySpec, AvailabilityStep, Cluster, ClusterSpec, Control, Gateway, GatewaySpec,
    InvalidCluster, Metrics, Pool, PoolSpec, Spot, SpotSpec,
};
use crate::ServiceProfile;
use crate::supply::Availability;

/// The most replicas or nodes that a simulation may begin with.
const MOST_AT_START: u32 = 100_000;

/// Shorter scrapes would be all that the simulation does.
const LEAST_SCRAPE_SECONDS: f64 = 0.1;

/// One a second.
const MOST_LOSSES_PER_HOUR: f64 = 3600.0;

impl ClusterSpec {
    /// The cluster for replicas of this profile, with every default filled in. This reads the files
    /// of spot availability.
    ///
    /// # Errors
    ///
    /// Every broken rule, each with the path of its field.
    pub fn check(&self, profile: &ServiceProfile) -> Result<Cluster, InvalidCluster> {
        let mut rules = Rules::default();
        let gateway = gateway(&self.gateway, profile, &mut rules);
        rules.at_most("warmPool.size", self.warm_pool.size, MOST_AT_START);
        let pools = pools(&self.pools, profile, &mut rules);
        metrics(&self.metrics, &mut rules);
        control(&self.control, &mut rules);
        rules.finish(Cluster {
            gateway,
            start: self.start.clone(),
            warm_pool: self.warm_pool,
            pools,
            metrics: self.metrics,
            control: self.control,
        })
    }
}

fn gateway(spec: &GatewaySpec, profile: &ServiceProfile, rules: &mut Rules) -> Gateway {
    let most = spec.max_requests_per_replica.unwrap_or(profile.max_sequences);
    rules.at_least_one("gateway.maxRequestsPerReplica", most);
    if let Some(seconds) = spec.queue_timeout_seconds
        && !(seconds > 0.0 && seconds <= MOST_SECONDS)
    {
        let help = format!("it has to be above 0 and at most {MOST_SECONDS}");
        rules.broken("gateway.queueTimeoutSeconds", format!("is {seconds}"), help);
    }
    Gateway {
        queue_capacity: spec.queue_capacity,
        max_requests_per_replica: most,
        routing: spec.routing,
        queue_timeout_seconds: spec.queue_timeout_seconds,
    }
}

fn pools(specs: &[PoolSpec], profile: &ServiceProfile, rules: &mut Rules) -> Vec<Pool> {
    if specs.is_empty() {
        rules.broken("pools", "is empty", "replicas need at least one pool to run on");
    }
    let priced = specs.iter().any(|pool| pool.gpu_hour_price.is_some());
    let mut names = BTreeSet::new();
    let mut checked = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let at = format!("pools[{index}]");
        let pool = pool(spec, &at, profile, rules);
        if pool.name.is_empty() {
            rules.broken(format!("{at}.name"), "is empty", "leave it out for a default");
        } else if !names.insert(pool.name.clone()) {
            let message = format!("is `{}`, which another pool is", pool.name);
            rules.broken(format!("{at}.name"), message, "give each pool a name of its own");
        }
        if priced && spec.gpu_hour_price.is_none() {
            let help = "give all pools a price, or none: else their costs don't add up";
            rules.broken(format!("{at}.gpuHourPrice"), "is missing", help);
        }
        checked.push(pool);
    }
    checked
}

fn pool(spec: &PoolSpec, at: &str, profile: &ServiceProfile, rules: &mut Rules) -> Pool {
    if let Some(gpu) = spec.gpu.as_ref().filter(|gpu| **gpu != profile.gpu) {
        let help = format!("`{}` runs on `{}`; leave the pool out", profile.name, profile.gpu);
        rules.broken(format!("{at}.gpu"), format!("is `{gpu}`"), help);
    }
    let (gpus, least) = (spec.gpus_per_node, profile.gpus.max(1));
    if gpus < least {
        let help =
            format!("it has to be at least {least}, the GPUs of a replica of `{}`", profile.name);
        rules.broken(format!("{at}.gpusPerNode"), format!("is {gpus}"), help);
    }
    if let Some(nodes) = spec.max_nodes {
        rules.at_least_one(format!("{at}.maxNodes"), nodes);
    }
    let most = spec.max_nodes.map_or(MOST_AT_START, |nodes| nodes.min(MOST_AT_START));
    rules.at_most(format!("{at}.initialNodes"), spec.initial_nodes, most);
    if let Some(price) = spec.gpu_hour_price {
        rules.range(format!("{at}.gpuHourPrice"), price, 0.0, MOST_SECONDS);
    }
    rules.range(format!("{at}.idleSeconds"), spec.idle_seconds, 0.0, MOST_SECONDS);
    let losses = format!("{at}.lossesPerNodeHour");
    rules.range(losses, spec.losses_per_node_hour, 0.0, MOST_LOSSES_PER_HOUR);
    let default_name = if spec.spot.is_some() { "spot" } else { "on-demand" };
    Pool {
        name: spec.name.clone().unwrap_or_else(|| default_name.to_owned()),
        gpus_per_node: gpus,
        max_nodes: spec.max_nodes,
        initial_nodes: spec.initial_nodes,
        gpu_hour_price: spec.gpu_hour_price,
        idle_seconds: spec.idle_seconds,
        spot: spec.spot.as_ref().and_then(|spot| self::spot(spot, &format!("{at}.spot"), rules)),
        losses_per_node_hour: spec.losses_per_node_hour,
    }
}

fn spot(spec: &SpotSpec, at: &str, rules: &mut Rules) -> Option<Spot> {
    rules.range(format!("{at}.noticeSeconds"), spec.notice_seconds, 0.0, MOST_SECONDS);
    let availability = availability(&spec.availability, &format!("{at}.availability"), rules)?;
    Some(Spot { notice_seconds: spec.notice_seconds, availability })
}

fn availability(spec: &AvailabilitySpec, at: &str, rules: &mut Rules) -> Option<Availability> {
    rules.range(format!("{at}.startSeconds"), spec.start_seconds, 0.0, MOST_SECONDS);
    let availability = match (&spec.steps, &spec.file) {
        (Some(_), Some(_)) => {
            rules.broken(at, "has both `steps` and a `file`", "keep one of them");
            return None;
        }
        (None, None) => {
            rules.broken(at, "is missing", "write `steps`, or a `file` and its `column`");
            return None;
        }
        (Some(steps), None) => {
            for (field, set) in
                [("column", spec.column.is_some()), ("nodesPerUnit", spec.nodes_per_unit.is_some())]
            {
                if set {
                    rules.broken(format!("{at}.{field}"), "is set", "only a `file` has it");
                }
            }
            inline(steps, at, rules)?
        }
        (None, Some(file)) => {
            let nodes_per_unit = spec.nodes_per_unit.unwrap_or(1);
            rules.at_least_one(format!("{at}.nodesPerUnit"), nodes_per_unit);
            match Availability::from_file(file, spec.column.as_deref(), nodes_per_unit) {
                Ok(availability) => availability,
                Err(fault) => {
                    rules.broken(format!("{at}.{}", fault.field), fault.message, fault.help);
                    return None;
                }
            }
        }
    };
    Some(repeated(availability, spec, at, rules).starting_at(spec.start_seconds))
}

fn inline(steps: &[AvailabilityStep], at: &str, rules: &mut Rules) -> Option<Availability> {
    let mut last = None;
    let mut sound = true;
    for (index, step) in steps.iter().enumerate() {
        let seconds = step.at_seconds;
        let help = match last {
            None if seconds != 0.0 => Some(String::from("the first step has to be at 0")),
            Some(last) if !(seconds > last && seconds <= MOST_SECONDS) => {
                Some(format!("it has to be after the step before it, {last}"))
            }
            _ => None,
        };
        if let Some(help) = help {
            let field = format!("{at}.steps[{index}].atSeconds");
            rules.broken(field, format!("is {seconds}"), help);
            sound = false;
        }
        last = Some(seconds);
    }
    if steps.is_empty() {
        rules.broken(format!("{at}.steps"), "is empty", "it has to have a step at 0");
        sound = false;
    }
    sound.then(|| {
        Availability::from_steps(steps.iter().map(|step| (step.at_seconds, step.nodes)), None)
    })
}

fn repeated(
    availability: Availability,
    spec: &AvailabilitySpec,
    at: &str,
    rules: &mut Rules,
) -> Availability {
    let Some(seconds) = spec.repeat_seconds else { return availability };
    let last = availability.last_change_seconds();
    if seconds > last && seconds <= MOST_SECONDS {
        return availability.repeating_after(seconds);
    }
    let help = format!("it has to be above {last}, the time of the last change");
    rules.broken(format!("{at}.repeatSeconds"), format!("is {seconds}"), help);
    availability
}

fn metrics(spec: &Metrics, rules: &mut Rules) {
    let scrape = spec.scrape_seconds;
    rules.range("metrics.scrapeSeconds", scrape, LEAST_SCRAPE_SECONDS, MOST_SECONDS);
    rules.range("metrics.delaySeconds", spec.delay_seconds, 0.0, MOST_SECONDS);
    if !(0.0..1.0).contains(&spec.loss_probability) {
        let message = format!("is {}", spec.loss_probability);
        rules.broken("metrics.lossProbability", message, "it has to be at least 0 and below 1");
    }
    if !(spec.window_seconds >= scrape && spec.window_seconds <= MOST_SECONDS) {
        let help = format!("it has to be at least `scrapeSeconds`, {scrape}");
        rules.broken("metrics.windowSeconds", format!("is {}", spec.window_seconds), help);
    }
}

fn control(spec: &Control, rules: &mut Rules) {
    rules.range("control.applySeconds", spec.apply_seconds, 0.0, MOST_SECONDS);
    if let Some(replicas) = spec.initial_replicas {
        rules.at_most("control.initialReplicas", replicas, MOST_AT_START);
    }
    rules.range("control.drainSeconds", spec.drain_seconds, 0.0, MOST_SECONDS);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use trimtab_manifest::{Limits, Source, from_str};

    use super::*;
    use crate::cluster::Delay;

    fn checked(yaml: &str) -> Result<Cluster, String> {
        let source = Source::new("cluster.yaml", yaml);
        let spec: ClusterSpec = from_str(&source, &Limits::default()).unwrap();
        let profile = ServiceProfile::named("llama-3.1-70b-a100x4").unwrap();
        spec.check(&profile).map_err(|refused| {
            let broken: Vec<_> = refused.broken().iter().map(ToString::to_string).collect();
            broken.join("\n")
        })
    }

    #[test]
    fn everything_may_be_left_out() {
        let empty = checked("{}").unwrap();
        let profile = ServiceProfile::named("llama-3.1-70b-a100x4").unwrap();
        assert_eq!(empty, ClusterSpec::default().check(&profile).unwrap());
        assert_eq!(
            empty,
            checked(
                "{gateway: {}, start: {}, warmPool: {}, pools: [{}], metrics: {}, control: {}}"
            )
            .unwrap()
        );
        assert_eq!(empty.gateway().max_requests_per_replica, 256);
        assert_eq!(empty.gateway().queue_capacity, 10_000);
    }

    #[test]
    fn a_document_survives_being_written_and_read() {
        let yaml = "
gateway: {queueCapacity: 0, maxRequestsPerReplica: 64, routing: RoundRobin, queueTimeoutSeconds: 0.5}
start: {nodeLaunch: 30, leadTimeSeconds: {medianSeconds: 150, p95Seconds: 400}}
warmPool: {size: 2}
pools:
- {name: a, gpu: a100, gpusPerNode: 4, maxNodes: 3, initialNodes: 3, gpuHourPrice: 1.64, idleSeconds: 0}
- gpuHourPrice: 1.19
  lossesPerNodeHour: 0.1
  spot:
    noticeSeconds: 120
    availability: {steps: [{atSeconds: 0, nodes: 1}], repeatSeconds: 60, startSeconds: 30}
metrics: {scrapeSeconds: 1, delaySeconds: 0, lossProbability: 0.01, windowSeconds: 1}
control: {applySeconds: 0, initialReplicas: 0, drainSeconds: 300}
";
        let source = Source::new("cluster.yaml", yaml);
        let spec: ClusterSpec = from_str(&source, &Limits::default()).unwrap();
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ClusterSpec>(&json).unwrap(), spec);
        let cluster = checked(yaml).unwrap();
        assert_eq!(cluster.pools()[1].name, "spot");
        assert_eq!(
            cluster.start().lead_time_seconds,
            Some(Delay::lognormal(150.0, 400.0).unwrap())
        );
        assert!(cluster.least_start_seconds() == 150.0 && cluster.has_prices());
    }

    #[test]
    fn every_rule_names_its_field_and_what_would_be_right() {
        for (yaml, expected) in [
            (
                "gateway: {maxRequestsPerReplica: 0}",
                "gateway.maxRequestsPerReplica is 0: it has to be at least 1",
            ),
            (
                "gateway: {queueTimeoutSeconds: 0}",
                "gateway.queueTimeoutSeconds is 0: it has to be above 0 and at most 1000000000",
            ),
            ("warmPool: {size: 100001}", "warmPool.size is 100001: it has to be at most 100000"),
            ("pools: []", "pools is empty: replicas need at least one pool to run on"),
            ("pools: [{name: ''}]", "pools[0].name is empty: leave it out for a default"),
            (
                "pools: [{}, {}]",
                "pools[1].name is `on-demand`, which another pool is: give each pool a name of its own",
            ),
            (
                "pools: [{name: a, gpuHourPrice: 2}, {}]",
                "pools[1].gpuHourPrice is missing: give all pools a price, or none: \
                 else their costs don't add up",
            ),
            (
                "pools: [{gpu: h100}]",
                "pools[0].gpu is `h100`: `llama-3.1-70b-a100x4` runs on `a100`; leave the pool out",
            ),
            (
                "pools: [{gpusPerNode: 3}]",
                "pools[0].gpusPerNode is 3: it has to be at least 4, the GPUs of a replica of \
                 `llama-3.1-70b-a100x4`",
            ),
            ("pools: [{maxNodes: 0}]", "pools[0].maxNodes is 0: it has to be at least 1"),
            (
                "pools: [{maxNodes: 2, initialNodes: 3}]",
                "pools[0].initialNodes is 3: it has to be at most 2",
            ),
            (
                "pools: [{gpuHourPrice: -1}]",
                "pools[0].gpuHourPrice is -1: it has to be from 0 to 1000000000",
            ),
            (
                "pools: [{idleSeconds: .nan}]",
                "pools[0].idleSeconds is NaN: it has to be from 0 to 1000000000",
            ),
            (
                "pools: [{lossesPerNodeHour: 3601}]",
                "pools[0].lossesPerNodeHour is 3601: it has to be from 0 to 3600",
            ),
            (
                "metrics: {scrapeSeconds: 0}",
                "metrics.scrapeSeconds is 0: it has to be from 0.1 to 1000000000",
            ),
            (
                "metrics: {delaySeconds: -1}",
                "metrics.delaySeconds is -1: it has to be from 0 to 1000000000",
            ),
            (
                "metrics: {lossProbability: 1}",
                "metrics.lossProbability is 1: it has to be at least 0 and below 1",
            ),
            (
                "metrics: {windowSeconds: 14}",
                "metrics.windowSeconds is 14: it has to be at least `scrapeSeconds`, 15",
            ),
            (
                "control: {applySeconds: .inf}",
                "control.applySeconds is inf: it has to be from 0 to 1000000000",
            ),
            (
                "control: {initialReplicas: 100001}",
                "control.initialReplicas is 100001: it has to be at most 100000",
            ),
            (
                "control: {drainSeconds: -1}",
                "control.drainSeconds is -1: it has to be from 0 to 1000000000",
            ),
        ] {
            assert_eq!(checked(yaml).unwrap_err(), expected, "{yaml}");
        }
    }

    #[test]
    fn every_rule_of_availability_is_checked() {
        for (yaml, expected) in [
            ("", " is missing: write `steps`, or a `file` and its `column`"),
            (
                "steps: [{atSeconds: 0, nodes: 1}], file: a.csv",
                " has both `steps` and a `file`: keep one of them",
            ),
            (
                "steps: [{atSeconds: 0, nodes: 1}], column: a",
                ".column is set: only a `file` has it",
            ),
            (
                "steps: [{atSeconds: 0, nodes: 1}], nodesPerUnit: 2",
                ".nodesPerUnit is set: only a `file` has it",
            ),
            ("steps: []", ".steps is empty: it has to have a step at 0"),
            (
                "steps: [{atSeconds: 5, nodes: 1}]",
                ".steps[0].atSeconds is 5: the first step has to be at 0",
            ),
            (
                "steps: [{atSeconds: 0, nodes: 1}, {atSeconds: 0, nodes: 2}]",
                ".steps[1].atSeconds is 0: it has to be after the step before it, 0",
            ),
            (
                "steps: [{atSeconds: 0, nodes: 1}, {atSeconds: 9, nodes: 2}], repeatSeconds: 9",
                ".repeatSeconds is 9: it has to be above 9, the time of the last change",
            ),
            (
                "steps: [{atSeconds: 0, nodes: 1}], startSeconds: -1",
                ".startSeconds is -1: it has to be from 0 to 1000000000",
            ),
        ] {
            let refused = checked(&format!("pools: [{{spot: {{availability: {{{yaml}}}}}}}]"));
            assert_eq!(refused.unwrap_err(), format!("pools[0].spot.availability{expected}"));
        }
        let refused = checked(
            "pools: [{spot: {noticeSeconds: -1, availability: {steps: [{atSeconds: 0, nodes: 1}]}}}]",
        );
        assert_eq!(
            refused.unwrap_err(),
            "pools[0].spot.noticeSeconds is -1: it has to be from 0 to 1000000000"
        );
    }

    #[test]
    fn files_are_beside_the_document() {
        let yaml =
            "pools: [{}, {spot: {availability: {file: none.csv, column: a, nodesPerUnit: 0}}}]";
        let source = Source::new("cluster.yaml", yaml);
        let mut spec: ClusterSpec = from_str(&source, &Limits::default()).unwrap();
        spec.relative_to(Path::new("/beside"));
        let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
        let refused = spec.check(&profile).unwrap_err();
        let broken = refused.broken();
        assert_eq!(broken[0].field(), "pools[1].spot.availability.nodesPerUnit");
        assert_eq!(broken[1].field(), "pools[1].spot.availability.file");
        assert!(broken[1].message().starts_with("is `/beside/none.csv`, which can't be opened: "));
        assert_eq!(broken[1].help(), "relative paths start at the folder of the document");
    }
}
