//! What policies are compared on: loads, a service profile, clusters.

use std::path::Path;

use trimtab_manifest::{Limits, from_str};
use trimtab_metric::Span;
use trimtab_sim::cluster::Delay;
use trimtab_sim::{
    Cluster, ClusterSpec, Plan, Requests, Scenario, ServiceProfile, Site, TokenLengths, Trace,
    TraceFormat, TraceOptions, Workload, WorkloadError,
};

use super::args::{FleetArgs, LoadArgs, SettingArgs};
use super::failure::workload_error;
use super::profile;
use crate::error::CommandError;
use crate::input::{is_stdin, read_source};
use crate::process::Interrupt;

/// A plan without candidates, and what people should hear of it.
pub(crate) fn read(
    args: &SettingArgs,
    interrupt: &Interrupt,
) -> Result<(Plan, Vec<String>), CommandError> {
    let (profile, cluster) = fleet(&args.fleet)?;
    let mut details = load_details(&args.load);
    if args.fleet.lead_times.is_empty() {
        details.extend(cluster.start_details());
    }
    details.extend(cluster.details());
    let mut notes = Vec::new();
    let workloads = workloads(&args.load, args.seed, interrupt, &mut notes)?;
    let plan = Plan {
        profile,
        objectives: args.objectives.clone(),
        seed: args.seed,
        workloads,
        sites: sites(cluster, &args.fleet.lead_times)?,
        candidates: Vec::new(),
        timelines: false,
        details,
    };
    Ok((plan, notes))
}

/// What serves, and where.
pub(crate) fn fleet(args: &FleetArgs) -> Result<(ServiceProfile, Cluster), CommandError> {
    let profile = profile::read(args)?;
    let cluster = cluster(args, &profile)?;
    Ok((profile, cluster))
}

fn cluster(args: &FleetArgs, profile: &ServiceProfile) -> Result<Cluster, CommandError> {
    if let Some(grace) = args.grace_period
        && Delay::fixed(grace.as_secs_f64()).is_err()
    {
        let message = format!("`--grace-period {grace}` is no time that a stop takes");
        return Err(CommandError::argument(message).with_help("from 0 to 31 years"));
    }
    let within_grace = |mut spec: ClusterSpec| {
        if let Some(grace) = args.grace_period {
            spec.control.drain_seconds = grace.as_secs_f64();
        }
        spec.check(profile).map_err(|refused| refused.to_string())
    };
    let Some(file) = &args.cluster else {
        return within_grace(ClusterSpec::default()).map_err(CommandError::argument);
    };
    let source = read_source(file, Limits::default().max_bytes)?;
    let mut spec: ClusterSpec = from_str(&source, &Limits::default())?;
    if let Some(folder) = file.parent() {
        spec.relative_to(folder);
    }
    within_grace(spec).map_err(|refused| CommandError::in_file(source.name(), refused))
}

/// The cluster at each of these lead times, or as it is.
pub(crate) fn sites(cluster: Cluster, lead_times: &[Span]) -> Result<Vec<Site>, CommandError> {
    if lead_times.is_empty() {
        return Ok(vec![Site { lead_time: cluster.lead_time_text(), cluster }]);
    }
    let site = |lead_time: &Span| {
        let delay = Delay::fixed(lead_time.as_secs_f64()).map_err(|_| {
            CommandError::argument(format!(
                "`--lead-time {lead_time}` is no time that a start takes"
            ))
            .with_help("from 0 to 31 years")
        })?;
        let cluster = cluster.clone().with_lead_time(delay);
        Ok(Site { lead_time: cluster.lead_time_text(), cluster })
    };
    lead_times.iter().map(site).collect()
}

/// Everything that arrives.
pub(crate) fn workloads(
    args: &LoadArgs,
    seed: u64,
    interrupt: &Interrupt,
    notes: &mut Vec<String>,
) -> Result<Vec<Box<dyn Workload>>, CommandError> {
    if args.duration.is_some() && args.scenarios.is_empty() && !args.traces.is_empty() {
        return Err(CommandError::argument("`--duration` is for scenarios, and there is none")
            .with_help("a trace lasts as long as it was recorded"));
    }
    let mut workloads: Vec<Box<dyn Workload>> = Vec::new();
    for file in &args.traces {
        let trace = trace(file, args, seed, notes)?;
        workloads.push(Box::new(Interruptible { inner: trace, interrupt: interrupt.clone() }));
    }
    let mut scenarios: Vec<&str> = args.scenarios.iter().map(String::as_str).collect();
    if workloads.is_empty() && scenarios.is_empty() {
        scenarios.push(Scenario::DEFAULT);
    }
    for name in scenarios {
        let scenario = scenario(name, args, seed)?;
        workloads.push(Box::new(Interruptible { inner: scenario, interrupt: interrupt.clone() }));
    }
    Ok(workloads)
}

