//! The words of a decision: which rules had a part in it, as a test names them.

use serde::Deserialize;
use serde::de::value::Error as ValueError;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::Value;
use trimtab_engine::strategy::apa::ApaStep;
use trimtab_engine::strategy::keda::{Action, TriggerRead};
use trimtab_engine::strategy::slo::{Known, SloStep};
use trimtab_engine::strategy::wva::WvaStep;
use trimtab_engine::{
    AnticipateStep, Decision, Direction, KedaStep, KnativeStep, MetricResult, Outcome, Policy,
    RayServeStep, RetireStep, Rule, Step, Strategy,
};

use crate::feed::title;

/// What only says how the load was read and what it asks for: that is the metric's own word.
const SIZING: [&str; 14] = [
    "slo.signal",
    "slo.offered",
    "slo.censored",
    "slo.capacity",
    "slo.model",
    "slo.need",
    "knative.averages",
    "knative.activator",
    "ray_serve.desired",
    "keda.trigger",
    "keda.composite",
    "wva.spare",
    "wva.tokens",
    "anticipate.lead_time",
];

/// All words that are met by a decision, each once, in the order in which they came up.
///
/// ```
/// use trimtab_engine::{MetricReading, Observation, Policy, PolicySpec, Scale, State, decide_traced};
/// use trimtab_metric::Timestamp;
/// use trimtab_test::words;
///
/// let spec: PolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 3,
///         "metrics": [{"type": "External", "external": {
///             "metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
/// )?;
/// let policy = Policy::new(spec)?;
/// let observation = Observation {
///     readings: vec![MetricReading::Totals(vec![80_000])],
///     ..Observation::new(Timestamp::from_secs(0), Scale::steady(2))
/// };
/// let (decision, _) = decide_traced(&policy, State::for_policy(&policy), &observation);
/// assert_eq!(words::of(&policy, &decision), ["metric.queue", "bounds.max", "scale_up"]);
/// assert_eq!(words::limiting(&decision).as_deref(), Some("bounds.max"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn of(policy: &Policy, decision: &Decision) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: String| {
        if !words.contains(&word) {
            words.push(word);
        }
    };
    if let Some(name) = decision.metric.and_then(|index| name_of(policy, decision, index)) {
        add(format!("metric.{name}"));
    }
    let steps = decision.trace.as_deref().unwrap_or_default();
    for step in steps {
        if let Some(name) = unread(policy, step) {
            add(format!("error.{name}"));
        }
    }
    steps.iter().filter_map(word).for_each(&mut add);
    match decision.outcome {
        Outcome::MetricsUnknown | Outcome::SelectorUnusable | Outcome::ScaleUnavailable => {
            add(String::from("error"));
        }
        Outcome::Disabled => add(String::from("disabled")),
        Outcome::Paused => add(String::from("paused")),
        Outcome::NotDue => add(String::from("not_due")),
        _ => {}
    }
    if let Some(to) = decision.scale_to {
        let up = to > decision.current_replicas;
        add(String::from(if up { "scale_up" } else { "scale_down" }));
    }
    words
}

/// The last rule that changed the count that the metrics asked for, if one did.
pub fn limiting(decision: &Decision) -> Option<String> {
    decision.trace.iter().flatten().rev().find_map(word)
}

/// Whether a word that is asked for is met by one that there is: by itself, and by all below it.
pub fn meets(there: &str, asked: &str) -> bool {
    there.strip_prefix(asked).is_some_and(|below| below.is_empty() || below.starts_with('.'))
}

/// The rule of a step, if it changed the count.
fn word(step: &Step) -> Option<String> {
    if step.from == step.to {
        return None;
    }
    let way = |direction: Direction| match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    Some(match &step.rule {
        Rule::Metric(_) | Rule::LargestProposal { .. } => return None,
        Rule::Windows { .. } | Rule::HighestRecommendation { .. } => {
            // A count that is held up wanted to go down.
            format!("stabilization.{}", if step.to > step.from { "down" } else { "up" })
        }
        Rule::RateLimit { direction, .. } => format!("rate_limit.{}", way(*direction)),
        Rule::ScaleUpLimit { .. } => String::from("rate_limit.up"),
        Rule::MinReplicas => String::from("bounds.min"),
        Rule::MaxReplicas => String::from("bounds.max"),
        Rule::DirectionPaused { direction } => format!("paused.{}", way(*direction)),
        Rule::Anticipate(
            AnticipateStep::Floor { window, .. } | AnticipateStep::Ceiling { window, .. },
        ) => format!("schedule.{window}"),
        Rule::Anticipate(AnticipateStep::Forecast { name, .. }) => format!("forecast.{name}"),
        Rule::Warm(_) => String::from("warm"),
        // What a metric that is not read proposes is no rule of its own.
        Rule::TooLittleKnown => String::from("error"),
        rule => {
            let word = tagged(rule)?;
            if SIZING.contains(&word.as_str()) {
                return None;
            }
            word
        }
    })
}

