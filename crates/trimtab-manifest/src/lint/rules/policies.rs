//! Documents that are refused as a whole: by the API server, or as a policy.

use crate::lint::document::Document;
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;
use crate::{Problem, policies};

pub(super) static RULES: &[&Rule] = &[&REFUSED, &OBJECTIVE_OUT_OF_REACH];

static REFUSED: Rule = Rule {
    id: "refused",
    severity: Severity::Error,
    summary: "a HorizontalPodAutoscaler or ScalingPolicy that is refused",
    why: "the API server refuses such a HorizontalPodAutoscaler, and trimtab such a policy: an unknown \
          field, a value of the wrong type, or one that the rules do not allow",
    fix: "Write what the message says would be right.",
    check: refused,
};

static OBJECTIVE_OUT_OF_REACH: Rule = Rule {
    id: "objective-out-of-reach",
    severity: Severity::Error,
    summary: "an objective that a request alone on a replica does not meet",
    why: "with nobody else there, reading the prompt takes as long as the model says, and each token a \
          step: an objective below that cannot be met with any number of replicas, and asks for all of \
          them (dynamo#11624, dynamo#6145)",
    fix: "Promise more time, or shorten prompts, or use a faster replica.",
    check: objective_out_of_reach,
};

fn refused(set: &Set<'_>, findings: &mut Findings<'_>) {
    for document in set.documents() {
        for problem in problems(document) {
            if is_objective(&problem) || needs_gate(&problem) {
                continue;
            }
            let at = Field { span: problem.span(), ..document.field() };
            let added = findings.add(&REFUSED, at, problem.message());
            if let Some(help) = problem.help() {
                added.help(help);
            }
        }
    }
}

fn objective_out_of_reach(set: &Set<'_>, findings: &mut Findings<'_>) {
    for document in set.documents() {
        for problem in problems(document).iter().filter(|problem| is_objective(problem)) {
            let at = Field { span: problem.span(), ..document.field() };
            let added = findings.add(&OBJECTIVE_OUT_OF_REACH, at, problem.message());
            if let Some(help) = problem.help() {
                added.help(help);
            }
        }
    }
}

fn problems(document: &Document) -> Vec<Problem> {
    let is_policy = match (&*document.group, &*document.kind) {
        ("autoscaling", "HorizontalPodAutoscaler") => document.version == "v2",
        ("trimtab.dev", "ScalingPolicy") => true,
        _ => false,
    };
    // An item whose list says what it is has nothing of that itself.
    let is_policy = is_policy && document.root.get("kind").is_some();
    if is_policy { policies::problems(&document.root) } else { Vec::new() }
}

/// That an objective is there, and below what a request alone takes.
fn is_objective(problem: &Problem) -> bool {
    let of_model = problem.field().is_some_and(|field| {
        field.ends_with("objectives.ttftSeconds") || field.ends_with("objectives.tpotSeconds")
    });
    of_model && problem.message().contains("idle replica")
}

/// Whether an HPA goes to zero, which is a cluster's to allow.
fn needs_gate(problem: &Problem) -> bool {
    problem.field() == Some("spec.minReplicas") && problem.message().contains("HPAScaleToZero")
}
