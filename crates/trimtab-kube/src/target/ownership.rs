//! Who set the count before, and does somebody set it again and again after us?

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;
use trimtab_runtime::TargetError;

/// Two that take the count from us within that time scale it, too; and as long they are left alone
/// with it.
const WINDOW: Duration = Duration::from_secs(600);

/// Who owns the count of an object, by its managed fields, other than `ours`.
pub(super) fn owners(meta: &ObjectMeta, ours: &str) -> Vec<String> {
    let fields = meta.managed_fields.iter().flatten();
    let owning = fields.filter(|entry| {
        let spec = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:spec")?.as_object());
        let is_scale = entry.subresource.as_deref() == Some("scale");
        spec.is_some_and(|spec| is_scale || spec.contains_key("f:replicas"))
    });
    let mut owners: Vec<String> = owning.filter_map(|entry| entry.manager.clone()).collect();
    owners.retain(|owner| owner != ours);
    owners.dedup();
    owners
}

/// What is known of who else sets the count.
///
/// The first time somebody else owns the field it is taken over: a manifest had it. Later it may be
/// a hand, which is not fought with either: what was set is what the next decision starts from. Who
/// does it twice in ten minutes is a second autoscaler, or a deployment tool that puts the count of
/// its manifest back; it has the target for ten minutes.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    /// The last write was ours.
    ours: bool,
    /// Who took it from us, and when.
    lost: Option<(String, Instant)>,
    /// Who has it, and until when.
    contested: Option<(String, Instant)>,
}

impl Ownership {
    /// The count was written by us.
    pub(super) fn is_ours(&mut self) {
        self.ours = true;
        self.contested = None;
    }

    /// Who has it for now, if somebody does.
    pub(super) fn holder(&self, now: Instant) -> Option<&str> {
        self.contested.as_ref().filter(|(_, until)| now < *until).map(|(who, _)| who.as_str())
    }

    /// Others own the field. What is to be said when it is taken over.
    ///
    /// # Errors
    ///
    /// [`TargetError::Contested`] where they took it from us before.
    pub(super) fn lost_to(
        &mut self,
        managers: &[String],
        now: Instant,
    ) -> Result<String, TargetError> {
        let names: Vec<String> = managers.iter().map(|name| format!("`{name}`")).collect();
        let who = names.join(" and ");
        if !std::mem::take(&mut self.ours) {
            if self.contested.is_some() {
                self.lost = Some((who.clone(), now));
            }
            return Ok(format!("the count was {who}'s, and is taken over"));
        }
        let lately = |at: Instant| now.duration_since(at) < WINDOW;
        let again = self.lost.as_ref().is_some_and(|(before, at)| *before == who && lately(*at));
        self.lost = Some((who.clone(), now));
        if again {
            let who = format!("the field manager {who}");
            self.contested = Some((who.clone(), now + WINDOW));
            return Err(TargetError::Contested(who));
        }
        Ok(format!("the count was changed by {who}, and is set again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_it_twice_in_ten_minutes_has_it_for_ten_minutes() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let argo = [String::from("argocd-controller")];
        let mut owned = Ownership::default();
        assert!(owned.lost_to(&argo, start).unwrap().contains("taken over"), "the manifest's");
        owned.is_ours();
        assert!(owned.lost_to(&argo, after(10)).unwrap().contains("set again"), "a hand");
        owned.is_ours();
        let error = owned.lost_to(&argo, after(20)).unwrap_err();
        insta::assert_snapshot!(error, @"the field manager `argocd-controller` scales it, too: two that scale one target undo each other's work");
        assert_eq!(owned.holder(after(30)), Some("the field manager `argocd-controller`"));
        assert_eq!(owned.holder(after(620)), None);
        // It is tried once more.
        assert!(owned.lost_to(&argo, after(621)).is_ok());
        owned.is_ours();
        assert!(owned.lost_to(&argo, after(631)).is_err());
    }

    #[test]
    fn who_owns_the_count() {
        let meta = |fields: serde_json::Value| {
            let meta = serde_json::json!({"managedFields": fields});
            serde_json::from_value::<ObjectMeta>(meta).unwrap()
        };
        let of = |manager: &str, subresource: &str, spec: serde_json::Value| {
            serde_json::json!({
                "manager": manager, "operation": "Update", "subresource": subresource,
                "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": spec},
            })
        };
        use serde_json::json;
        let fields = json!([
            of("kubectl", "", json!({"f:replicas": {}, "f:template": {}})),
            of("lws", "", json!({"f:template": {}})),
            of("other", "scale", json!({"f:size": {}})),
            of("trimtab", "scale", json!({"f:replicas": {}})),
            of("status", "status", json!(null)),
        ]);
        assert_eq!(owners(&meta(fields), "trimtab"), ["kubectl", "other"]);
        assert!(owners(&ObjectMeta::default(), "trimtab").is_empty());
    }

    #[test]
    fn hands_that_come_seldom_are_no_rivals() {
        let start = Instant::now();
        let kubectl = [String::from("kubectl")];
        let mut owned = Ownership::default();
        for hour in 1..9_u64 {
            owned.is_ours();
            assert!(owned.lost_to(&kubectl, start + Duration::from_secs(3600 * hour)).is_ok());
        }
    }
}
