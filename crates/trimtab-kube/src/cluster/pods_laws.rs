//! Whatever comes and goes in whatever order, the index finds what a plain list would.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use trimtab_metric::Timestamp;

use super::Selector;
use super::pod::{Pod, Shared};
use super::pods::Pods;
use super::wire::WirePod;

/// What happens to pods.
#[derive(Clone, Debug)]
enum Step {
    /// One is seen, named and labelled with these numbers, on a node or none, running or ended.
    Seen {
        space: u8,
        name: u8,
        labels: u8,
        node: Option<u8>,
        ended: bool,
    },
    Gone {
        space: u8,
        name: u8,
    },
    /// All are listed anew, in one namespace or all; those with these names are not there any more.
    Listed {
        space: Option<u8>,
        without: Vec<u8>,
    },
}

/// What a plain list holds of a pod.
type Plain = BTreeMap<(String, String), (BTreeMap<String, String>, Option<String>)>;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, 0..12_u8, 0..8_u8, prop::option::of(0..3_u8), any::<bool>()).prop_map(
            |(space, name, labels, node, ended)| Step::Seen { space, name, labels, node, ended }
        ),
        3 => (0..3_u8, 0..12_u8).prop_map(|(space, name)| Step::Gone { space, name }),
        1 => (prop::option::of(0..3_u8), prop::collection::vec(0..12_u8, 0..6))
            .prop_map(|(space, without)| Step::Listed { space, without }),
    ]
}

/// Eight sets of labels; the last ones have no `app`.
fn labels(number: u8) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if number < 6 {
        labels.insert("app".into(), ["llm", "embed"][usize::from(number % 2)].into());
    }
    labels.insert("tier".into(), (number / 2).to_string());
    labels
}

fn keep(
    space: &str,
    name: &str,
    labels: u8,
    node: Option<u8>,
    ended: bool,
    shared: &mut Shared,
) -> Pod {
    let wire: WirePod = serde_json::from_value(json!({
        "metadata": {"namespace": space, "name": name, "labels": self::labels(labels)},
        "spec": {
            "nodeName": node.map(|node| format!("n{node}")),
            "containers": [{"name": "main", "resources": {"requests": {"cpu": "250m"}}}],
        },
        "status": {"phase": if ended { "Succeeded" } else { "Running" }},
    }))
    .unwrap();
    Pod::keep(wire, &[], shared)
}

fn name(number: u8) -> String {
    format!("p{number}")
}

fn space(number: u8) -> String {
    format!("s{number}")
}

/// Does a step to both.
fn apply(step: &Step, pods: &mut Pods, plain: &mut Plain, listing: &mut u32, shared: &mut Shared) {
    let now = Timestamp::from_secs(0);
    match step {
        Step::Seen { space: in_, name: number, labels: set, node, ended } => {
            let (in_, number) = (space(*in_), name(*number));
            pods.set(keep(&in_, &number, *set, *node, *ended, shared), *listing, now);
            let holds = node.filter(|_| !ended).map(|node| format!("n{node}"));
            plain.insert((in_, number), (labels(*set), holds));
        }
        Step::Gone { space: in_, name: number } => {
            pods.remove(&space(*in_), &name(*number));
            plain.remove(&(space(*in_), name(*number)));
        }
        Step::Listed { space: in_, without } => {
            let in_ = in_.map(space);
            let covers = |key: &(String, String)| in_.as_ref().is_none_or(|name| *name == key.0);
            plain.retain(|key, _| !covers(key) || !without.iter().any(|gone| name(*gone) == key.1));
            *listing += 1;
            // Listings of other namespaces have numbers of their own.
            for (key, (labels, holds)) in plain.iter() {
                let node = holds.as_ref().map(|node| node[1..].parse().unwrap());
                let set = (0..8).find(|set| self::labels(*set) == *labels).unwrap();
                if covers(key) {
                    pods.set(
                        keep(&key.0, &key.1, set, node, node.is_none(), shared),
                        *listing,
                        now,
                    );
                }
            }
            pods.listed(in_.as_deref(), *listing, shared);
        }
    }
}

proptest! {
    #[test]
    fn the_index_finds_what_a_list_would(steps in prop::collection::vec(step(), 1..80)) {
        let (mut pods, mut shared, mut plain) = (Pods::default(), Shared::default(), Plain::new());
        let mut listing = 1;
        for step in &steps {
            apply(step, &mut pods, &mut plain, &mut listing, &mut shared);
            prop_assert_eq!(pods.len(), plain.len());
        }
        let selectors = ["", "app=llm", "app in (llm,embed),tier!=1", "!app", "tier=3", "tier notin (0)"];
        for (selector, number) in selectors.iter().flat_map(|one| (0..3).map(move |space| (one, space))) {
            let selector: Selector = selector.parse().unwrap();
            let found = pods.select(&space(number), &selector);
            let found: Vec<&str> = found.iter().map(|pod| pod.name()).collect();
            let of_list = plain.iter().filter(|((in_, _), (labels, _))| {
                *in_ == space(number) && selector.matches(|key| labels.get(key).map(String::as_str))
            });
            let of_list: Vec<&str> = of_list.map(|((_, name), _)| name.as_str()).collect();
            prop_assert_eq!(found, of_list, "{}", selector);
        }
        for node in ["n0", "n1", "n2"] {
            let holding = plain.values().filter(|(_, holds)| holds.as_deref() == Some(node)).count();
            let used = pods.used(node).map_or((0, 0), |used| (used.pods, used.of("cpu")));
            prop_assert_eq!(used, (holding as u32, 250 * holding as i64));
        }
    }

    #[test]
    fn when_all_are_gone_nothing_is_left(steps in prop::collection::vec(step(), 1..80)) {
        let (mut pods, mut shared, mut plain) = (Pods::default(), Shared::default(), Plain::new());
        let mut listing = 1;
        for step in &steps {
            apply(step, &mut pods, &mut plain, &mut listing, &mut shared);
        }
        pods.listed(None, listing + 1, &mut shared);
        prop_assert_eq!(pods.len(), 0);
        prop_assert!(pods.is_clean(), "{pods:?}");
        prop_assert_eq!((shared.labels.len(), shared.shapes.len(), shared.strings.len()), (0, 0, 0));
    }
}

#[test]
fn pods_of_one_template_share_what_they_have_in_common() {
    let mut shared = Shared::default();
    let one = keep("s", "a", 1, Some(0), false, &mut shared);
    let other = keep("s", "b", 1, Some(0), false, &mut shared);
    assert!(Arc::ptr_eq(&one.shape, &other.shape) && Arc::ptr_eq(&one.labels, &other.labels));
    let else_ = keep("s", "c", 2, Some(0), false, &mut shared);
    assert!(Arc::ptr_eq(&one.shape, &else_.shape) && !Arc::ptr_eq(&one.labels, &else_.labels));
}
