//! Errors, in the form in which the API has them.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use serde_json::{Value, json};

use crate::serve::Body;

/// An object, or why there is none.
pub(crate) type Answer = Result<Value, Status>;

/// A failure, as `v1.Status`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    details: Box<Value>,
    retry_after: Option<u64>,
    /// Said as plain text, as where there is no such path at all.
    plain: bool,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: Box::default(), retry_after: None, plain: false }
    }

    /// Any failure by its code.
    pub(crate) fn of(code: u16, message: &str) -> Self {
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            409 => "Conflict",
            410 => "Expired",
            413 => "RequestEntityTooLarge",
            415 => "UnsupportedMediaType",
            422 => "Invalid",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        };
        Self::new(code, reason, message.into())
    }

    /// What nobody thought of when it was written.
    pub(crate) fn without_reason(code: u16, message: &str) -> Self {
        Self::new(code, "", message.into())
    }

    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        if self.details.is_null() {
            *self.details = json!({});
        }
        self.details["retryAfterSeconds"] = seconds.into();
        self
    }

    pub(crate) fn no_such_resource() -> Self {
        let mut status = Self::of(404, "404 page not found\n");
        status.plain = true;
        status
    }

    pub(crate) fn unauthorized() -> Self {
        Self::of(401, "Unauthorized")
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(group, resource));
        Self::new(404, "NotFound", message).about(group, resource, name)
    }

    pub(crate) fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(group, resource));
        Self::new(409, "AlreadyExists", message).about(group, resource, name)
    }

    pub(crate) fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let of = qualified(group, resource);
        let message = format!("Operation cannot be fulfilled on {of} \"{name}\": {why}");
        Self::new(409, "Conflict", message).about(group, resource, name)
    }

    /// Somebody else wrote it since.
    pub(crate) fn stale(group: &str, resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    /// Fields that others own: their paths and managers.
    pub(crate) fn owned(conflicts: &[(String, String)]) -> Self {
        let message = match conflicts {
            [(field, manager)] => {
                format!("Apply failed with 1 conflict: conflict with {manager}: {field}")
            }
            many => {
                let mut message = format!("Apply failed with {} conflicts: ", many.len());
                let mut last = None;
                for (field, manager) in many {
                    if last != Some(manager) {
                        let line = if last.is_some() { "\n" } else { "" };
                        message.push_str(&format!("{line}conflicts with {manager}:"));
                    }
                    last = Some(manager);
                    message.push_str(&format!("\n- {field}"));
                }
                message
            }
        };
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(field, manager)| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {manager}"),
                    "field": field,
                })
            })
            .collect();
        let mut status = Self::new(409, "Conflict", message);
        *status.details = json!({"causes": causes});
        status
    }

    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let of = qualified(group, resource);
        let message = if name.is_empty() {
            format!("{of} is forbidden: {why}")
        } else {
            format!("{of} \"{name}\" is forbidden: {why}")
        };
        Self::new(403, "Forbidden", message).about(group, resource, name)
    }

    /// The object is not as it must be: a kind, and causes as field, reason and message.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let said: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let said = match said.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {said}", qualified(group, kind));
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| {
                json!({"reason": cause.reason, "message": cause.message, "field": cause.field})
            })
            .collect();
        let mut status = Self::new(422, "Invalid", message).about(group, kind, name);
        status.details["causes"] = causes.into();
        status
    }

    pub(crate) fn expired(message: &str) -> Self {
        Self::new(410, "Expired", message.into())
    }

    pub(crate) fn too_large_revision(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut status = Self::new(504, "Timeout", message).with_retry_after(1);
        status.details["causes"] = json!([
            {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"},
        ]);
        status
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::of(405, "the server does not allow this method on the requested resource")
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        let mut details = json!({});
        for (field, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details[field] = value.into();
            }
        }
        *self.details = details;
        self
    }

    /// As an object.
    pub(crate) fn value(&self) -> Value {
        let mut value = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if !self.details.is_null() {
            value["details"] = (*self.details).clone();
        }
        value
    }

    /// As an answer.
    pub(crate) fn response(&self) -> Response<Body> {
        if self.plain {
            return bytes_response(
                self.code,
                "text/plain; charset=utf-8",
                self.message.clone().into(),
            );
        }
        let mut response = json_response(self.code, &self.value());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        response
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) field: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Cause {
    pub(crate) fn invalid(field: &str, value: &str, why: &str) -> Self {
        let message = format!("Invalid value: {value}: {why}");
        Self { field: field.into(), reason: "FieldValueInvalid", message }
    }

    pub(crate) fn required(field: &str, why: &str) -> Self {
        let message =
            if why.is_empty() { "Required value".into() } else { format!("Required value: {why}") };
        Self { field: field.into(), reason: "FieldValueRequired", message }
    }
}

/// `deployments.apps`, `pods`.
pub(crate) fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.into() } else { format!("{resource}.{group}") }
}

/// An object as an answer.
pub(crate) fn json_response(code: u16, value: &Value) -> Response<Body> {
    bytes_response(code, "application/json", serde_json::to_vec(value).unwrap().into())
}

pub(crate) fn bytes_response(code: u16, kind: &str, body: Bytes) -> Response<Body> {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(code).header("content-type", kind).body(body).unwrap()
}
