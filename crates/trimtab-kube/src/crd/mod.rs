//! The `ScalingPolicy` resource: what stands in it, how it is read, and how the API server checks it.

mod adopt;
mod condition;
mod object;
mod rbac;
mod schema;
mod state;
mod status;

pub use adopt::{ADOPT_ANNOTATION, AdoptError, Adopted, HandOver, policy_of, wants_adoption};
pub use condition::{ACCEPTED, ADOPTED, condition, condition_of};
pub use object::{GuardedPolicy, ScalingPolicy};
pub use rbac::{AccessRule, AccessScope, CONTROLLER_ACCESS, KEDA_SCALER_ACCESS, access_rules};
pub use schema::{crd, crd_yaml};
pub use state::{MOST_STATE_BYTES, StateError, StoredState};
pub use status::{
    DecidedBy, LastDecision, MOST_EXPLANATION_CHARS, ScaleTargetStatus, ScalingPolicyStatus,
};
pub use trimtab_manifest::{HostMode, HostSpec, ScalingPolicySpec, SourceSpec};

/// The API group of the resource.
pub const GROUP: &str = "trimtab.dev";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// Its kind.
pub const KIND: &str = "ScalingPolicy";
/// Its name in URLs.
pub const PLURAL: &str = "scalingpolicies";
