//! A trigger of a ScaledObject: a metric with its target, and what KEDA keeps beside them.

use trimtab_engine::{
    ContainerResourceMetricSource, Finite, KedaTriggerSpec, MetricSpec, ResourceMetricSource,
};
use trimtab_metric::Quantity;
use trimtab_prometheus::promql::Outline;

use super::scalers::{Scaler, refused, scaler, types};
use crate::ProblemKind;
use crate::decode::did_you_mean;
use crate::import::block::{Block, Field};
use crate::import::draft::{Draft, target_of};
use crate::import::hpa::utilization;
use crate::import::text;
use crate::node::shortened;

/// Takes a trigger into the policy, at the place of its index.
pub(super) fn take<'n>(draft: &mut Draft<'n>, index: usize, field: Field<'n>) -> Option<Trigger> {
    let mut block = Block::new(field.clone(), &mut draft.problems)?;
    draft.origin(&format!("spec.metrics[{index}]"), field);
    let type_ = block.required::<String>("type", &mut draft.problems);
    let name = block.get::<String>("name", &mut draft.problems);
    let metric_type = block.get::<String>("metricType", &mut draft.problems);
    let cached = block.get::<bool>("useCachedMetrics", &mut draft.problems);
    let authentication = block.field("authenticationRef");
    let metadata = block.block("metadata", &mut draft.problems);
    block.refuse_rest(&mut draft.problems);
    let (type_, type_field) = type_?;
    let Some(mut metadata) = metadata else {
        draft.problems.push(block.missing("metadata"));
        return None;
    };
    for (_, field) in metadata.all() {
        field.decode::<String>(&mut draft.problems)?;
    }
    let is_resource = matches!(type_.as_str(), "cpu" | "memory");
    let is_cached = cached.as_ref().is_some_and(|(cached, _)| *cached);
    if let Some((_, field)) = cached.as_ref().filter(|_| is_cached && is_resource) {
        let right = "KEDA refuses it there, since it does not read CPU and memory itself";
        draft.problems.push(field.invalid("is not for a trigger of CPU or memory", right));
    }
    let reading = Reading { index, metric_type, draft };
    let metric = match type_.as_str() {
        "cpu" | "memory" => reading.resource(&type_, &mut metadata),
        _ => reading.external(&type_, &type_field, &mut metadata),
    };
    let (path, activation) = metric?;
    for (key, field) in metadata.rest() {
        draft.no_counterpart(&field, &path, "");
        let near = metadata.nearest(key);
        if let Some(known) = near.filter(|_| type_ != "external" && type_ != "external-push") {
            draft.defect_of(
                &field,
                &path,
                format!("KEDA knows no such field and ignores it: did you mean `{known}`?"),
            );
        }
    }
    if let Some(field) = authentication {
        draft.no_counterpart(&field, &path, "how KEDA signs in there");
    }
    let name = name.map(|(name, field)| {
        draft.origin(&format!("spec.keda.triggers[{index}].name"), field);
        name
    });
    let use_cached_metrics = cached.map(|(cached, field)| {
        draft.origin(&format!("spec.keda.triggers[{index}].useCachedMetrics"), field);
        cached
    });
    let spec = KedaTriggerSpec { name, activation_threshold: activation, use_cached_metrics };
    Some(Trigger { spec, is_resource, is_cached })
}

/// What is known of a trigger that was taken.
pub(super) struct Trigger {
    pub(super) spec: KedaTriggerSpec,
    /// It reads CPU or memory, which KEDA leaves to the HPA.
    pub(super) is_resource: bool,
    /// KEDA's HPA is told what KEDA read last.
    pub(super) is_cached: bool,
}

