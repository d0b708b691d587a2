//! The page of `trimtab lint`: the table of rules, and each with the manifests that its test has.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use trimtab_manifest::{Colour, Rule, Source, lint};

use crate::{note, row};

const INTRODUCTION: &str = "\
*What is wrong with the manifests that a team has, and what to write instead?*

```console
$ trimtab lint manifests/
```

All documents of all files are read together: HorizontalPodAutoscalers of every version, KEDA's ScaledObjects, Knative's Services,
KServe's InferenceServices, RayServices and Ray Serve configs, [ScalingPolicies](policy.md), and what stands around them: Deployments and
their like, Services, PodDisruptionBudgets, Karpenter's NodePools. Documents belong together as in Kubernetes, by namespace, kind and
name; one without a namespace belongs where only one can be meant. **What is not there is never a finding**: a folder may hold a part of
a cluster. Documents of other kinds are passed over.

| severity | means | exit code |
| --- | --- | --- |
| error | it does not work as it is written | 3 |
| warning | it is known to hurt | 3 with `--deny-warnings`, else 0 |
| note | to be considered | 0 |

A file that cannot be read, such as a template of Helm before it is rendered, is an error with its place, and the exit code 2.

## What manifests do not say

Four annotations, on the autoscaler, on what it scales, or on its pods, tell what rules cannot see:

| annotation | says |
| --- | --- |
| `trimtab.dev/critical` | `\"true\"`: it has to survive the loss of a replica; `\"false\"`: it has not |
| `trimtab.dev/lead-time-seconds` | how long a start takes, from asking until it serves |
| `trimtab.dev/objective-seconds` | how fast an answer has to begin |
| `trimtab.dev/max-session-seconds` | how long a session or an answer lasts at most |

Without them a service is critical by its priority class, by a label that says so, or by its disruption budget; the lead time and the session
are those of a ScalingPolicy, else a model takes at least 60 s to load; and the objective is that of a policy or the target of a latency metric.

## Letting a finding pass

```yaml
        name: DCGM_FI_DEV_GPU_UTIL # trimtab: allow(gpu-utilization-only) kept for a comparison
```

The comment stands at the end of the line, alone on the line before, or before the first line of a document for all of it. It names one rule
or several with commas, and the reason. One without a reason, one that lets nothing pass, and one of an unknown rule are findings themselves.

## Output

`--format json` is one document. Fields are added and not changed while `version` is 1:

```json
{
  \"version\": 1, \"files\": 1, \"documents\": 1,
  \"findings\": [{
    \"rule\": \"gpu-utilization-only\", \"severity\": \"warning\", \"message\": \"…\",
    \"file\": \"hpa.yaml\", \"line\": 17, \"column\": 15, \"endColumn\": 35, \"field\": \"spec.metrics[0].pods.metric.name\",
    \"why\": \"…\", \"help\": \"…\",
    \"related\": [{\"message\": \"…\", \"file\": \"…\", \"line\": 1, \"column\": 1, \"endColumn\": 2}],
    \"documentation\": \"https://…\"
  }],
  \"unreadable\": [{\"message\": \"…\", \"file\": \"…\", \"line\": 1, \"column\": 1, \"endColumn\": 2}],
  \"summary\": {\"errors\": 0, \"warnings\": 1, \"notes\": 0, \"allowed\": 0, \"leftOut\": 0}
}
```

Lines and columns count from 1, columns in characters; `endColumn` is behind the last one. `help`, `related` and the place of what could not
be read are there where there is something to say. A message may change with every release; a rule's id stays.

`--format sarif` is SARIF 2.1.0 with all rules, regions, related locations and levels, as code scanning takes it. `--format github` prints
workflow commands, which GitHub shows beside the lines of a pull request:

```yaml
- run: trimtab lint --format github manifests/
```

";

pub(super) fn page() -> Result<String, io::Error> {
    let mut page = format!(
        "# Lint\n\n{}\n{INTRODUCTION}",
        note("the rules of `trimtab-manifest` and their tests")
    );
    page.push_str("## Rules\n\n| rule | severity | finds |\n| --- | --- | --- |\n");
    for rule in Rule::all() {
        let id = rule.id();
        let severity = rule.severity().to_string();
        page.push_str(&row([format!("[`{id}`](#{id})"), severity, rule.summary().to_owned()]));
    }
    for rule in Rule::all() {
        section(&mut page, rule)?;
    }
    Ok(page)
}