fn trace(
    file: &Path,
    args: &LoadArgs,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<Trace, CommandError> {
    if is_stdin(file) {
        return Err(CommandError::argument(
            "a trace is read more than once, and standard input can't be",
        )
        .with_help("give it as a file"));
    }
    let tokens =
        (args.input_tokens.is_some() || args.output_tokens.is_some()).then(|| lengths(args));
    let options = TraceOptions {
        rate_scale: args.rate_scale,
        time_scale: args.time_scale,
        seed,
        interarrival_cv: args.interarrival_cv,
        tokens,
        skip_zero_tokens: args.skip_zero_tokens,
        spread: args.spread,
    };
    let trace = Trace::open(file, &options).map_err(workload_error)?;
    let is_rate = matches!(trace.format(), TraceFormat::Rates | TraceFormat::Prometheus);
    if !is_rate && (args.interarrival_cv.is_some() || tokens.is_some()) {
        notes.push(format!(
            "`{}` has requests with times and tokens of their own, which stay as they are",
            file.display()
        ));
    }
    if args.skip_zero_tokens {
        let skipped = trace.skipped_requests().map_err(workload_error)?;
        if skipped > 0 {
            let file = file.display();
            notes.push(format!("left {skipped} requests without tokens out of `{file}`"));
        }
    }
    Ok(trace)
}

fn scenario(name: &str, args: &LoadArgs, seed: u64) -> Result<Scenario, CommandError> {
    let unknown = || CommandError::argument(format!("there is no scenario `{name}`"));
    let mut scenario = Scenario::named(name, seed)
        .ok_or_else(unknown)?
        .with_rate_scale(args.rate_scale)
        .with_tokens(lengths(args));
    if let Some(duration) = args.duration {
        scenario = scenario.with_duration_seconds(duration.as_secs_f64());
    }
    if let Some(cv) = args.interarrival_cv {
        scenario = scenario.with_interarrival_cv(cv);
    }
    // A number out of its range shows before anything runs.
    drop(scenario.requests().map_err(workload_error)?);
    Ok(scenario)
}

fn lengths(args: &LoadArgs) -> TokenLengths {
    let usual = TokenLengths::default();
    TokenLengths {
        input: args.input_tokens.unwrap_or(usual.input),
        output: args.output_tokens.unwrap_or(usual.output),
    }
}

/// What was asked of the load besides its names.
fn load_details(args: &LoadArgs) -> Vec<(String, String)> {
    let mut details = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        details.extend(value.map(|value| (name.to_owned(), value)));
    };
    let factor = |factor: f64| (factor != 1.0).then(|| factor.to_string());
    let length = |length: trimtab_sim::TokenLength| {
        format!("median {:.0}, mean {:.0}", length.median(), length.mean())
    };
    add("rate scale", factor(args.rate_scale));
    add("time scale", factor(args.time_scale));
    add("duration of scenarios", args.duration.map(|span| span.to_string()));
    add("variation of the gaps between arrivals", args.interarrival_cv.map(|cv| cv.to_string()));
    add("input tokens", args.input_tokens.map(length));
    add("output tokens", args.output_tokens.map(length));
    add("requests without tokens", args.skip_zero_tokens.then(|| String::from("left out")));
    let spread = args.spread.map(|spread| if spread { "spread" } else { "as they are" });
    add("requests with one timestamp", spread.map(str::to_owned));
    details
}

/// A workload that ends early once there was an interrupt; what comes of it then is thrown away.
struct Interruptible<W> {
    inner: W,
    interrupt: Interrupt,
}

impl<W: Workload> Workload for Interruptible<W> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn requests(&self) -> Result<Requests, WorkloadError> {
        let interrupt = self.interrupt.clone();
        Ok(Box::new(self.inner.requests()?.take_while(move |_| !interrupt.is_noted())))
    }
}