struct Reading<'d, 'n> {
    index: usize,
    metric_type: Option<(String, Field<'n>)>,
    draft: &'d mut Draft<'n>,
}

/// The path of a metric and the threshold above which its trigger is active.
type Taken = (String, Option<Finite>);

impl<'n> Reading<'_, 'n> {
    /// A trigger of type `cpu` or `memory`.
    fn resource(mut self, name: &str, metadata: &mut Block<'n>) -> Option<Taken> {
        let (value, value_field) = metadata.required::<String>("value", self.problems())?;
        let container = metadata.get::<String>("containerName", self.problems());
        let old_type = metadata.get::<String>("type", self.problems());
        if let Some((_, field)) = old_type.as_ref().filter(|_| self.metric_type.is_none()) {
            let beside = format!("spec.metrics[{}]", self.index);
            let message = "KEDA 2.18 reads `metricType` of the trigger, and no longer this";
            self.draft.defect_of(field, &beside, message);
        }
        let Some((type_, type_field)) = self.metric_type.take().or(old_type) else {
            let mut problem = metadata.field.problem(
                ProblemKind::MissingField,
                "a trigger of CPU or memory has no `metricType` beside its metadata",
            );
            problem = problem.with_help("set it to `Utilization` or `AverageValue`");
            self.problems().push(problem);
            return None;
        };
        let target = match type_.as_str() {
            "Utilization" => utilization(text::whole(&value).or_else(|| {
                let right = "a utilization is a whole number of percent";
                let problem = value_field.invalid(&format!("is `{}`", shortened(&value)), right);
                self.problems().push(problem);
                None
            })?),
            "AverageValue" => target_of("AverageValue", self.quantity(&value, &value_field)?),
            other => {
                let what = format!("is `{}`", shortened(other));
                let right = "for CPU and memory it is `Utilization` or `AverageValue`";
                let problem = type_field.invalid(&what, right);
                self.problems().push(problem);
                return None;
            }
        };
        let name = name.to_owned();
        let path = match container {
            Some((container, _)) => self.draft.metric(MetricSpec {
                type_: String::from("ContainerResource"),
                container_resource: Some(ContainerResourceMetricSource { name, target, container }),
                ..MetricSpec::default()
            }),
            None => self.draft.metric(MetricSpec {
                type_: String::from("Resource"),
                resource: Some(ResourceMetricSource { name, target }),
                ..MetricSpec::default()
            }),
        };
        Some((path, None))
    }

    /// A trigger that reads one number from elsewhere.
    fn external(
        mut self,
        type_: &str,
        type_field: &Field<'n>,
        metadata: &mut Block<'n>,
    ) -> Option<Taken> {
        if let Some(why) = refused(type_) {
            let message = format!("a trigger of type `{type_}` cannot be a metric: {why}");
            let help = "without this trigger the rest can be imported";
            self.problems().push(type_field.refused(message, help));
            return None;
        }
        let Some(scaler) = scaler(type_) else {
            let message = format!("KEDA has no scaler of type `{}`", shortened(type_));
            let help = match crate::suggest::nearest(type_, &types()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => String::from("its scalers up to version 2.18 are known here"),
            };
            self.problems().push(type_field.refused(message, help));
            return None;
        };
        let (amount, target_field) = self.target(scaler, type_field, metadata)?;
        let metric_type = self.external_type()?;
        let name = self.name(scaler, metadata);
        let path = self.draft.external(&name, target_of(&metric_type, amount));
        let field = if metric_type == "Value" { "value" } else { "averageValue" };
        let target = format!("{path}.external.target.{field}");
        if let Some(field) = target_field {
            self.draft.origin(&target, field);
        } else {
            let default = scaler.default.unwrap_or_default();
            self.draft
                .assumed(&target, format!("{default} is the default of KEDA's {type_} scaler"));
        }
        if type_.starts_with("external") {
            self.draft
                .assumed(&target, "the external scaler itself says its target (GetMetricSpec)");
            self.draft.defect(
                &path,
                "an external scaler may have several metrics: whether its trigger is active is then \
                 the verdict on the last of them alone. The policy has one",
            );
        }
        self.nulls(type_, metadata, &path);
        let activation = self.activation(scaler, metadata)?;
        Some((path, activation))
    }

