//! Which accelerators the nodes of a NodePool can have, as far as its requirements tell.

use super::node_pool::NodePool;
use super::requirement::Allowed;
use crate::lint::field::Field;

/// Why no node of a pool has the accelerators that a pod asks for.
#[derive(Clone, Debug)]
pub(in crate::lint) struct Obstacle<'n> {
    /// The requirement that rules them out.
    pub(in crate::lint) field: Field<'n>,
    /// Such as ``no instance of category `c`, `m` has an NVIDIA GPU``.
    pub(in crate::lint) reason: String,
    /// What would be right.
    pub(in crate::lint) right: String,
}

/// The kinds of EC2 instances without an NVIDIA or AMD GPU, by the letters that their names start
/// with. A kind that is not here may be new, and nothing is concluded from it.
const WITHOUT_GPU: [&str; 20] = [
    "a", "c", "d", "dl", "f", "h", "hpc", "i", "im", "inf", "is", "m", "mac", "r", "t", "trn", "u",
    "vt", "x", "z",
];

/// Families of EC2 instances that have GPUs and x86 processors.
const AMD64_FAMILIES: [&str; 20] = [
    "g4dn", "g4ad", "g5", "g6", "g6e", "g6f", "g7", "g7e", "gr6", "gr6f", "p2", "p3", "p3dn",
    "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300",
];

