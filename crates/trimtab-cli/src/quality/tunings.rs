//! Who takes part, and with which tunings.

use trimtab_manifest::{Source, read_policies};
use trimtab_sim::metrics::Bindings;
use trimtab_sim::sweep::Sweep;
use trimtab_sim::{Candidate, ServiceProfile};

use crate::error::CommandError;

/// What everybody is tuned for.
pub(super) struct Circumstances<'a> {
    pub(super) profile: &'a ServiceProfile,
    /// Requests per second that one replica does when it is busy all the time.
    pub(super) capacity: f64,
    /// Replicas that the mean load keeps busy.
    pub(super) replicas: f64,
    pub(super) lead_time_seconds: i64,
}

/// A contender: an example, and the fields that are tried, each with shares of what is full, or values.
struct Contender {
    text: &'static str,
    axes: &'static [(&'static str, Values)],
}

enum Values {
    /// Shares of the requests per second that a busy replica does.
    Rate(&'static [f64]),
    /// Shares of the requests that a replica runs at once.
    Sequences(&'static [f64]),
    /// As they stand.
    Given(&'static str),
}

const RATE: &str = "spec.metrics[0].external.target.averageValue";
const IN_FLIGHT: &str = "spec.metrics[1].external.target.averageValue";
const ONLY: &str = RATE;
const WINDOW: &str = "spec.behavior.scaleDown.stabilizationWindowSeconds";

/// What those that go by arrivals aim at, from a fleet that is hardly used to one that is full.
const RATES: &[f64] = &[0.2, 0.35, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// First who is compared, then the peers; each with 40 tunings.
const CONTENDERS: [Contender; 5] = [
    Contender {
        text: include_str!("../../policies/slo.yaml"),
        axes: &[
            (RATE, Values::Rate(RATES)),
            (IN_FLIGHT, Values::Sequences(&[0.65])),
            (WINDOW, Values::Given("300,1200")),
            ("spec.slo.headroom", Values::Given("0.15")),
            ("spec.slo.latency.maxBoostPercent", Values::Given("0")),
            ("spec.slo.maxSurgePercent", Values::Given("1000")),
            ("spec.slo.surgeQuantile", Values::Given("0,0.95")),
        ],
    },
    Contender {
        text: include_str!("../../policies/hpa-requests.yaml"),
        axes: &[
            (RATE, Values::Rate(RATES)),
            (IN_FLIGHT, Values::Sequences(&[0.5, 0.8])),
            (WINDOW, Values::Given("300,1200")),
        ],
    },
    Contender {
        text: include_str!("../../policies/keda-requests.yaml"),
        axes: &[
            (RATE, Values::Rate(RATES)),
            (IN_FLIGHT, Values::Sequences(&[0.5, 0.8])),
            (WINDOW, Values::Given("300,1200")),
        ],
    },
    Contender {
        text: include_str!("../../policies/knative.yaml"),
        axes: &[
            (ONLY, Values::Sequences(&[0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.65])),
            ("spec.knative.scaleDownDelaySeconds", Values::Given("0,300,600,1200")),
        ],
    },
    Contender {
        text: include_str!("../../policies/ray-serve.yaml"),
        axes: &[
            (ONLY, Values::Sequences(&[0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5])),
            ("spec.rayServe.downscaleDelaySeconds", Values::Given("60,300,600,1200")),
        ],
    },
];

/// Every tuning of everybody.
pub(super) fn candidates(of: &Circumstances<'_>) -> Result<Vec<Candidate>, CommandError> {
    let mut candidates = Vec::new();
    for contender in &CONTENDERS {
        let source = Source::new("policy.yaml", contender.text);
        for document in read_policies(&source)?.policies {
            let name = document.metadata.name.clone();
            let sweep = Sweep { axes: axes(contender, of)?, random: None, seed: 1 };
            let tuned = sweep.tune(&name, &document.policy);
            for tuned in tuned.map_err(|error| CommandError::argument(error.to_string()))? {
                let bindings = Bindings::new(&tuned.policy, &[])
                    .map_err(|error| CommandError::argument(error.to_string()))?;
                candidates.push(Candidate {
                    name: name.clone(),
                    tuning: tuned.tuning,
                    policy: tuned.policy,
                    bindings,
                });
            }
        }
    }
    Ok(candidates)
}

fn axes(
    contender: &Contender,
    of: &Circumstances<'_>,
) -> Result<Vec<trimtab_sim::sweep::Axis>, CommandError> {
    let most = format!("{:.0}", (of.replicas * 6.0).max(1.0));
    let mut texts = vec![String::from("spec.minReplicas=1"), format!("spec.maxReplicas={most}")];
    for (field, values) in contender.axes {
        let values = match values {
            Values::Rate(shares) => list(shares, of.capacity),
            Values::Sequences(shares) => list(shares, f64::from(of.profile.max_sequences)),
            Values::Given(values) => (*values).to_owned(),
        };
        texts.push(format!("{field}={values}"));
    }
    if contender.text.contains("leadTimeSeconds") {
        texts.push(format!("spec.slo.leadTimeSeconds={}", of.lead_time_seconds));
    }
    let parsed = texts.iter().map(|text| text.parse());
    parsed.collect::<Result<_, _>>().map_err(|error: trimtab_sim::sweep::ParseAxisError| {
        CommandError::argument(error.to_string())
    })
}

/// Shares of `full`, to three decimals.
fn list(shares: &[f64], full: f64) -> String {
    let values: Vec<String> = shares.iter().map(|share| format!("{:.3}", share * full)).collect();
    values.join(",")
}
