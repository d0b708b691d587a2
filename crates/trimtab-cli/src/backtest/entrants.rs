//! The policies that take part, with names that tell them apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trimtab_engine::Policy;
use trimtab_manifest::{Limits, PolicyDocument, Source, read_policies};
use trimtab_sim::metrics::{BindError, Bindings};

use crate::error::CommandError;
use crate::input::read_source;

/// Without any of one's own: what people run today, and trimtab's own strategy.
const EXAMPLES: [(&str, &str); 4] = [
    ("hpa.yaml", include_str!("../../policies/hpa.yaml")),
    ("hpa-concurrency.yaml", include_str!("../../policies/hpa-concurrency.yaml")),
    ("hpa-gpu-utilization.yaml", include_str!("../../policies/hpa-gpu-utilization.yaml")),
    ("slo.yaml", include_str!("../../policies/slo.yaml")),
];

/// A policy that takes part.
pub(crate) struct Entrant {
    /// What to call it; no other has this name.
    pub(crate) name: String,
    /// Where it is from.
    pub(crate) file: String,
    pub(crate) document: PolicyDocument,
}

/// Reads the policies of these files, or the examples if there are none; with `wanted`, only those of
/// these names.
pub(crate) fn read(files: &[PathBuf], wanted: &[String]) -> Result<Vec<Entrant>, CommandError> {
    let sources: Vec<Source> = if files.is_empty() {
        EXAMPLES.iter().map(|(name, text)| Source::new(*name, *text)).collect()
    } else {
        let limit = Limits::default().max_bytes;
        files.iter().map(|file| read_source(file, limit)).collect::<Result<_, _>>()?
    };
    let mut entrants = Vec::new();
    for source in &sources {
        entrants.extend(read_policies(source)?.policies.into_iter().map(|document| Entrant {
            name: document.metadata.name.clone(),
            file: source.name().to_owned(),
            document,
        }));
    }
    choose(&mut entrants, wanted)?;
    tell_apart(&mut entrants);
    Ok(entrants)
}

fn choose(entrants: &mut Vec<Entrant>, wanted: &[String]) -> Result<(), CommandError> {
    if let Some(name) = wanted.iter().find(|name| entrants.iter().all(|one| one.name != **name)) {
        let names: Vec<String> = entrants.iter().map(|one| format!("`{}`", one.name)).collect();
        return Err(CommandError::argument(format!("there is no policy `{name}`"))
            .with_help(format!("there is {}", names.join(", "))));
    }
    entrants.retain(|entrant| wanted.is_empty() || wanted.contains(&entrant.name));
    Ok(())
}

/// Where several have one name, the file is added, and where that is not enough, a number.
fn tell_apart(entrants: &mut [Entrant]) {
    let repeated = |entrants: &[Entrant]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entrant in entrants {
            *counts.entry(entrant.name.clone()).or_default() += 1;
        }
        counts.retain(|_, count| *count > 1);
        counts
    };
    let of_several_files = repeated(entrants);
    for entrant in entrants.iter_mut().filter(|one| of_several_files.contains_key(&one.name)) {
        let file = Path::new(&entrant.file).file_name().unwrap_or_default().to_string_lossy();
        entrant.name = format!("{} ({file})", entrant.name);
    }
    let of_one_file = repeated(entrants);
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for entrant in entrants.iter_mut().filter(|one| of_one_file.contains_key(&one.name)) {
        let number = numbers.entry(entrant.name.clone()).or_default();
        *number += 1;
        entrant.name = format!("{} #{number}", entrant.name);
    }
}

/// Where the metrics of policies come from.
pub(crate) struct Binder<'a> {
    overrides: &'a [(String, String)],
    /// Overrides that some policy has used.
    used: Vec<bool>,
    /// What the last policy said of one that it does not know.
    unknown: Option<CommandError>,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(overrides: &'a [(String, String)]) -> Self {
        Self { overrides, used: vec![false; overrides.len()], unknown: None }
    }

    /// Finds the signals of a policy's metrics; overrides of metrics that it has not are left to the
    /// others.
    pub(crate) fn bind(
        &mut self,
        entrant: &Entrant,
        policy: &Policy,
    ) -> Result<Bindings, CommandError> {
        let mut own = self.overrides.to_vec();
        let bindings = loop {
            match Bindings::new(policy, &own) {
                Ok(bindings) => break bindings,
                Err(BindError::UnknownMetric { metric, known }) => {
                    own.retain(|(other, _)| *other != metric);
                    let error = BindError::UnknownMetric { metric, known };
                    self.unknown = Some(CommandError::argument(error.to_string()));
                }
                Err(error) => {
                    let message = format!("policy `{}`: {error}", entrant.name);
                    return Err(CommandError::in_file(&entrant.file, message));
                }
            }
        };
        for (pair, used) in self.overrides.iter().zip(&mut self.used) {
            *used |= own.contains(pair);
        }
        Ok(bindings)
    }

    /// Refuses an override that no policy has used.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        match self.unknown {
            Some(error) if self.used.contains(&false) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the suite, too.
    #[test]
    fn the_examples_are_those_of_the_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for copy in std::fs::read_dir(root.join("policies")).unwrap() {
            let copy = copy.unwrap();
            let example = root.join("../../examples/llm-inference").join(copy.file_name());
            let texts = [copy.path(), example].map(|file| std::fs::read_to_string(file).unwrap());
            assert_eq!(texts[0], texts[1], "{}", copy.path().display());
        }
    }

    #[test]
    fn equal_names_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let policy = |max: i32| {
            format!(
                "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: llm}}\n\
                 spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}, \
                 maxReplicas: {max}}}\n"
            )
        };
        let (one, two) = (directory.path().join("one.yaml"), directory.path().join("two.yaml"));
        std::fs::write(&one, policy(1)).unwrap();
        std::fs::write(&two, [policy(2), policy(3)].join("---\n")).unwrap();
        let names = |files: &[PathBuf]| {
            let entrants = read(files, &[]).unwrap();
            entrants.into_iter().map(|entrant| entrant.name).collect::<Vec<_>>()
        };
        assert_eq!(names(std::slice::from_ref(&one)), ["llm"]);
        assert_eq!(
            names(&[one, two]),
            ["llm (one.yaml)", "llm (two.yaml) #1", "llm (two.yaml) #2"]
        );
    }
}