    /// What the scaler holds the reading against, and where that is written.
    fn target(
        &mut self,
        scaler: &Scaler,
        type_field: &Field<'n>,
        metadata: &mut Block<'n>,
    ) -> Option<(Quantity, Option<Field<'n>>)> {
        let given = scaler.target.iter().filter_map(|key| metadata.field(key));
        let Some(field) = given.collect::<Vec<_>>().into_iter().next() else {
            if let Some(default) = scaler.default {
                return Some((default.parse().ok()?, None));
            }
            let keys = scaler.target.join("` or `");
            let message = format!("a trigger of type `{}` needs `{keys}`", scaler.type_);
            let near = metadata.rest().find_map(|(key, _)| {
                crate::suggest::nearest(key, scaler.target).map(|_| key.to_owned())
            });
            let problem = match near {
                Some(key) => metadata
                    .field
                    .problem(ProblemKind::MissingField, message)
                    .with_help(format!("is `{}` meant as that?", shortened(&key))),
                None if scaler.type_.starts_with("external") => type_field.refused(
                    "what this scaler scales by is known to the external scaler alone",
                    "write the target beside it, as `targetValue` in the metadata",
                ),
                None => metadata.field.problem(ProblemKind::MissingField, message),
            };
            self.problems().push(problem);
            return None;
        };
        if scaler.is_whole {
            self.whole(&field)?;
            return Some((field.text()?.parse().ok()?, Some(field)));
        }
        let value = field.text().unwrap_or_default();
        let Some(kept) = as_keda_keeps_it(value) else {
            self.problems().push(not_a_number(&field));
            return None;
        };
        if kept.parse::<f64>().ok() != text::number(value) {
            let beside = format!("spec.metrics[{}]", self.index);
            self.draft.assumed(&beside, format!("KEDA keeps three decimals of a target: {kept}"));
        }
        Some((kept.parse().ok()?, Some(field)))
    }

    /// What a scaler that counts takes.
    fn whole(&mut self, field: &Field<'n>) -> Option<()> {
        let value = field.text().unwrap_or_default();
        if value.parse::<i64>().is_ok() {
            return Some(());
        }
        let right = "this scaler takes a whole number";
        self.problems().push(field.invalid(&format!("is `{}`", shortened(value)), right));
        None
    }

    /// An amount as Kubernetes writes it.
    fn quantity(&mut self, value: &str, field: &Field<'n>) -> Option<Quantity> {
        let quantity = value.parse().ok();
        if quantity.is_none() {
            let right = "it has to be an amount, such as `500m` or `2Gi`";
            let problem = field.invalid(&format!("is `{}`", shortened(value)), right);
            self.problems().push(problem);
        }
        quantity
    }

    fn external_type(&mut self) -> Option<String> {
        match self.metric_type.take() {
            None => Some(String::from("AverageValue")),
            Some((type_, _)) if type_ == "AverageValue" || type_ == "Value" => Some(type_),
            Some((type_, field)) => {
                let help = did_you_mean(&type_, &["AverageValue", "Value"]);
                let problem = field.invalid(&format!("is `{}`", shortened(&type_)), &help);
                self.problems().push(problem);
                None
            }
        }
    }

