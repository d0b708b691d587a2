//! `trimtab import`: other autoscalers' manifests as policies.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trimtab_manifest::{Colour, Limits, import};
use trimtab_metric::Span;

use crate::Exit;
use crate::error::CommandError;
use crate::input::{read_source, stdin_once};
use crate::replace_file::FileToBe;

pub(crate) const IMPORT_EXAMPLES: &str = "\
Examples:
  trimtab import scaledobject.yaml > policy.yaml
  trimtab import hpa.yaml keda.yaml knative.yaml --output policies.yaml
  trimtab import --strategy slo --lead-time 4m scaledobject.yaml > proposal.yaml
  kubectl get scaledobjects -A -o yaml | trimtab import - | trimtab backtest --policy -";

pub(crate) const IMPORT_LONG: &str = "\
Reads, each as the autoscaler that it is written for:
  HorizontalPodAutoscaler        autoscaling/v1, v2beta1, v2beta2, v2    strategy hpa
  ScaledObject                   KEDA, keda.sh/v1alpha1                  strategy keda
  Service, Configuration,        Knative, serving.knative.dev/v1         strategy knative, or hpa by
  Revision                                                               its class
  applications: …                the config file of Ray Serve            strategy rayServe
  RayService                     ray.io/v1                               strategy rayServe
  InferenceService               KServe, serving.kserve.io/v1beta1       strategy knative, hpa or keda
The ConfigMaps `config-autoscaler` and `config-deployment` in the same file give Knative's defaults. Lists \
of documents are read item by item; documents of other kinds are passed over.

The policies are written as YAML documents. Comments in them hold each setting that policies do not \
have, such as the query of a metric and the address that it is sent to. Known defects of what is \
imported are told on standard error and in the comments. What cannot be said as a policy is refused \
with the reason.

With `--strategy slo` it is a proposal and not the same decisions: bounds, loads and rate limits are \
kept, each metric gets the role that its name and target say, and what `slo` does by itself is left out. What \
changed and why is told on standard error and in the comments.

Examples:
  trimtab import scaledobject.yaml > policy.yaml
  trimtab import hpa.yaml keda.yaml knative.yaml --output policies.yaml
  trimtab import --strategy slo --lead-time 4m scaledobject.yaml > proposal.yaml
  kubectl get scaledobjects -A -o yaml | trimtab import - | trimtab backtest --policy -";

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Manifests, as YAML or JSON
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Where to write the policies (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Propose policies of another strategy than the peer's
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<Proposed>,
    /// How long a start takes, from asking for a replica until it serves, for `--strategy slo`: 1s
    /// to 1h (default: 3m, and a note that says so)
    #[arg(long, value_name = "SPAN", value_parser = lead_time, requires = "strategy")]
    pub(crate) lead_time: Option<i32>,
}

/// What can be proposed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proposed {
    /// Trimtab's own
    Slo,
}

/// Whole seconds, as many as a lead time may have.
fn lead_time(text: &str) -> Result<i32, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    let seconds = span.as_millis() / 1000;
    match i32::try_from(seconds) {
        Ok(seconds @ 1..=3600) if span == Span::from_secs(seconds.into()) => Ok(seconds),
        _ => Err(String::from("has to be whole seconds from 1s to 1h")),
    }
}

pub(crate) fn run(
    args: &ImportArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    let given: Vec<_> = args.files.iter().map(|file| ("FILE", Some(file.as_path()))).collect();
    stdin_once(&given)?;
    let output = args.output.as_deref().filter(|path| path.as_os_str() != "-");
    let file = output.map(FileToBe::create).transpose()?;
    let mut texts = Vec::new();
    let mut notes = Vec::new();
    for path in &args.files {
        let source = read_source(path, Limits::default().max_bytes)?;
        let mut imported = import(&source)?;
        if let Some(Proposed::Slo) = args.strategy {
            imported = imported.propose_slo(args.lead_time)?;
        }
        texts.push(imported.to_yaml());
        notes.push(imported.render_notes(Colour::Always));
        notes.push(imported.render_changes().trim_end().to_owned());
    }
    let text = texts.join("---\n");
    match file {
        Some(mut file) => {
            file.write(text.as_bytes())?;
            file.commit()?;
        }
        None => out.write_all(text.as_bytes())?,
    }
    notes.retain(|notes| !notes.is_empty());
    if !notes.is_empty() {
        writeln!(err, "{}", notes.join("\n\n"))?;
    }
    Ok(Exit::Done)
}
