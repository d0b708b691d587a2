//! Label selectors say what Kubernetes says.

use std::collections::BTreeMap;

use kube::api::{Api, ListParams};
use proptest::prelude::*;
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, PodFixture};
use trimtab_kube::cluster::Selector;

/// Conditions as they are meant, to be judged in the plainest way.
#[derive(Clone, Debug)]
enum Condition {
    Is(String, &'static str, String),
    IsNot(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Has(String),
    HasNot(String),
    Above(String, i64),
    Below(String, i64),
}

impl Condition {
    fn text(&self) -> String {
        match self {
            Self::Is(key, sign, value) => format!("{key}{sign}{value}"),
            Self::IsNot(key, value) => format!("{key} != {value}"),
            Self::In(key, values) => format!("{key} in ({})", list(values, ", ")),
            Self::NotIn(key, values) => format!("{key} notin ({})", list(values, ",")),
            Self::Has(key) => key.clone(),
            Self::HasNot(key) => format!("!{key}"),
            Self::Above(key, than) => format!("{key} > {than}"),
            Self::Below(key, than) => format!("{key}<{than}"),
        }
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let number = |key: &String| labels.get(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Is(key, _, value) => labels.get(key) == Some(value),
            Self::IsNot(key, value) => labels.get(key) != Some(value),
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Has(key) => labels.contains_key(key),
            Self::HasNot(key) => !labels.contains_key(key),
            Self::Above(key, than) => number(key).is_some_and(|value| value > *than),
            Self::Below(key, than) => number(key).is_some_and(|value| value < *than),
        }
    }
}

/// Nothing between the parentheses would be no value, and a comma stands between two.
fn list(values: &[String], comma: &str) -> String {
    let text = values.join(comma);
    if text.is_empty() { ",".into() } else { text }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("app".to_string()),
        Just("app.kubernetes.io/name".to_string()),
        Just("in".to_string()),
        Just("notin".to_string()),
        Just("size".to_string()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("in".to_string()),
        Just("llm".to_string()),
        Just("A-b_c.1".to_string()),
        (0_i64..6).prop_map(|number| number.to_string()),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let values = || prop::collection::vec(value(), 1..4);
    prop_oneof![
        (key(), prop_oneof![Just("="), Just("==")], value())
            .prop_map(|(key, sign, value)| Condition::Is(key, sign, value)),
        (key(), value()).prop_map(|(key, value)| Condition::IsNot(key, value)),
        (key(), values()).prop_map(|(key, values)| Condition::In(key, values)),
        (key(), values()).prop_map(|(key, values)| Condition::NotIn(key, values)),
        key().prop_map(Condition::Has),
        key().prop_map(Condition::HasNot),
        (key(), 0_i64..6).prop_map(|(key, than)| Condition::Above(key, than)),
        (key(), 0_i64..6).prop_map(|(key, than)| Condition::Below(key, than)),
    ]
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(key(), value(), 0..5)
}

fn matches(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    selector.matches(|key| labels.get(key).map(String::as_str))
}

proptest! {
    #[test]
    fn a_selector_selects_what_all_its_conditions_hold_of(
        conditions in prop::collection::vec(condition(), 0..4),
        labels in labels(),
    ) {
        let text: Vec<String> = conditions.iter().map(Condition::text).collect();
        let selector: Selector = text.join(" , ").parse().unwrap();
        let holds = conditions.iter().all(|condition| condition.holds(&labels));
        prop_assert_eq!(matches(&selector, &labels), holds, "{} of {:?}", selector, labels);
        prop_assert_eq!(selector.is_everything(), conditions.is_empty());
    }

    #[test]
    fn what_is_written_reads_as_the_same(
        conditions in prop::collection::vec(condition(), 0..4),
        labels in labels(),
    ) {
        let text: Vec<String> = conditions.iter().map(Condition::text).collect();
        let selector: Selector = text.join(",").parse().unwrap();
        let again: Selector = selector.to_string().parse().unwrap();
        prop_assert_eq!(&again, &selector);
        prop_assert_eq!(again.to_string(), selector.to_string());
        prop_assert_eq!(matches(&again, &labels), matches(&selector, &labels));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-c=!,()<> innot./1-]{0,24}") {
        let _ = text.parse::<Selector>();
    }
}

#[test]
fn wrong_selectors_say_what_would_be_right() {
    let wrong = [
        "app in llm",
        "app in ()",
        "a,",
        ",a",
        "a b",
        "a=b=c",
        "a>b",
        "!a=b",
        "-a",
        "a=-",
        "a/b/c=d",
        "Example.com/a",
        "a in (b",
        "(a)",
        "x=ä",
    ];
    let said: Vec<String> =
        wrong.iter().map(|text| text.parse::<Selector>().unwrap_err().to_string()).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    `app in llm` is not a label selector: after `in` and `notin` come values in parentheses, as in `app in (a,b)`
    `app in ()` is not a label selector: the condition on `app` takes at least one value
    `a,` is not a label selector: found the end, expected a key
    `,a` is not a label selector: found `,`, expected a key
    `a b` is not a label selector: found `b`, expected an operator such as `=` or `in`
    `a=b=c` is not a label selector: found `=`, expected `,` or the end
    `a>b` is not a label selector: the condition on `a` takes a whole number
    `!a=b` is not a label selector: found `=`, expected `,` or the end
    `-a` is not a label selector: `-a` is no key: keys are such as `app` or `app.kubernetes.io/name`
    `a=-` is not a label selector: `-` is no value: use up to 63 letters, digits, `-`, `_` and `.`, with a letter or a digit at both ends
    `a/b/c=d` is not a label selector: `a/b/c` is no key: keys are such as `app` or `app.kubernetes.io/name`
    `Example.com/a` is not a label selector: `Example.com/a` is no key: keys are such as `app` or `app.kubernetes.io/name`
    `a in (b` is not a label selector: found the end, expected `,` or `)`
    `(a)` is not a label selector: found `(`, expected a key
    `x=ä` is not a label selector: `ä` is no value: use up to 63 letters, digits, `-`, `_` and `.`, with a letter or a digit at both ends
    ");
}

/// The same questions to the API servers, of pods that are really there.
#[tokio::test]
async fn api_servers_select_the_same() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let tree = |runner: &mut _| {
        use proptest::strategy::ValueTree;
        let labels = prop::collection::vec(labels(), 12).new_tree(runner).unwrap().current();
        let conditions = prop::collection::vec(prop::collection::vec(condition(), 0..4), 60);
        (labels, conditions.new_tree(runner).unwrap().current())
    };
    let (pods, questions) = tree(&mut runner);
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, "inference").await;
        for (number, labels) in pods.iter().enumerate() {
            let pod = PodFixture::new(&format!("p{number}"));
            let pod = labels.iter().fold(pod, |pod, (key, value)| pod.label(key, value));
            pod.create(&client, "inference").await;
        }
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client, "inference");
        for conditions in &questions {
            let text: Vec<String> = conditions.iter().map(Condition::text).collect();
            let selector: Selector = text.join(",").parse().unwrap();
            // As it was written, and as it is written here.
            for text in [text.join(","), selector.to_string()] {
                let found = api.list(&ListParams::default().labels(&text)).await;
                let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
                let mut found: Vec<_> =
                    found.items.into_iter().filter_map(|pod| pod.metadata.name).collect();
                let ours = pods.iter().enumerate().filter(|(_, labels)| matches(&selector, labels));
                let mut ours: Vec<_> = ours.map(|(number, _)| format!("p{number}")).collect();
                found.sort();
                ours.sort();
                assert_eq!(ours, found, "{text} (real: {})", server.is_real());
            }
        }
    }
}
