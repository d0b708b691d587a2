//! Who owns which fields.

use serde_json::{Value, json};

use super::fields::{Fields, Steps, value_at, written};
use super::lists::Shape;
use super::now;
use super::status::Status;

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
    /// What messages say that it was written in; that of the scale is its own.
    pub(super) told_version: String,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// One writer's fields.
#[derive(Clone, Debug)]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: String,
    time: Value,
    fields: Fields,
}

impl Entry {
    fn read(value: &Value) -> Self {
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            operation: text("operation"),
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: value["time"].clone(),
            fields: Fields::from_value(&value["fieldsV1"]),
        }
    }

    fn new(writer: &Writer) -> Self {
        Self {
            manager: writer.manager.clone(),
            operation: writer.operation.name().into(),
            api_version: writer.api_version.clone(),
            subresource: writer.subresource.clone(),
            time: now().into(),
            fields: Fields::default(),
        }
    }

    fn is_of(&self, writer: &Writer) -> bool {
        self.manager == writer.manager
            && self.operation == writer.operation.name()
            && self.subresource == writer.subresource
            // An update in another version is another entry, while what is applied replaces what was.
            && (writer.operation == Operation::Apply || self.api_version == writer.api_version)
    }

    fn write(&self) -> Value {
        let mut value = json!({
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_value(),
        });
        if !self.subresource.is_empty() {
            value["subresource"] = self.subresource.clone().into();
        }
        value
    }

    fn named(&self, to: &Writer) -> String {
        let mut name = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            name.push_str(&format!(" with subresource \"{}\"", self.subresource));
        }
        if self.operation == "Update" {
            // Whoever writes a scale sees all owners in its terms.
            let scale = to.subresource == "scale";
            let version = if scale { &to.told_version } else { &self.api_version };
            name.push_str(&format!(" using {version}"));
        }
        name
    }
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// The owners of an object's fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners(Vec<Entry>);

impl Owners {
    pub(super) fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        Self(entries.into_iter().flatten().map(Entry::read).collect())
    }

    /// Writes them into an object. Who owns nothing is not among them.
    pub(super) fn into_object(mut self, object: &mut Value) {
        self.0.retain(|entry| !entry.fields.is_empty());
        // What was applied stands first, then by time.
        self.0.sort_by_key(|entry| {
            (entry.operation != "Apply", entry.time.to_string(), entry.manager.clone())
        });
        let entries: Vec<Value> = self.0.iter().map(Entry::write).collect();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            if entries.is_empty() {
                metadata.remove("managedFields");
            } else {
                metadata.insert("managedFields".into(), entries.into());
            }
        }
    }

    /// An update: what was changed is the writer's from now on, and nobody else's.
    pub(super) fn update(
        &mut self,
        before: &Value,
        after: &Value,
        shape: &Shape<'_>,
        writer: &Writer,
    ) {
        let had = Fields::of(before, shape);
        let has = Fields::of(after, shape);
        let gone = had.without(&has);
        let changed = Fields(
            has.0
                .iter()
                .filter(|steps| !had.0.contains(*steps) || is_changed(before, after, &has, steps))
                .cloned()
                .collect(),
        );
        for entry in &mut self.0 {
            entry.fields = entry.fields.without(&gone);
            if !entry.is_of(writer) {
                entry.fields = entry.fields.without(&changed);
            }
        }
        if !changed.is_empty() {
            let entry = self.entry(writer);
            let fields = entry.fields.and(&changed);
            if fields != entry.fields {
                entry.time = now().into();
            }
            entry.fields = fields;
        }
    }

    /// Others' fields that would be changed. By force they are theirs no more.
    pub(super) fn take_over(
        &mut self,
        live: &Value,
        merged: &Value,
        fields: &Fields,
        writer: &Writer,
        force: bool,
    ) -> Result<(), Status> {
        let mut conflicts = Vec::new();
        for entry in self.0.iter_mut().filter(|entry| !entry.is_of(writer)) {
            let contested: Vec<Steps> = fields
                .0
                .iter()
                .filter(|steps| {
                    entry.fields.0.contains(*steps) && is_changed(live, merged, fields, steps)
                })
                .cloned()
                .collect();
            if force {
                entry.fields = entry.fields.without(&Fields(contested.into_iter().collect()));
                continue;
            }
            let name = entry.named(writer);
            conflicts.extend(contested.iter().map(|steps| (written(steps), name.clone())));
        }
        if conflicts.is_empty() { Ok(()) } else { Err(Status::owned(&conflicts)) }
    }

    /// What was applied is exactly what the writer has; answers with what only it had and has no more.
    pub(super) fn apply(&mut self, fields: Fields, writer: &Writer) -> Fields {
        let others = self
            .0
            .iter()
            .filter(|entry| !entry.is_of(writer))
            .fold(Fields::default(), |all, entry| all.and(&entry.fields));
        let entry = self.entry(writer);
        let given_up = entry.fields.without(&fields).without(&others);
        if entry.fields != fields || entry.api_version != writer.api_version {
            entry.time = now().into();
        }
        entry.fields = fields;
        entry.api_version = writer.api_version.clone();
        given_up
    }

    fn entry(&mut self, writer: &Writer) -> &mut Entry {
        let at = self.0.iter().position(|entry| entry.is_of(writer)).unwrap_or_else(|| {
            self.0.push(Entry::new(writer));
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

/// Whether the value of a field itself differs, rather than of a field in it.
fn is_changed(before: &Value, after: &Value, fields: &Fields, steps: &Steps) -> bool {
    let inner = fields.0.range(steps.clone()..).nth(1).is_some_and(|next| next.starts_with(steps));
    !inner && value_at(before, steps) != value_at(after, steps)
}
