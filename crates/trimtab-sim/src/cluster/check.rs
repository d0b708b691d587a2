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
        let cost_unit = cost_unit(self, &mut rules);
        rules.finish(Cluster {
            gateway,
            start: self.start.clone(),
            warm_pool: self.warm_pool,
            cost_unit,
            pools,
            metrics: self.metrics,
            control: self.control,
        })
    }
}

fn cost_unit(spec: &ClusterSpec, rules: &mut Rules) -> String {
    let priced = spec.pools.iter().any(|pool| pool.gpu_hour_price.is_some());
    match &spec.currency {
        Some(currency) if currency.trim().is_empty() => {
            rules.broken("currency", "is empty", "write it as reports should, such as `USD`");
        }
        Some(_) if !priced => {
            let help = "give the pools a `gpuHourPrice`, or leave the currency out";
            rules.broken("currency", "stands without prices", help);
        }
        _ => {}
    }
    let money = || spec.currency.clone().unwrap_or_else(|| String::from("money"));
    if priced { money() } else { String::from("GPU-hours") }
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
    let least = profile.gpus.max(1);
    let gpus = spec.gpus_per_node.unwrap_or(least);
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
        zone: spec.zone.clone(),
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
    let least = 2.0 * scrape;
    if !(spec.window_seconds >= least && spec.window_seconds <= MOST_SECONDS) {
        let help = format!(
            "it has to be at least {least}, twice `scrapeSeconds`: a rate needs two scrapes"
        );
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
