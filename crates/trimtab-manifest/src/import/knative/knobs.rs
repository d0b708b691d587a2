//! Knative's settings by name: an annotation, or the default in `config-autoscaler`.

use std::collections::BTreeMap;

use crate::import::block::{Block, Field};
use crate::import::draft::Draft;
use crate::import::text;
use crate::node::shortened;

/// The prefix of the annotations.
pub(in crate::import) const PREFIX: &str = "autoscaling.knative.dev/";
/// The one annotation of scaling that has another.
pub(in crate::import) const PROGRESS_DEADLINE: &str = "serving.knative.dev/progress-deadline";

/// One setting: what it is called here, the annotations that give it, and the key of the ConfigMap.
struct Name {
    name: &'static str,
    annotations: &'static [&'static str],
    config: Option<&'static str>,
}

const fn name(
    name: &'static str,
    annotations: &'static [&'static str],
    config: Option<&'static str>,
) -> Name {
    Name { name, annotations, config }
}

macro_rules! annotations {
    ($($key:literal),*) => { &[$(concat!("autoscaling.knative.dev/", $key)),*] };
}

static NAMES: &[Name] = &[
    name("class", annotations!["class"], Some("pod-autoscaler-class")),
    name("metric", annotations!["metric"], None),
    name("target", annotations!["target"], None),
    name(
        "target-utilization-percentage",
        annotations!["target-utilization-percentage", "targetUtilizationPercentage"],
        None,
    ),
    name("min-scale", annotations!["min-scale", "minScale"], Some("min-scale")),
    name("max-scale", annotations!["max-scale", "maxScale"], Some("max-scale")),
    name("initial-scale", annotations!["initial-scale", "initialScale"], Some("initial-scale")),
    name("activation-scale", annotations!["activation-scale"], None),
    name(
        "scale-down-delay",
        annotations!["scale-down-delay", "scaleDownDelay"],
        Some("scale-down-delay"),
    ),
    name("window", annotations!["window"], Some("stable-window")),
    name(
        "panic-window-percentage",
        annotations!["panic-window-percentage", "panicWindowPercentage"],
        Some("panic-window-percentage"),
    ),
    name(
        "panic-threshold-percentage",
        annotations!["panic-threshold-percentage", "panicThresholdPercentage"],
        Some("panic-threshold-percentage"),
    ),
    name(
        "target-burst-capacity",
        annotations!["target-burst-capacity", "targetBurstCapacity"],
        Some("target-burst-capacity"),
    ),
    name(
        "scale-to-zero-pod-retention-period",
        annotations!["scale-to-zero-pod-retention-period", "scaleToZeroPodRetentionPeriod"],
        Some("scale-to-zero-pod-retention-period"),
    ),
    name(
        "metric-aggregation-algorithm",
        annotations!["metric-aggregation-algorithm", "metricAggregationAlgorithm"],
        None,
    ),
    name("progress-deadline", &[PROGRESS_DEADLINE], None),
    name("enable-scale-to-zero", &[], Some("enable-scale-to-zero")),
    name("allow-zero-initial-scale", &[], Some("allow-zero-initial-scale")),
    name("max-scale-up-rate", &[], Some("max-scale-up-rate")),
    name("max-scale-down-rate", &[], Some("max-scale-down-rate")),
    name("scale-to-zero-grace-period", &[], Some("scale-to-zero-grace-period")),
    name(
        "container-concurrency-target-percentage",
        &[],
        Some("container-concurrency-target-percentage"),
    ),
    name("container-concurrency-target-default", &[], Some("container-concurrency-target-default")),
    name("requests-per-second-target-default", &[], Some("requests-per-second-target-default")),
];

/// The keys of `config-autoscaler` that are read.
pub(super) fn config_keys() -> impl Iterator<Item = &'static str> {
    NAMES.iter().filter_map(|name| name.config)
}

/// In nanoseconds.
const SECOND: i128 = 1_000_000_000;

/// The settings that are given, by name.
#[derive(Clone, Default)]
pub(in crate::import) struct Knobs<'n>(BTreeMap<&'static str, Field<'n>>);

impl<'n> Knobs<'n> {
    /// Takes the defaults of a `config-autoscaler`.
    pub(super) fn take_config(&mut self, data: &Block<'n>) {
        for (key, field) in data.all() {
            if let Some(name) = NAMES.iter().find(|name| name.config == Some(key)) {
                self.0.insert(name.name, field);
            }
        }
    }