impl<'n> NodePool<'n> {
    /// Why none of its nodes has so many accelerators of a kind; nothing if one can have them, or if that
    /// cannot be told.
    pub(in crate::lint) fn lacks(&self, resource: &str, count: i64) -> Option<Obstacle<'n>> {
        if !matches!(resource, "nvidia.com/gpu" | "amd.com/gpu") {
            return None;
        }
        self.wrong_kind(resource)
            .or_else(|| self.wrong_maker(resource))
            .or_else(|| self.too_few(count))
            .or_else(|| self.wrong_processor())
    }

    /// Whether it is made for accelerators, by what it says of itself.
    pub(in crate::lint) fn is_for_gpus(&self) -> bool {
        let names_kind = |key: &str| {
            let listed = self.label(key).and_then(|(allowed, _)| allowed.listed());
            listed.is_some_and(|values| {
                let mut values = values.peekable();
                values.peek().is_some() && values.all(|value| has_gpu(value) == Some(true))
            })
        };
        // A label may say as well that there is none.
        let wants = |(key, (allowed, _)): (&str, &(Allowed<'n>, Field<'n>))| {
            let is_none = allowed.is_empty() || allowed.excludes() || allowed.largest() == Some(0);
            of_gpus(key) && !is_none && !allowed.is_only("false")
        };
        let limited =
            |resource| self.limit(resource).is_some_and(|limit| limit.quantity.signum() > 0);
        is_named_for_gpus(&self.document.name)
            || self.taints().any(|taint| of_gpus(taint.key()))
            || self.labels().any(wants)
            || limited("nvidia.com/gpu")
            || limited("amd.com/gpu")
            || KIND_KEYS.iter().any(|key| names_kind(key))
    }

    /// Its kinds of instances have no GPU.
    fn wrong_kind(&self, resource: &str) -> Option<Obstacle<'n>> {
        for key in KIND_KEYS {
            let Some((allowed, field)) = self.label(key) else { continue };
            let Some(listed) = allowed.listed() else {
                let excluded = ["g", "gr", "p"].iter().all(|kind| !allowed.contains(kind));
                if excluded && key.ends_with("instance-category") {
                    let reason =
                        format!("its categories of instances leave out those with a `{resource}`");
                    return Some(Obstacle { field: *field, reason, right: gpu_categories() });
                }
                continue;
            };
            let values: Vec<_> = listed.collect();
            if !values.is_empty() && values.iter().all(|value| has_gpu(value) == Some(false)) {
                let named = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>();
                let named = match named.get(..4) {
                    Some(first) if named.len() > 4 => format!("{}, …", first.join(", ")),
                    _ => named.join(", "),
                };
                let what = key.rsplit('/').next().unwrap_or(key).replace('-', " ");
                let reason = format!("no {what} of {named} has a `{resource}`");
                return Some(Obstacle { field: *field, reason, right: gpu_categories() });
            }
        }
        None
    }

    /// Its GPUs are another maker's.
    fn wrong_maker(&self, resource: &str) -> Option<Obstacle<'n>> {
        let maker = resource.split('.').next()?;
        let of_gpu = |key: &str| key.ends_with("-gpu-name") || key.ends_with("-gpu-memory");
        let none = self.labels().find(|(key, (allowed, _))| of_gpu(key) && allowed.is_empty());
        if let Some((key, (_, field))) = none {
            let reason = String::from("its nodes have no GPU");
            let right = format!("- key: {key}\n  operator: Exists");
            return Some(Obstacle { field: *field, reason, right });
        }
        let (key, (allowed, field)) =
            self.labels().find(|(key, _)| key.ends_with("-gpu-manufacturer"))?;
        if allowed.contains(maker) {
            return None;
        }
        let reason = format!("its GPUs are not of the maker `{maker}`");
        let right = format!("- key: {key}\n  operator: In\n  values: [\"{maker}\"]");
        Some(Obstacle { field: *field, reason, right })
    }

    /// No instance has that many.
    fn too_few(&self, count: i64) -> Option<Obstacle<'n>> {
        let by_count = self.labels().find(|(key, _)| key.ends_with("-gpu-count"));
        if let Some((key, (allowed, field))) = by_count {
            let right = format!("- key: {key}\n  operator: Gte\n  values: [\"{count}\"]");
            if allowed.is_empty() {
                let reason = String::from("its nodes have no GPU");
                return Some(Obstacle { field: *field, reason, right });
            }
            if let Some(most) = allowed.largest().filter(|most| *most < count) {
                let reason = format!("its nodes have at most {most} GPUs");
                return Some(Obstacle { field: *field, reason, right });
            }
        }
        let (allowed, field) = self.label("node.kubernetes.io/instance-type")?;
        let types: Vec<&str> = allowed.listed()?.collect();
        let most = types.iter().map(|name| gpus_of(name)).collect::<Option<Vec<_>>>()?;
        let most = most.into_iter().max().filter(|most| *most < count)?;
        let reason = format!("its instance types have at most {most} GPUs");
        let right = format!("an instance type with {count} GPUs");
        Some(Obstacle { field: *field, reason, right })
    }

    /// Its families or GPUs come with x86 processors, and it wants none.
    fn wrong_processor(&self) -> Option<Obstacle<'n>> {
        let (arch, field) = self.label("kubernetes.io/arch")?;
        if arch.contains("amd64") || !self.labels().any(|(key, _)| of_aws(key)) {
            return None;
        }
        let families: Vec<&str> =
            self.listed("karpenter.k8s.aws/instance-family").unwrap_or_default();
        let is_x86 = |family: &&str| AMD64_FAMILIES.contains(family);
        let named = if !families.is_empty() && families.iter().all(is_x86) {
            format!("instances of `{}`", families.join("`, `"))
        } else {
            let gpu = self.labels().find_map(|(key, _)| {
                let values = self.listed(key)?;
                values.into_iter().find(|value| names_amd64_gpu(value))
            })?;
            format!("instances with `{gpu}`")
        };
        let reason = format!("{named} are `amd64`");
        let right =
            String::from("- key: kubernetes.io/arch\n  operator: In\n  values: [\"amd64\"]");
        Some(Obstacle { field: *field, reason, right })
    }

    fn listed(&self, key: &str) -> Option<Vec<&'n str>> {
        let (allowed, _): &(Allowed<'n>, _) = self.label(key)?;
        Some(allowed.listed()?.collect())
    }

    /// The most GPUs that one of its nodes has, where its requirements bound that.
    pub(in crate::lint) fn gpus_of_a_node(&self) -> Option<i64> {
        let (_, (allowed, _)) = self.labels().find(|(key, _)| key.ends_with("-gpu-count"))?;
        allowed.largest()
    }
}

