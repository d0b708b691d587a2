//! Rules in the schemas of definitions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use super::status::Cause;

/// A schema, and its rules if it has any.
type Compiled = (Arc<Value>, Option<Rc<CompiledSchema>>);

thread_local! {
    /// By where schemas are. A server has one thread, and a few definitions.
    static COMPILED: RefCell<HashMap<*const Value, Compiled>> = RefCell::default();
}

/// Adds what the rules do not allow. They are only gone through if nothing else is wrong.
pub(super) fn validate(
    schema: &Arc<Value>,
    object: &Value,
    before: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    let compiled = COMPILED.with_borrow_mut(|compiled| {
        let compile = || {
            let has_rules = schema.to_string().contains("\"x-kubernetes-validations\"");
            (Arc::clone(schema), has_rules.then(|| Rc::new(compile_schema(schema))))
        };
        compiled.entry(Arc::as_ptr(schema)).or_insert_with(compile).1.clone()
    });
    let Some(compiled) = compiled else { return };
    if !causes.is_empty() {
        let why = "some validation rules were not checked because the object was invalid; correct the existing errors to \
                   complete validation";
        causes.push(Cause::invalid("<nil>", "null", why));
        return;
    }
    let Err(errors) = Validator::new().validate_compiled(&compiled, object, before) else { return };
    for error in errors.into_vec() {
        let field = if error.field_path.is_empty() { "<nil>" } else { &error.field_path };
        let steps = error.field_path.replace(['.', '['], "/").replace(']', "");
        let at = object.pointer(&format!("/{steps}")).unwrap_or(object);
        let mut cause = Cause::invalid(field, &at.to_string(), &error.message);
        if at.is_object() || at.is_array() {
            // Those are not repeated.
            cause.message = format!("Invalid value: {}", error.message);
        }
        causes.push(cause);
    }
}