/// A rule as it is serialized: its name, and the name of its step where it has several.
fn tagged(rule: &Rule) -> Option<String> {
    let value = serde_json::to_value(rule).ok()?;
    let (name, inner) = tag(&value)?;
    let steps = match rule {
        Rule::Keda(_)
        | Rule::Knative(_)
        | Rule::RayServe(_)
        | Rule::Slo(_)
        | Rule::Wva(_)
        | Rule::Apa(_)
        | Rule::Anticipate(_)
        | Rule::Retire(_) => inner,
        _ => None,
    };
    let step = steps.and_then(tag);
    let step = match (rule, step) {
        (Rule::Keda(KedaStep::Executor { .. }), Some((_, Some(inner)))) => {
            inner.get("action").and_then(tag)
        }
        (_, step) => step,
    };
    Some(match step {
        Some((step, _)) => format!("{}.{}", snake(name), snake(step)),
        None => snake(name),
    })
}

/// The variant of a serialized enum, and what is in it.
fn tag(value: &Value) -> Option<(&str, Option<&Value>)> {
    match value {
        Value::String(name) => Some((name, None)),
        Value::Object(map) => map.iter().next().map(|(name, inner)| (name.as_str(), Some(inner))),
        _ => None,
    }
}

fn snake(camel: &str) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    for char in camel.chars() {
        if char.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(char.to_ascii_lowercase());
    }
    out
}

/// The metric at `index`; the composite metric of `keda` is the one after the last.
fn name_of(policy: &Policy, decision: &Decision, index: u32) -> Option<String> {
    let own = usize::try_from(index).ok().and_then(|index| policy.metrics().get(index));
    let traced = || decision.metrics().find(|metric| metric.index == index);
    own.map(title).or_else(|| traced().map(|metric| metric.name.clone()))
}

/// The metric that a step says could not be read.
fn unread(policy: &Policy, step: &Step) -> Option<String> {
    let named = |index: u32, name: &str| {
        let own = usize::try_from(index).ok().and_then(|index| policy.metrics().get(index));
        own.map_or_else(|| name.to_owned(), title)
    };
    match &step.rule {
        Rule::Metric(metric) if matches!(metric.result, MetricResult::Failed { .. }) => {
            Some(named(metric.index, &metric.name))
        }
        Rule::Slo(SloStep::Signal { index, name, known, .. })
            if !matches!(known, Known::Value(_)) =>
        {
            Some(named(*index, name))
        }
        Rule::Keda(KedaStep::Trigger {
            name,
            read: TriggerRead::Failed { .. } | TriggerRead::Nil { .. },
            ..
        }) => Some(name.clone()),
        _ => None,
    }
}

/// All words that decisions of a policy can meet.
pub fn known(policy: &Policy) -> Vec<String> {
    let mut words: Vec<String> = [
        "error",
        "scale_up",
        "scale_down",
        "stabilization.up",
        "stabilization.down",
        "rate_limit.up",
        "rate_limit.down",
        "bounds.min",
        "bounds.max",
        "paused",
        "paused.up",
        "paused.down",
        "disabled",
        "not_due",
    ]
    .map(String::from)
    .to_vec();
    for metric in policy.metrics() {
        let name = title(metric);
        words.extend(["metric", "error"].map(|head| format!("{head}.{name}")));
    }
    let spec = policy.spec();
    for (word, is_set) in [
        ("override", spec.manual_override.is_some()),
        ("supply", spec.supply.is_some()),
        ("redundancy", spec.redundancy.is_some()),
        ("warm", spec.warm_pool.is_some()),
    ] {
        words.extend(is_set.then(|| String::from(word)));
    }
    let forecasts = spec.anticipate.iter().flat_map(|anticipate| &anticipate.forecast);
    words.extend(forecasts.map(|forecast| format!("forecast.{}", forecast.metric)));
    words.extend(policy.schedules().iter().map(|window| format!("schedule.{}", window.name)));
    let mut steps = |head: &str, names: &[&str]| {
        let names = names.iter().map(|name| format!("{head}.{}", snake(name)));
        words.extend(names.filter(|word| !SIZING.contains(&word.as_str())));
    };
    if spec.anticipate.is_some() {
        // Forecasts and windows have words of their own.
        let own = ["forecast", "floor", "ceiling"];
        let names: Vec<&str> = variants::<AnticipateStep>().to_vec();
        let names: Vec<&str> = names.into_iter().filter(|name| !own.contains(name)).collect();
        steps("anticipate", &names);
    }
    if spec.retire.is_some() {
        steps("retire", variants::<RetireStep>());
    }
    match policy.strategy() {
        Strategy::Hpa => {}
        Strategy::Keda(_) => {
            steps("keda", variants::<Action>());
            steps("metric", &["composite-metric"]);
        }
        Strategy::Knative(_) => steps("knative", variants::<KnativeStep>()),
        Strategy::RayServe(_) => steps("ray_serve", variants::<RayServeStep>()),
        Strategy::Slo(_) => steps("slo", variants::<SloStep>()),
        Strategy::Wva(_) => steps("wva", variants::<WvaStep>()),
        Strategy::Apa(_) => steps("apa", variants::<ApaStep>()),
        _ => {}
    }
    words
}

/// The names that an enum's variants are written by.
pub(crate) fn variants<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    let _not_made = T::deserialize(Names(&mut found));
    found
}

/// A deserializer that only takes note of what it is asked for.
struct Names<'f>(&'f mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("there is no value"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ValueError> {
        *self.0 = variants;
        Err(ValueError::custom("there is no value"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
