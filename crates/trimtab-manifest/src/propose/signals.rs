//! A peer's metrics as signals: which role each has, and what its target is then.

use trimtab_engine::strategy::slo::UnknownRule;
use trimtab_engine::{
    Metric, MetricSource, MetricSpec, MetricTarget, Policy, SloRole, SloSignalSpec, SloUnknownSpec,
    Target,
};
use trimtab_metric::Quantity;

use super::meaning::{Meaning, meaning};
use super::translate::{Change, Refusal, code};

/// A share in percent ends here; what is more is an amount.
const MOST_PERCENT_MILLI: i64 = 100_000;

/// What becomes of the metrics.
#[derive(Default)]
pub(super) struct Signals {
    pub(super) metrics: Vec<MetricSpec>,
    pub(super) signals: Vec<SloSignalSpec>,
    pub(super) changes: Vec<Change>,
    /// For each metric of the peer its place in `metrics`, if it has one.
    pub(super) places: Vec<Option<usize>>,
    /// Something says how many.
    sizes: bool,
    /// A load that is read while there is no replica.
    pub(super) wakes: bool,
}

/// What is made of a metric.
enum Plan {
    Signal(SloRole, &'static str),
    LeftOut(&'static str),
}

const SHARE_OF_REQUEST: &str =
    "a share of the request says little of a server that is a whole GPU, and `slo` takes none";
const WHOLE_LOAD: &str = "its `value` is of the whole service, and what one replica bears is not said; `slo` needs \
     that, as `averageValue`";
const LONE_QUEUE: &str = "the only load there is, so it says how many; arrivals or requests in flight would say it \
     before there is a queue";

/// Gives every metric of a policy its role.
pub(super) fn signals(given: &Policy) -> Result<Signals, Refusal> {
    let specs = given.spec().metrics.as_deref().unwrap_or_default();
    let read: Vec<(&Metric, Meaning)> =
        given.metrics().iter().map(|metric| (metric, measured(metric))).collect();
    let has_load = read.iter().any(|(metric, meaning)| {
        *meaning == Meaning::Load && matches!(metric.target(), Target::AverageValue { .. })
    });
    let mut made = Signals::default();
    for (spec, (metric, meaning)) in specs.iter().zip(&read) {
        match plan(metric, *meaning, has_load) {
            Plan::Signal(role, why) => made.add(spec, metric, role, why),
            Plan::LeftOut(why) => made.leave_out(metric, why),
        }
    }
    if made.sizes { Ok(made) } else { Err(nothing_sizes(&read)) }
}

/// What a metric measures.
fn measured(metric: &Metric) -> Meaning {
    match (metric.source(), meaning(metric.name())) {
        (MetricSource::Resource { .. } | MetricSource::ContainerResource { .. }, _) => {
            Meaning::Usage
        }
        // More than a hundred is no share, whatever it is called.
        (_, Meaning::Usage) if milli(metric).is_some_and(|milli| milli > MOST_PERCENT_MILLI) => {
            Meaning::Load
        }
        (_, meaning) => meaning,
    }
}

fn milli(metric: &Metric) -> Option<i64> {
    match metric.target() {
        Target::AverageValue { milli } | Target::Value { milli } => Some(milli),
        Target::Utilization { .. } | Target::Unusable => None,
    }
}

fn plan(metric: &Metric, meaning: Meaning, has_load: bool) -> Plan {
    let is_average = match metric.target() {
        Target::AverageValue { .. } => true,
        Target::Value { .. } => false,
        Target::Utilization { .. } => return Plan::LeftOut(SHARE_OF_REQUEST),
        Target::Unusable => return Plan::LeftOut("its target cannot be used by any strategy"),
    };
    let demand = |why| Plan::Signal(SloRole::Demand, why);
    match meaning {
        Meaning::Load if is_average => demand("as many replicas as it is of this"),
        Meaning::Load => Plan::LeftOut(WHOLE_LOAD),
        Meaning::Queue if has_load && is_average => demand(
            "so many may wait for each replica; as a `trigger` it would let starts begin only once \
             so much waits",
        ),
        Meaning::Queue if has_load => Plan::Signal(
            SloRole::Guard,
            "at this nothing goes, and it asks for nothing: how many one replica bears is not said",
        ),
        Meaning::Queue if !is_average => Plan::LeftOut(WHOLE_LOAD),
        Meaning::Queue => demand(LONE_QUEUE),
        Meaning::Latency => Plan::Signal(
            SloRole::Latency,
            "its objective: over it more is asked for than the load needs, near it nothing goes",
        ),
        Meaning::Usage => Plan::Signal(
            SloRole::Guard,
            "at this nothing goes, and it asks for nothing; a `hardLimit` would ask for one more",
        ),
    }
}

impl Signals {
    fn add(&mut self, spec: &MetricSpec, metric: &Metric, role: SloRole, why: &str) {
        let place = self.metrics.len();
        let is_whole = matches!(metric.source(), MetricSource::External | MetricSource::Object);
        let was = target_text(metric.target());
        let mut target = metric.target();
        let mut spec = spec.clone();
        let mut why = why.to_owned();
        if matches!(role, SloRole::Latency | SloRole::Guard)
            && is_whole
            && let Target::AverageValue { milli } = metric.target()
        {
            set_value(&mut spec, milli);
            target = Target::Value { milli };
            why.push_str("; it is the same however many replicas there are, so no average");
        }
        self.sizes |= matches!(role, SloRole::Demand | SloRole::Latency);
        self.wakes |= role == SloRole::Demand && is_whole;
        let now = format!("{} as {} of {}", code(metric.name()), word(role), target_text(target));
        let was = if target == metric.target() { String::new() } else { was };
        self.changes.push(Change::new(format!("spec.metrics[{place}]"), was, now, why));
        if role != SloRole::Demand {
            self.name_role(metric.name(), role);
        }
        self.metrics.push(spec);
        self.places.push(Some(place));
    }

    /// Says the role under `slo`, once for each name.
    fn name_role(&mut self, name: &str, role: SloRole) {
        // While nothing is asked there is no latency, and that has to let replicas go.
        let on_unknown = (role == SloRole::Latency)
            .then(|| SloUnknownSpec { down: UnknownRule::Ignore, ..SloUnknownSpec::default() });
        if on_unknown.is_some() {
            let field = format!("spec.slo.signals[{}].onUnknown", self.signals.len());
            let why = "there is no latency while nothing is asked, and replicas have to go then";
            self.changes.push(Change::new(field, "", "`down: ignore`", why));
        }
        self.signals.push(SloSignalSpec {
            metric: name.to_owned(),
            role,
            on_unknown,
            ..SloSignalSpec::default()
        });
    }

    fn leave_out(&mut self, metric: &Metric, why: &str) {
        let was = format!("{} {}", code(metric.name()), target_text(metric.target()));
        self.changes.push(Change::new("spec.metrics", was, "", why));
        self.places.push(None);
    }
}

fn set_value(spec: &mut MetricSpec, milli: i64) {
    let target = MetricTarget {
        type_: String::from("Value"),
        value: Some(Quantity::from_milli(milli)),
        ..MetricTarget::default()
    };
    if let Some(external) = &mut spec.external {
        external.target = target;
    } else if let Some(object) = &mut spec.object {
        object.target = target;
    }
}

fn target_text(target: Target) -> String {
    match target {
        Target::AverageValue { milli } => format!("averageValue {}", amount(milli)),
        Target::Value { milli } => format!("value {}", amount(milli)),
        Target::Utilization { percent } => format!("averageUtilization {percent}"),
        Target::Unusable => String::from("without a target"),
    }
}

/// `0.75` for 750 thousandths.
pub(super) fn amount(milli: i64) -> String {
    let sign = if milli < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:03}", milli.unsigned_abs() / 1000, milli.unsigned_abs() % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const fn word(role: SloRole) -> &'static str {
    match role {
        SloRole::Trigger => "trigger",
        SloRole::Demand => "demand",
        SloRole::Latency => "latency",
        SloRole::Guard => "guard",
        SloRole::Part => "part",
    }
}

/// Nothing is left that says how many.
fn nothing_sizes(read: &[(&Metric, Meaning)]) -> Refusal {
    let reason = |metric: &Metric, meaning: Meaning| match (metric.target(), meaning) {
        (Target::Utilization { .. }, _) => "is a share of the request, which `slo` does not take",
        (_, Meaning::Usage) => "is a limit at most",
        (Target::Value { .. }, _) => "has a `value` for the whole service and none for a replica",
        _ => "has no target",
    };
    let parts: Vec<String> = read
        .iter()
        .map(|(metric, meaning)| format!("{} {}", code(metric.name()), reason(metric, *meaning)))
        .collect();
    Refusal {
        message: format!("no metric says how many replicas there have to be: {}", parts.join(", ")),
        help: "`strategy: slo` needs a load, such as the requests in flight with an `averageValue` of \
               what one replica serves at once, or a latency with its objective as `value`",
    }
}
