//! Numbers that came out, in place of those that were expected; everything else stays as it is.

use trimtab_manifest::Span as Place;

use crate::format::TestFile;
use crate::run::{Edit, FileResult};

/// Two tests want different numbers at one place, which an alias (`*name`) repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The place.
    pub place: Place,
    /// The numbers.
    pub numbers: Vec<String>,
}

/// The text with the numbers that came out, and how many were changed. Only numbers under `expect` and
/// `totals` are: what must always or never hold, and what a backtest has to attain, are promises.
///
/// # Errors
///
/// The first place at which there are several numbers to be written.
///
/// ```
/// use trimtab_manifest::Source;
/// use trimtab_test::{bless, read, run};
///
/// # let policy = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: llm}\n\
/// # spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}, maxReplicas: 8, metrics: \
/// # [{type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: 4}}}]}";
/// # let mut policies = |path: &str| Ok(Source::new(path, policy));
/// let source = Source::new("llm_test.yaml", "\
/// policy: llm.yaml
/// tests:
/// - name: a queue asks for more
///   input_series: [{series: queue, values: 0 30x3}]
///   expect: [{at: 15s, replicas: 3}]  # who knows
/// ");
/// let file = read(&source, &mut policies)?;
/// let (text, changed) = bless(&file, &run(&file)).unwrap();
/// assert_eq!(changed, 1);
/// assert!(text.ends_with("  expect: [{at: 15s, replicas: 4}]  # who knows\n"));
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
pub fn bless(file: &TestFile, result: &FileResult) -> Result<(String, usize), Conflict> {
    let failures = result.tests.iter().flat_map(|test| &test.failures);
    let mut edits: Vec<&Edit> = failures.filter_map(|failure| failure.bless.as_ref()).collect();
    edits.sort_by_key(|edit| (edit.place.start, edit.text.clone()));
    edits.dedup();
    for pair in edits.windows(2) {
        if let [first, second] = pair
            && first.place == second.place
        {
            let numbers = vec![first.text.clone(), second.text.clone()];
            return Err(Conflict { place: first.place, numbers });
        }
    }
    let text = file.source.text();
    let (mut out, mut end) = (String::with_capacity(text.len()), 0);
    for edit in &edits {
        out.push_str(text.get(end..edit.place.start).unwrap_or_default());
        out.push_str(&edit.text);
        end = edit.place.end;
    }
    out.push_str(text.get(end..).unwrap_or_default());
    Ok((out, edits.len()))
}
