//! Who asks, and what RBAC allows to them.

use hyper::HeaderMap;
use serde_json::{Value, json};

use super::faults::Logged;
use super::status::{Status, qualified};
use super::store::Inner;

/// The token of the administrator.
pub(super) const ADMIN: &str = "admin";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

impl User {
    pub(super) fn admin() -> Self {
        let groups = ["system:masters", "system:authenticated"].map(String::from).to_vec();
        Self { name: "admin".into(), groups }
    }

    fn anonymous() -> Self {
        Self { name: "system:anonymous".into(), groups: vec!["system:unauthenticated".into()] }
    }

    /// A service account's user has these groups by its name alone.
    fn named(name: &str, mut groups: Vec<String>) -> Self {
        if let Some(account) = name.strip_prefix("system:serviceaccount:")
            && let Some((namespace, _)) = account.split_once(':')
            && groups.is_empty()
        {
            groups.push("system:serviceaccounts".into());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
        let known = ["system:authenticated", "system:unauthenticated"];
        if !groups.iter().any(|group| known.contains(&group.as_str())) {
            groups.push("system:authenticated".into());
        }
        Self { name: name.into(), groups }
    }
}

/// Who a request comes from: by its token, and whom it speaks for.
pub(super) fn authenticate(headers: &HeaderMap) -> Result<(User, Option<User>), Status> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let user = match text("authorization") {
        None => User::anonymous(),
        Some(token) if token.strip_prefix("Bearer ") == Some(ADMIN) => User::admin(),
        Some(_) => return Err(Status::unauthorized()),
    };
    let groups = headers.get_all("impersonate-group").iter();
    let groups = groups.filter_map(|value| value.to_str().ok()).map(String::from).collect();
    let spoken_for = text("impersonate-user").map(|name| User::named(name, groups));
    Ok((user, spoken_for))
}

/// Whether a request is allowed.
pub(super) fn authorize(inner: &Inner, user: &User, request: &Logged) -> Result<(), Status> {
    if allows(inner, user, request) { Ok(()) } else { Err(denied(request)) }
}

