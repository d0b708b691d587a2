//! What of each policy decided anything, over all of its tests, whichever file they are in.

use std::io::{self, Write};

use trimtab_engine::{DecisionRecord, Digest, Policy};
use trimtab_test::{Coverage, Suite};

/// The policies, in the order in which they came up.
#[derive(Default)]
pub(super) struct Covered {
    policies: Vec<(Digest, String, Coverage)>,
    /// The policy whose decisions come.
    last: Option<(Digest, usize)>,
}

impl Covered {
    /// A policy that is going to be tested.
    pub(super) fn begin(&mut self, suite: &Suite) {
        let digest = suite.policy.digest();
        if !self.policies.iter().any(|(own, ..)| *own == digest) {
            let name = suite.metadata.name.clone();
            self.policies.push((digest, name, Coverage::new(&suite.policy)));
        }
    }

    pub(super) fn take(&mut self, policy: &Policy, record: &DecisionRecord) {
        let digest = record.policy;
        let place = match self.last {
            Some((last, place)) if last == digest => Some(place),
            _ => self.policies.iter().position(|(own, ..)| *own == digest),
        };
        if let Some((place, slot)) =
            place.and_then(|place| Some((place, self.policies.get_mut(place)?)))
        {
            self.last = Some((digest, place));
            slot.2.take(policy, record);
        }
    }

    /// The policies with what was met of them.
    pub(super) fn policies(&self) -> impl Iterator<Item = (&str, &Coverage)> {
        self.policies.iter().map(|(_, name, coverage)| (name.as_str(), coverage))
    }

    /// The least share of a policy that was met, in percent.
    pub(super) fn least(&self) -> f64 {
        let shares = self.policies().map(|(_, coverage)| coverage.percent());
        shares.fold(100.0, f64::min)
    }

    /// A line per policy, and below it what never decided anything. `mark` stands before each line.
    pub(super) fn write(&self, mark: &str, out: &mut dyn Write) -> io::Result<()> {
        for (name, coverage) in self.policies() {
            let (covered, all) = (coverage.covered(), coverage.parts().len());
            let percent = coverage.percent();
            writeln!(out, "{mark}coverage of `{name}`: {covered} of {all} parts ({percent:.0} %)")?;
            for part in coverage.parts().iter().filter(|part| part.decisions == 0) {
                let detail =
                    part.detail.as_ref().map_or(String::new(), |detail| format!(" ({detail})"));
                writeln!(out, "{mark}  never decided anything: {}{detail}", part.name)?;
            }
        }
        Ok(())
    }
}