    /// The metric's name: the one that is given, the one in the query, or the one that KEDA makes.
    fn name(&mut self, scaler: &Scaler, metadata: &mut Block<'n>) -> String {
        let beside = format!("spec.metrics[{}]", self.index);
        // Azure's and Huawei's scalers mean something of their own by it.
        let given = (scaler.name.1 != "metricName").then(|| metadata.field("metricName")).flatten();
        let query = (scaler.type_ == "prometheus").then(|| metadata.field("query")).flatten();
        if let Some(field) = &query {
            self.draft.no_counterpart(field, &beside, "");
        }
        if let Some(name) = given.and_then(|field| field.text()).map(normalized)
            && !name.is_empty()
        {
            return name;
        }
        if let Some(query) = query.and_then(|field| field.text())
            && let [name] = Outline::of(query).metrics().as_slice()
        {
            return normalized(name);
        }
        let (prefix, key) = scaler.name;
        let part =
            metadata.all().find(|(name, _)| *name == key).and_then(|(_, field)| field.text()).map(
                |text| {
                    if key == "queueURL" { text.rsplit('/').next().unwrap_or(text) } else { text }
                },
            );
        let name = match part {
            Some(part) => format!("{prefix}{part}"),
            None => prefix.trim_end_matches('-').to_owned(),
        };
        format!("s{}-{}", self.index, normalized(&name).replace(':', "-"))
    }

    fn activation(&mut self, scaler: &Scaler, metadata: &mut Block<'n>) -> Option<Option<Finite>> {
        let given = scaler.activation.iter().filter_map(|key| metadata.field(key));
        let path = format!("spec.keda.triggers[{}].activationThreshold", self.index);
        let Some(field) = given.collect::<Vec<_>>().into_iter().next() else {
            if let Some(default) = scaler.activation_default {
                let message = format!("{default} is the default of KEDA's {} scaler", scaler.type_);
                self.draft.assumed(&path, message);
            }
            return Some(scaler.activation_default.map(Finite::from));
        };
        if scaler.is_whole {
            self.whole(&field)?;
        }
        let value = field.text().unwrap_or_default();
        let number = text::number(value).and_then(Finite::new);
        if number.is_none() {
            self.problems().push(not_a_number(&field));
            return None;
        }
        self.draft.origin(&path, field);
        Some(number)
    }

    /// What the scaler makes of an answer without a value.
    fn nulls(&mut self, type_: &str, metadata: &mut Block<'n>, path: &str) {
        let default = matches!(type_, "prometheus" | "loki" | "aws-cloudwatch");
        let field = metadata.field("ignoreNullValues");
        let given = field.as_ref().and_then(Field::text).and_then(text::truth);
        if let Some(field) = &field {
            self.draft.no_counterpart(field, path, "");
        }
        if given.unwrap_or(default) {
            null_is_zero(self.draft, field.as_ref().unwrap_or(&metadata.field), path);
        }
    }

    fn problems(&mut self) -> &mut Vec<crate::Problem> {
        &mut self.draft.problems
    }
}

/// Told where an empty answer is a number for KEDA, and for a policy none.
pub(in crate::import) fn null_is_zero<'n>(draft: &mut Draft<'n>, field: &Field<'n>, beside: &str) {
    let message = "KEDA takes an empty answer for 0, or for what the scaler says instead, and scales \
                   down when the metrics are gone (keda#3065); `ignoreNullValues: \"false\"` makes it \
                   an error. A policy holds the count when a reading is missing";
    draft.defect_of(field, beside, message);
}

/// A target as KEDA writes it into the HPA: a float to three decimals.
pub(in crate::import) fn as_keda_keeps_it(value: &str) -> Option<String> {
    // Beyond that no count comes of it.
    const MOST: f64 = 9e15;
    let number = text::number(value).filter(|number| number.abs() < MOST)?;
    let kept = format!("{number:.3}");
    Some(kept.trim_end_matches('0').trim_end_matches('.').to_owned())
}

fn not_a_number(field: &Field<'_>) -> crate::Problem {
    let what = format!("is `{}`", shortened(field.text().unwrap_or_default()));
    field.invalid(&what, "it has to be a number, such as `8` or `2.5`")
}

/// As KEDA makes names of what may hold anything: they stand in URL paths.
fn normalized(name: &str) -> String {
    name.replace(['/', '.', '%', '(', ')'], "-")
}
