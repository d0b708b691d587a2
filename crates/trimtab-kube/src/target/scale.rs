//! How is a count read and written? By the `scale` subresource alone.

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Client;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta, Request, Resource};
use serde_json::json;
use trimtab_runtime::TargetError;

use super::call::{Failure, call};
use super::discovery::Scalable;
use super::ownership::owners;

/// One object's scale.
pub(super) struct ScalePath {
    request: Request,
    name: String,
    /// The server takes server-side apply for it. For the scale of custom resources it can't: it
    /// tries to convert the `Scale` to the resource's own version.
    pub(super) can_apply: bool,
}

/// What is to be written.
pub(super) struct Written<'a> {
    pub(super) replicas: i32,
    /// Only if nothing changed since.
    pub(super) version: Option<&'a str>,
    pub(super) manager: &'a str,
    /// Whoever else may manage the field. A patch does not ask.
    pub(super) force: bool,
}

impl ScalePath {
    pub(super) fn new(
        scalable: &Scalable,
        namespace: &str,
        name: &str,
    ) -> Result<Self, TargetError> {
        let Scalable { resource, is_namespaced } = scalable;
        for part in [namespace, name] {
            if !is_name(part) {
                let reason = format!("`{part}` can't be the name of an object");
                return Err(TargetError::Refused(reason));
            }
        }
        let request = Request::new(path(resource, is_namespaced.then_some(namespace)));
        let can_apply = matches!(resource.group.as_str(), "" | "apps");
        Ok(Self { request, name: name.to_owned(), can_apply })
    }

    pub(super) async fn read(&self, client: &Client) -> Result<Scale, Failure> {
        call(client, self.request.get_subresource("scale", &self.name)).await
    }

    /// Server-side apply, so that the field has an owner that everybody can see and no other field
    /// is touched; a patch of that one field where there is none.
    pub(super) async fn write(
        &self,
        client: &Client,
        written: &Written<'_>,
    ) -> Result<Scale, Failure> {
        let mut metadata = json!({"name": self.name});
        if let (Some(version), Some(metadata)) = (written.version, metadata.as_object_mut()) {
            metadata.insert("resourceVersion".into(), version.into());
        }
        let scale = json!({
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": metadata,
            "spec": {"replicas": written.replicas},
        });
        let params = PatchParams {
            field_manager: Some(written.manager.to_owned()),
            force: written.force && self.can_apply,
            ..PatchParams::default()
        };
        let patch = if self.can_apply { Patch::Apply(scale) } else { Patch::Merge(scale) };
        call(client, self.request.patch_subresource("scale", &self.name, &params, &patch)).await
    }

    /// Who owns the count, other than `ours`.
    pub(super) async fn owners(&self, client: &Client, ours: &str) -> Result<Vec<String>, Failure> {
        let request = self.request.get_metadata(&self.name, &GetParams::default());
        let object: PartialObjectMeta = call(client, request).await?;
        Ok(owners(&object.metadata, ours))
    }
}

/// The path of a resource.
pub(super) fn path(resource: &ApiResource, namespace: Option<&str>) -> String {
    DynamicObject::url_path(resource, namespace)
}

/// Whether a text can name an object, and so be a part of a path.
pub(super) fn is_name(text: &str) -> bool {
    let plain =
        |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-.".contains(char);
    let begins =
        text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    begins && text.len() <= 253 && text.chars().all(plain) && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        assert!(is_name("llm") && is_name("0-a.b"));
        for wrong in ["", "..", "a/b", "a/../b", "a..b", "A", "a b", "a?x", "a%2fb", "-a", "é"] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
