//! What trimtab may do in a cluster, as roles.

use trimtab_kube::crd::{
    AccessRule, AccessScope, CONTROLLER_ACCESS, KEDA_SCALER_ACCESS, access_rules,
};

const NOTE: &str =
    "Written by `cargo xtask generate` from what trimtab-kube says it needs. Edit that instead.";

/// The roles of the kustomize base of a command.
pub(crate) fn roles(command: &str) -> Option<String> {
    let rules = rules_of(command)?;
    let mut text = format!("# {NOTE}\n");
    for (scope, kind, suffix) in PARTS {
        let written = access_rules(rules, scope);
        if written.contains('-') {
            text.push_str(&format!(
                "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: \
                 trimtab-{command}{suffix}\n{written}"
            ));
        }
    }
    Some(text)
}

/// The same rules for the templates of the chart.
pub(crate) fn templates() -> String {
    let mut text = format!("{{{{- /* {NOTE} */}}}}\n");
    for command in ["controller", "keda-scaler"] {
        for (scope, name) in [
            (AccessScope::Namespaces, "namespaces"),
            (AccessScope::Cluster, "cluster"),
            (AccessScope::Own, "own"),
        ] {
            let written =
                rules_of(command).map(|rules| access_rules(rules, scope)).unwrap_or_default();
            if written.contains('-') {
                text.push_str(&format!(
                    "{{{{- define \"trimtab.access.{command}.{name}\" -}}}}\n{written}{{{{- end }}}}\n"
                ));
            }
        }
    }
    text
}

const PARTS: [(AccessScope, &str, &str); 3] = [
    (AccessScope::Namespaces, "ClusterRole", ""),
    (AccessScope::Cluster, "ClusterRole", "-nodes"),
    (AccessScope::Own, "Role", ""),
];

fn rules_of(command: &str) -> Option<&'static [AccessRule]> {
    match command {
        "controller" => Some(CONTROLLER_ACCESS),
        "keda-scaler" => Some(KEDA_SCALER_ACCESS),
        _ => None,
    }
}