fn section(page: &mut String, rule: &Rule) -> Result<(), io::Error> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/trimtab-manifest/tests/lint");
    let folder = folder.join(rule.id());
    let (mut bad, mut good) = (Vec::new(), Vec::new());
    for case in entries(&folder)? {
        // What has more to its name is a variant.
        match name(&case).trim_end_matches(".yaml") {
            "bad" => bad = sources(&case)?,
            "good" => good = sources(&case)?,
            _ => {}
        }
    }
    let id = rule.id();
    let (severity, summary) = (rule.severity(), rule.summary());
    let _infallible = write!(page, "\n### {id}\n\n*{severity}*: {summary}.\n\n");
    let _infallible = write!(page, "{}.\n\n**Instead**: {}\n", capital(rule.why()), rule.fix());
    let shown = lint(&bad).render(Colour::Never);
    let _infallible = write!(page, "\n```text\n{}\n```\n", trimmed(&shown));
    if let ([bad], [good]) = (bad.as_slice(), good.as_slice()) {
        let changes = changes(bad.text(), good.text());
        if changes.lines().count() <= MOST_CHANGED {
            let _infallible = write!(page, "\nWhat would be right:\n\n```diff\n{changes}```\n");
        }
    }
    let folder = format!(
        "{}/blob/main/crates/trimtab-manifest/tests/lint/{id}",
        env!("CARGO_PKG_REPOSITORY")
    );
    let _infallible =
        write!(page, "\nIn full: [manifests that it finds, and one that is right]({folder}).\n");
    Ok(())
}

/// Longer differences are no explanation.
const MOST_CHANGED: usize = 40;

/// The lines that differ, with those around them.
fn changes(old: &str, new: &str) -> String {
    const AROUND: usize = 2;
    let old: Vec<&str> = old.lines().filter(|line| !line.starts_with('#')).collect();
    let new: Vec<&str> = new.lines().filter(|line| !line.starts_with('#')).collect();
    let lines = merged(&old, &new);
    let near = |at: usize| {
        let from = at.saturating_sub(AROUND);
        lines.iter().skip(from).take(at + AROUND + 1 - from).any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let mut gap = false;
    for (at, (sign, line)) in lines.iter().enumerate() {
        if near(at) {
            if gap && !text.is_empty() {
                text.push_str("@@\n");
            }
            let _infallible = writeln!(text, "{}", format!("{sign}{line}").trim_end());
        }
        gap = !near(at);
    }
    text
}

/// The lines of both, each with `-` if only the old text has it, and `+` if only the new one has.
fn merged<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(char, &'t str)> {
    // Row by row from the end, the longest common part of what is left of both.
    let mut rows: Vec<Vec<usize>> = vec![vec![0; new.len() + 1]];
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or_default();
    for line in old.iter().rev() {
        let below = rows.last().cloned().unwrap_or_default();
        let mut row = vec![0; new.len() + 1];
        for (column, other) in new.iter().enumerate().rev() {
            let longest = match line == other {
                true => at(&below, column + 1) + 1,
                false => at(&below, column).max(at(&row, column + 1)),
            };
            if let Some(cell) = row.get_mut(column) {
                *cell = longest;
            }
        }
        rows.push(row);
    }
    rows.reverse();
    let left = |i: usize, j: usize| rows.get(i).map_or(0, |row| at(row, j));
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (old.get(i), new.get(j)) {
            (Some(line), Some(other)) if line == other => {
                lines.push((' ', *line));
                (i, j) = (i + 1, j + 1);
            }
            (Some(line), other) if other.is_none() || left(i + 1, j) >= left(i, j + 1) => {
                lines.push(('-', *line));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push(('+', *other));
                j += 1;
            }
            _ => return lines,
        }
    }
}

/// Without the reason, which stands above, and without spaces at the ends of lines.
fn trimmed(shown: &str) -> String {
    let lines = shown.lines().filter(|line| !line.trim_start().starts_with("= note: "));
    lines.map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, io::Error> {
    let entries: Result<Vec<PathBuf>, io::Error> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let mut entries = entries?;
    entries.sort();
    Ok(entries)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn sources(case: &Path) -> Result<Vec<Source>, io::Error> {
    let files = if case.is_dir() { entries(case)? } else { vec![case.to_owned()] };
    files.iter().map(|file| Ok(Source::new(name(file), fs::read_to_string(file)?))).collect()
}