/// The labels that say which kind of instance a node is.
const KIND_KEYS: [&str; 5] = [
    "karpenter.k8s.aws/instance-category",
    "karpenter.k8s.aws/instance-family",
    "node.kubernetes.io/instance-type",
    "eks.amazonaws.com/instance-category",
    "eks.amazonaws.com/instance-family",
];

/// A requirement of instances with NVIDIA's GPUs.
fn gpu_categories() -> String {
    String::from(
        "- key: karpenter.k8s.aws/instance-category\n  operator: In\n  values: [\"g\", \"p\"]",
    )
}

/// Whether a label or taint is about GPUs.
fn of_gpus(key: &str) -> bool {
    let parts = ["instance-gpu-", "sku-gpu-", "nvidia.com/", "amd.com/gpu"];
    parts.iter().any(|part| key.contains(part))
}

/// Whether a pool's name says that it is for GPUs, and not that it is for none.
fn is_named_for_gpus(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut before = "";
    name.split(['-', '.', '_']).any(|part| {
        let is_none = matches!(before, "no" | "non" | "not" | "without");
        before = part;
        (part == "gpu" || part == "gpus") && !is_none
    })
}

/// Whether EC2 instances of a category, family or type have NVIDIA or AMD GPUs; nothing if the name is not
/// known.
fn has_gpu(name: &str) -> Option<bool> {
    let letters = name.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(name.len());
    let letters = name.get(..letters)?;
    match letters {
        // Categories and families of others, such as Azure's, are written otherwise.
        "g" | "gr" | "p" => Some(true),
        _ if WITHOUT_GPU.contains(&letters) => Some(false),
        _ => None,
    }
}

/// Whether a label is one of EC2's instances.
fn of_aws(key: &str) -> bool {
    key.starts_with("karpenter.k8s.aws/") || key.starts_with("eks.amazonaws.com/")
}

/// Whether a value names a GPU that EC2 has with x86 processors only, such as `nvidia-l40s`.
fn names_amd64_gpu(value: &str) -> bool {
    const GPUS: [&str; 8] = ["a10g", "a100", "h100", "h200", "l4", "l40s", "t4", "v100"];
    let value = value.to_ascii_lowercase();
    value.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| GPUS.contains(&word))
}