    /// Takes the one default of a `config-deployment` that is about scaling.
    pub(super) fn take_progress_deadline(&mut self, data: &Block<'n>) {
        let given =
            data.all().find(|(key, _)| ["progress-deadline", "progressDeadline"].contains(key));
        self.0.extend(given.map(|(_, field)| ("progress-deadline", field)));
    }

    /// Takes annotations, which win over what is there.
    pub(in crate::import) fn annotate(
        &mut self,
        annotations: &mut Block<'n>,
        draft: &mut Draft<'n>,
    ) {
        for name in NAMES {
            let given: Vec<_> =
                name.annotations.iter().filter_map(|key| annotations.field(key)).collect();
            let mut given = given.into_iter();
            let Some(field) = given.next() else { continue };
            for other in given {
                let why = format!("`{}` is there, and counts", field.key());
                draft.no_counterpart(&other, "spec", &why);
            }
            if field.decode::<String>(&mut draft.problems).is_some() {
                self.0.insert(name.name, field);
            }
        }
        for (key, field) in annotations.rest().filter(|(key, _)| key.starts_with(PREFIX)) {
            draft.no_counterpart(&field, "spec", "");
            let hint = match annotations.nearest(key) {
                Some(known) => format!(": did you mean `{known}`?"),
                None => String::new(),
            };
            let message =
                format!("Knative knows no annotation `{}` and ignores it{hint}", shortened(key));
            draft.defect_of(&field, "spec", message);
        }
    }

    /// Sets a value that another field gives.
    pub(in crate::import) fn set(&mut self, name: &'static str, field: Field<'n>) {
        self.0.insert(name, field);
    }

    pub(in crate::import) fn is_class(&self, class: &str) -> bool {
        self.text("class") == Some(class)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field<'n>> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'n str> {
        self.0.get(name)?.text()
    }

    /// A value that becomes a field of the policy, by how it is read; a problem if it is none.
    pub(super) fn read<T>(
        &self,
        name: &str,
        policy_field: &str,
        right: &str,
        draft: &mut Draft<'n>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let field = self.0.get(name)?;
        let text = field.text().unwrap_or_default();
        let value = read(text);
        match value {
            Some(_) => draft.origin(policy_field, field.clone()),
            None => {
                let problem = field.invalid(&format!("is `{}`", shortened(text)), right);
                draft.problems.push(problem);
            }
        }
        value
    }

    pub(super) fn whole(
        &self,
        name: &str,
        policy_field: &str,
        draft: &mut Draft<'n>,
    ) -> Option<i32> {
        self.read(name, policy_field, "it has to be a whole number", draft, text::whole)
    }

    pub(super) fn number(
        &self,
        name: &str,
        policy_field: &str,
        draft: &mut Draft<'n>,
    ) -> Option<f64> {
        self.read(name, policy_field, "it has to be a number", draft, text::number)
    }

    /// Whole seconds, where Knative takes no finer ones.
    pub(super) fn whole_seconds(
        &self,
        name: &str,
        policy_field: &str,
        draft: &mut Draft<'n>,
    ) -> Option<i32> {
        let whole = |text: &str| text::nanoseconds(text).filter(|nanos| nanos % SECOND == 0);
        let right = "it has to be a duration of whole seconds as Go writes it, such as `90s` or \
                     `1m30s`";
        let nanoseconds = self.read(name, policy_field, right, draft, whole)?;
        Some(i32::try_from(nanoseconds / SECOND).unwrap_or(i32::MAX))
    }

    /// Whole seconds; of what is finer the next, which is noted.
    pub(super) fn seconds(
        &self,
        name: &str,
        policy_field: &str,
        draft: &mut Draft<'n>,
    ) -> Option<i32> {
        let right = "it has to be a duration as Go writes it, such as `90s` or `1m30s`";
        let nanoseconds = self.read(name, policy_field, right, draft, text::nanoseconds)?;
        let up = i128::from(nanoseconds % SECOND > 0);
        let seconds = i32::try_from(nanoseconds / SECOND + up).unwrap_or(i32::MAX);
        if nanoseconds % SECOND != 0 {
            draft.assumed(policy_field, format!("rounded to whole seconds: {seconds}"));
        }
        Some(seconds)
    }
}

/// The annotations of a mapping that has metadata, or none.
pub(in crate::import) fn annotations_of<'n>(
    holder: &Field<'n>,
    draft: &mut Draft<'n>,
) -> Option<Block<'n>> {
    let metadata = holder.child(holder.node.entry("metadata")?);
    let entry = metadata.node.entry("annotations")?;
    let field = metadata.child(entry);
    (!field.node.is_null()).then(|| Block::new(field, &mut draft.problems)).flatten()
}