/// What a request that is not allowed is told.
pub(super) fn denied(request: &Logged) -> Status {
    let Logged { verb, group, resource, subresource, namespace, name, user, path, .. } = request;
    if resource.is_empty() {
        let why = format!("User \"{user}\" cannot {verb} path \"{path}\"");
        return Status::of(403, &format!("forbidden: {why}"));
    }
    let full =
        if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
    let place = if namespace.is_empty() {
        String::from("at the cluster scope")
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let why = format!(
        "User \"{user}\" cannot {verb} resource \"{full}\" in API group \"{group}\" {place}"
    );
    Status::forbidden(group, resource, name, &why)
}

pub(super) fn allows(inner: &Inner, user: &User, request: &Logged) -> bool {
    if user.groups.iter().any(|group| group == "system:masters") {
        return true;
    }
    let everywhere = inner.list(&rbac("clusterrolebindings"), "");
    let here = if request.namespace.is_empty() {
        Vec::new()
    } else {
        inner.list(&rbac("rolebindings"), &request.namespace)
    };
    everywhere.iter().chain(&here).any(|(key, binding)| {
        let subjects = binding["subjects"].as_array().into_iter().flatten();
        if !subjects.into_iter().any(|subject| is_subject(subject, user, &key.namespace)) {
            return false;
        }
        let rules = rules(inner, &binding["roleRef"], &key.namespace);
        rules.iter().any(|rule| rule_allows(rule, request))
    })
}

fn rbac(plural: &str) -> std::sync::Arc<str> {
    qualified("rbac.authorization.k8s.io", plural).into()
}

fn is_subject(subject: &Value, user: &User, namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str().unwrap_or_default() {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let namespace = subject["namespace"].as_str().unwrap_or(namespace);
            user.name == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

fn rules(inner: &Inner, role: &Value, namespace: &str) -> Vec<Value> {
    let name = role["name"].as_str().unwrap_or_default();
    let (plural, namespace) =
        if role["kind"] == "Role" { ("roles", namespace) } else { ("clusterroles", "") };
    let roles = inner.list(&rbac(plural), namespace);
    let found = roles.into_iter().find(|(key, _)| key.name == name);
    let rules = found.map(|(_, role)| role["rules"].clone()).unwrap_or_default();
    rules.as_array().cloned().unwrap_or_default()
}

/// Whether a rule of a role allows a request.
pub(crate) fn rule_allows(rule: &Value, request: &Logged) -> bool {
    let has = |field: &str, fits: &dyn Fn(&str) -> bool| {
        let texts = rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.into_iter().any(|text| text == "*" || fits(text))
    };
    if !has("verbs", &|verb| verb == request.verb) {
        return false;
    }
    if request.resource.is_empty() {
        return has("nonResourceURLs", &|url| match url.strip_suffix('*') {
            Some(begin) => request.path.starts_with(begin),
            None => url == request.path,
        });
    }
    let Logged { resource, subresource, .. } = request;
    let full =
        if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
    has("apiGroups", &|group| group == request.group)
        && has("resources", &|allowed| {
            allowed == full
                || (!subresource.is_empty() && allowed.strip_prefix("*/") == Some(subresource))
        })
        && (rule["resourceNames"].as_array().is_none_or(Vec::is_empty)
            || rule["resourceNames"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|name| *name == request.name.as_str() && !request.name.is_empty()))
}

/// The roles and bindings that every cluster has, as far as clients need them: the discovery, and asking what one may
/// do.
pub(super) fn bootstrap() -> Vec<(&'static str, Value)> {
    let urls = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    let binding = |name: &str, groups: &[&str]| {
        let group = "rbac.authorization.k8s.io";
        let subjects: Vec<Value> = groups
            .iter()
            .map(|name| json!({"kind": "Group", "apiGroup": group, "name": name}))
            .collect();
        let role = json!({"kind": "ClusterRole", "apiGroup": group, "name": name});
        json!({"metadata": {"name": name}, "subjects": subjects, "roleRef": role})
    };
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    let everyone = "system:authenticated";
    vec![
        (
            "clusterroles",
            role(
                "cluster-admin",
                json!([
                    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                    {"nonResourceURLs": ["*"], "verbs": ["*"]},
                ]),
            ),
        ),
        (
            "clusterroles",
            role("system:discovery", json!([{"nonResourceURLs": urls, "verbs": ["get"]}])),
        ),
        (
            "clusterroles",
            role(
                "system:basic-user",
                json!([
                    {"apiGroups": ["authorization.k8s.io"], "resources": reviews, "verbs": ["create"]},
                    {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
                ]),
            ),
        ),
        (
            "clusterroles",
            role(
                "system:public-info-viewer",
                json!([{"nonResourceURLs": public, "verbs": ["get"]}]),
            ),
        ),
        ("clusterrolebindings", binding("cluster-admin", &["system:masters"])),
        ("clusterrolebindings", binding("system:discovery", &[everyone])),
        ("clusterrolebindings", binding("system:basic-user", &[everyone])),
        (
            "clusterrolebindings",
            binding("system:public-info-viewer", &[everyone, "system:unauthenticated"]),
        ),
    ]
}

/// Answers what somebody may do.
pub(super) fn review(inner: &Inner, kind: &str, asker: &User, mut review: Value) -> Value {
    if kind == "SelfSubjectReview" {
        review["status"]["userInfo"] = json!({"username": asker.name, "groups": asker.groups});
        return review;
    }
    let spec = &review["spec"];
    let user = if kind == "SelfSubjectAccessReview" {
        asker.clone()
    } else {
        let groups = spec["groups"].as_array().into_iter().flatten();
        let groups = groups.filter_map(Value::as_str).map(String::from).collect();
        User { name: spec["user"].as_str().unwrap_or_default().into(), groups }
    };
    let resource = &spec["resourceAttributes"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let request = if resource.is_object() {
        Logged {
            verb: text(&resource["verb"]),
            group: text(&resource["group"]),
            resource: text(&resource["resource"]),
            subresource: text(&resource["subresource"]),
            namespace: text(&resource["namespace"]),
            name: text(&resource["name"]),
            ..Logged::default()
        }
    } else {
        let other = &spec["nonResourceAttributes"];
        Logged { verb: text(&other["verb"]), path: text(&other["path"]), ..Logged::default() }
    };
    review["status"] = json!({"allowed": allows(inner, &user, &request)});
    review
}