/// How many GPUs an EC2 instance type has, of those that are known.
fn gpus_of(instance_type: &str) -> Option<i64> {
    let (family, size) = instance_type.split_once('.')?;
    if has_gpu(family) == Some(false) {
        return Some(0);
    }
    let count = match (family, size) {
        ("g5" | "g6" | "g6e", "12xlarge" | "24xlarge") => 4,
        ("g5" | "g6" | "g6e", "48xlarge") => 8,
        ("g5" | "g6" | "g6e", "xlarge" | "2xlarge" | "4xlarge" | "8xlarge" | "16xlarge") => 1,
        ("g4dn", "12xlarge") => 4,
        ("g4dn", "metal") => 8,
        ("g4dn", "xlarge" | "2xlarge" | "4xlarge" | "8xlarge" | "16xlarge") => 1,
        ("p3", "2xlarge") => 1,
        ("p3", "8xlarge") => 4,
        ("p3", "16xlarge") => 8,
        ("p4d" | "p4de", "24xlarge") => 8,
        ("p5", "4xlarge") => 1,
        ("p5" | "p5e" | "p5en", "48xlarge") => 8,
        _ => return None,
    };
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    fn lacks(requirements: &str, count: i64) -> Option<String> {
        let text = format!(
            "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: pool}}\nspec:\n  \
             template: {{spec: {{requirements: [{requirements}]}}}}\n"
        );
        let document = document(&text);
        NodePool::of(&document).unwrap().lacks("nvidia.com/gpu", count).map(|found| found.reason)
    }

    fn one(key: &str, operator: &str, values: &str) -> String {
        format!("{{key: {key}, operator: {operator}, values: [{values}]}}")
    }

    #[test]
    fn kinds_of_instances() {
        let category = "karpenter.k8s.aws/instance-category";
        let family = "karpenter.k8s.aws/instance-family";
        let of = |key: &str, values: &str| lacks(&one(key, "In", values), 1);
        assert_eq!(
            of(category, "c, m, r").as_deref(),
            Some("no instance category of `c`, `m`, `r` has a `nvidia.com/gpu`")
        );
        assert_eq!(of(category, "c, g"), None);
        assert_eq!(of(category, "newer"), None);
        assert!(of(family, "m5, c6i").is_some());
        assert_eq!(of(family, "g5, p4d"), None);
        assert!(of("node.kubernetes.io/instance-type", "m5.xlarge").is_some());
        // Azure's are called otherwise.
        assert_eq!(of("node.kubernetes.io/instance-type", "Standard_NC24ads_A100_v4"), None);
        assert_eq!(lacks(&one(category, "NotIn", "g"), 1), None);
    }

    #[test]
    fn pools_that_are_made_for_gpus() {
        let is_for = |name: &str, requirement: &str| {
            let text = format!(
                "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: {name}}}\nspec:\n  \
                 template: {{spec: {{requirements: [{requirement}]}}}}\n"
            );
            let document = document(&text);
            NodePool::of(&document).unwrap().is_for_gpus()
        };
        let count = "karpenter.k8s.aws/instance-gpu-count";
        assert!(is_for("gpu-large", "") && is_for("pool", &one(count, "Gt", "\"0\"")));
        assert!(!is_for("non-gpu", "") && !is_for("pool", ""));
        assert!(!is_for("pool", &one(count, "DoesNotExist", "")));
        assert!(!is_for("pool", &one(count, "Lt", "\"1\"")));
        let maker = "karpenter.k8s.aws/instance-gpu-manufacturer";
        assert!(!is_for("pool", &one(maker, "NotIn", "nvidia")));
        let category = "karpenter.k8s.aws/instance-category";
        assert!(is_for("pool", &one(category, "In", "g, p")));
        assert!(!is_for("pool", &one(category, "In", "c, g")));
        assert!(lacks(&one(category, "NotIn", "g, gr, p"), 1).is_some());
    }

    #[test]
    fn makers_counts_and_processors() {
        let count = "karpenter.k8s.aws/instance-gpu-count";
        assert_eq!(lacks(&one(count, "In", "\"1\", \"4\""), 4), None);
        assert!(lacks(&one(count, "In", "\"1\", \"4\""), 8).is_some());
        assert!(lacks(&one(count, "Lt", "\"4\""), 4).is_some());
        assert_eq!(lacks(&one(count, "Gt", "\"0\""), 8), None);
        let name = "karpenter.k8s.aws/instance-gpu-name";
        assert!(lacks(&one(name, "DoesNotExist", ""), 1).is_some());
        assert_eq!(lacks(&one(name, "Exists", ""), 1), None);
        assert!(lacks(&one(count, "DoesNotExist", ""), 1).is_some());
        let maker = "karpenter.k8s.aws/instance-gpu-manufacturer";
        assert!(lacks(&one(maker, "In", "amd"), 1).is_some());
        assert_eq!(lacks(&one(maker, "In", "nvidia"), 1), None);
        let types = "node.kubernetes.io/instance-type";
        assert!(lacks(&one(types, "In", "g5.xlarge, g5.2xlarge"), 4).is_some());
        assert_eq!(lacks(&one(types, "In", "g5.xlarge, g9.large"), 4), None);
        let arm = one("kubernetes.io/arch", "In", "arm64");
        let family = |values| one("karpenter.k8s.aws/instance-family", "In", values);
        assert!(lacks(&format!("{arm}, {}", family("g6, p5")), 1).is_some());
        assert_eq!(lacks(&format!("{arm}, {}", family("g5g")), 1), None);
        assert_eq!(lacks(&arm, 1), None);
        let kind = |values| one("karpenter.k8s.aws/instance-category", "In", values);
        let name = |values| one("accelerator", "In", values);
        assert_eq!(lacks(&format!("{arm}, {}", kind("g")), 1), None);
        assert!(lacks(&format!("{arm}, {}, {}", kind("g"), name("nvidia-l40s")), 1).is_some());
        assert_eq!(lacks(&format!("{arm}, {}, {}", kind("g"), name("t4g")), 1), None);
    }
}
