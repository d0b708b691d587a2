//! Which lists are maps by a key of their items, which are sets, and which maps are one value.

use serde_json::{Map, Value};

/// What a list is, when it is merged.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ListKind {
    /// Items are the same if these fields of them are.
    Map(Vec<String>),
    /// Items are the same if they are equal.
    Set,
    /// One value.
    Atomic,
}

/// A place in an object, and what is known about it: by its name in what is built in, by the schema
/// in what is defined.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a> {
    schema: Option<&'a Value>,
    path: String,
}

impl<'a> Shape<'a> {
    /// The whole object; with the schema of its definition if it has one.
    pub(super) fn of(schema: Option<&'a Value>) -> Self {
        Self { schema, path: String::new() }
    }

    pub(super) fn is_custom(&self) -> bool {
        self.schema.is_some()
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let schema = self.schema.map(|schema| match schema.pointer("/properties") {
            Some(properties) if !properties[name].is_null() => &properties[name],
            _ => &schema["additionalProperties"],
        });
        Self { schema, path: format!("{}/{name}", self.path) }
    }

    pub(super) fn item(&self) -> Self {
        let schema = self.schema.map(|schema| &schema["items"]);
        Self { schema, path: self.path.clone() }
    }

    pub(super) fn list(&self) -> ListKind {
        let by = |keys: &[&str]| ListKind::Map(keys.iter().map(|key| (*key).into()).collect());
        if !self.path.starts_with("/metadata/")
            && let Some(schema) = self.schema
        {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            return match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => {
                    ListKind::Map(keys.filter_map(Value::as_str).map(String::from).collect())
                }
                Some("set") => ListKind::Set,
                _ => ListKind::Atomic,
            };
        }
        match self.path.rsplit('/').next().unwrap_or_default() {
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "volumes"
            | "env"
            | "imagePullSecrets"
            | "resourceClaims"
            | "webhooks" => by(&["name"]),
            "ports" if self.path == "/spec/ports" => by(&["port", "protocol"]),
            "ports" => by(&["containerPort", "protocol"]),
            "volumeMounts" => by(&["mountPath"]),
            "volumeDevices" => by(&["devicePath"]),
            "conditions" => by(&["type"]),
            "ownerReferences" => by(&["uid"]),
            "topologySpreadConstraints" => by(&["topologyKey", "whenUnsatisfiable"]),
            "hostAliases" | "podIPs" | "hostIPs" => by(&["ip"]),
            "finalizers" => ListKind::Set,
            _ => ListKind::Atomic,
        }
    }

    /// Whether a map is one value.
    pub(super) fn is_atomic(&self) -> bool {
        if let Some(schema) = self.schema {
            return schema["x-kubernetes-map-type"] == "atomic";
        }
        let last = self.path.rsplit('/').next().unwrap_or_default();
        let one = [
            "selector",
            "labelSelector",
            "namespaceSelector",
            "nodeSelector",
            "fieldRef",
            "secretKeyRef",
            "configMapKeyRef",
            "resourceFieldRef",
        ];
        one.contains(&last)
    }

    /// What a strategic merge goes by, which has one key where there are two here.
    pub(super) fn merge_key(&self) -> Option<String> {
        match (self.list(), self.path.rsplit('/').next()) {
            (_, Some("taints")) => Some("key".into()),
            (_, Some("addresses")) => Some("type".into()),
            (ListKind::Map(keys), _) => keys.into_iter().next(),
            _ => None,
        }
    }
}

/// What an item of a list is known by, as the ownership of fields writes it.
pub(super) fn item_key(item: &Value, keys: &[String]) -> String {
    let mut known: Map<String, Value> = Map::new();
    let mut keys = keys.to_vec();
    keys.sort();
    for key in keys {
        let value = match &item[&key] {
            Value::Null if key == "protocol" => "TCP".into(),
            value => value.clone(),
        };
        known.insert(key, value);
    }
    format!("k:{}", Value::Object(known))
}
