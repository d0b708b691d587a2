//! The forms that Kubernetes demands of names, each as a check that says what is wrong.

use alloc::format;
use alloc::string::String;

/// Longest DNS label, in bytes. The name part of a qualified name has the same limit.
const LABEL_MAX: usize = 63;
/// Longest DNS subdomain, in bytes.
const SUBDOMAIN_MAX: usize = 253;
/// Prefix under which a resource quota counts requests; no resource may be named like that.
const QUOTA_PREFIX: &str = "requests.";
/// Whatever contains this belongs to Kubernetes itself.
const NATIVE_DOMAIN: &str = "kubernetes.io/";
/// The resources without a prefix that a container may request, besides huge pages.
const CONTAINER_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const HUGE_PAGES_PREFIX: &str = "hugepages-";

/// What keeps `name` from being one segment of a URL path.
pub(super) fn path_segment_problem(name: &str) -> Option<&'static str> {
    if name == "." || name == ".." {
        Some("`.` and `..` stand for directories in a URL path and name nothing")
    } else if name.contains(['/', '%']) {
        Some("names stand in URL paths and cannot contain `/` or `%`")
    } else {
        None
    }
}

/// What keeps `version` from naming an API version: `group/version`, or `version` alone.
///
/// Kubernetes has types that scale in one place of its core group only, `ReplicationController`, so
/// a reference to any other kind of scale target needs the group.
pub(super) fn api_version_problem(version: &str, needs_group: bool) -> Option<&'static str> {
    match version.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            Some("it has to be a group and a version with one `/` between them, such as `apps/v1`")
        }
        Some((group, _)) if !group.is_empty() => None,
        _ if needs_group => {
            Some("it has to name the API group too, such as `apps/v1` for a Deployment")
        }
        _ => None,
    }
}

/// What keeps `label` from being a DNS label.
pub(super) fn dns_label_problem(label: &str) -> Option<&'static str> {
    if label.len() > LABEL_MAX {
        Some("it can have 63 characters at most")
    } else if !is_dns_label(label) {
        Some("it has to be lowercase letters, digits and `-`, with no `-` at either end")
    } else {
        None
    }
}

/// What keeps `name` from being a resource that a container can request.
pub(super) fn container_resource_problem(name: &str) -> Option<String> {
    if !is_qualified_name(name) {
        return Some(String::from(
            "it has to be letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, \
             and before it the vendor's domain and `/`, such as `nvidia.com/gpu`",
        ));
    }
    if !name.contains('/') {
        let known = CONTAINER_RESOURCES.contains(&name) || name.starts_with(HUGE_PAGES_PREFIX);
        return (!known).then(|| {
            format!(
                "without a domain it has to be `{}` or `{HUGE_PAGES_PREFIX}` and a size; others \
                 carry their vendor's domain, such as `nvidia.com/gpu`",
                CONTAINER_RESOURCES.join("`, `")
            )
        });
    }
    if name.contains(NATIVE_DOMAIN) {
        return None;
    }
    if name.starts_with(QUOTA_PREFIX) {
        return Some(format!("`{QUOTA_PREFIX}` marks a quota; name the resource without it"));
    }
    // A quota on it is named with the prefix, and that has to be a valid name as well.
    (!is_qualified_name(&format!("{QUOTA_PREFIX}{name}")))
        .then(|| String::from("its domain is too long to be counted by a quota"))
}

fn is_dns_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && label.len() <= LABEL_MAX
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Unlike a list of labels, a subdomain limits the whole and not its parts.
fn is_dns_subdomain(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.len() <= SUBDOMAIN_MAX && name.split('.').all(part)
}

fn is_qualified_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((domain, name)) => is_dns_subdomain(domain) && is_bare_name(name),
        None => is_bare_name(name),
    }
}

fn is_bare_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = |name: &str| name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let last = name.bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric());
    name.len() <= LABEL_MAX && name.bytes().all(inner) && ends(name) && last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments() {
        for good in ["Deployment", "a.b", "...", "a b", "ü", "http_requests:rate5m"] {
            assert_eq!(path_segment_problem(good), None, "{good}");
        }
        for bad in [".", "..", "a/b", "50%"] {
            assert!(path_segment_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn api_versions() {
        for good in ["apps/v1", "apps/", "argoproj.io/v1alpha1"] {
            assert_eq!(api_version_problem(good, true), None, "{good}");
        }
        for core in ["v1", "", "/", "/v1"] {
            assert_eq!(api_version_problem(core, false), None, "{core}");
            assert!(api_version_problem(core, true).is_some(), "{core}");
        }
        assert!(api_version_problem("a/b/c", false).is_some());
    }

    #[test]
    fn dns_labels() {
        for good in ["c", "9", "a-b", &"a".repeat(63)] {
            assert_eq!(dns_label_problem(good), None, "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a.b", "a_b", "ü", &"a".repeat(64)] {
            assert!(dns_label_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn container_resources() {
        let longest_domain = format!("{}.{}", "a".repeat(63), "b.".repeat(90)) + "c";
        assert_eq!(longest_domain.len(), 63 + 1 + 180 + 1);
        for good in [
            "cpu",
            "memory",
            "ephemeral-storage",
            "hugepages-2Mi",
            "hugepages-x",
            "nvidia.com/gpu",
            "kubernetes.io/x",
            "requests.kubernetes.io/x",
            "a/b",
        ] {
            assert_eq!(container_resource_problem(good), None, "{good}");
        }
        for bad in [
            "bogus",
            "storage",
            "CPU",
            "hugepages-",
            "-cpu",
            "cpu-",
            "a/b/c",
            "/gpu",
            "nvidia.com/",
            "NVIDIA.com/gpu",
            "requests.nvidia.com/gpu",
            &format!("{longest_domain}/gpu"),
            &format!("a/{}", "b".repeat(64)),
        ] {
            assert!(container_resource_problem(bad).is_some(), "{bad}");
        }
    }
}
