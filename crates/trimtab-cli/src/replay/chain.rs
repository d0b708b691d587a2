//! Whether each decision of a log went on from the state that one before it left.

use std::collections::BTreeSet;
use std::io::{self, Write};

use trimtab_engine::{Digest, State};

/// The most ends that are kept: more workloads than one log holds.
const MOST_ENDS: usize = 1 << 20;

/// The states that decisions left and none has gone on from, of however many workloads.
#[derive(Default)]
pub(super) struct Chains {
    ends: BTreeSet<Digest>,
    fresh: u64,
    /// Where a state comes from nowhere: the first line, and how many there are.
    unknown: Option<(u64, u64)>,
}

impl Chains {
    pub(super) fn take(&mut self, line: u64, before: &State, after: Digest) {
        if before.recommendations.is_none() {
            self.fresh += 1;
        } else if !self.ends.remove(&before.digest()) {
            let (first, count) = self.unknown.unwrap_or((line, 0));
            self.unknown = Some((first, count + 1));
        }
        if self.ends.len() < MOST_ENDS {
            self.ends.insert(after);
        }
    }

    pub(super) fn write_notes(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.fresh > 1 {
            let text = "note: a decision starts without history";
            writeln!(out, "{text} {} times: as many workloads, or restarts", self.fresh)?;
        }
        if let Some((line, count)) = self.unknown {
            let more =
                if count > 1 { format!(" (and {} more times)", count - 1) } else { String::new() };
            writeln!(
                out,
                "note: line {line} goes on from a state that no line before it left{more}: a part \
                 of the log is missing, or the state was kept elsewhere"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use trimtab_engine::Recommendation;
    use trimtab_metric::Timestamp;

    use super::*;

    fn state(replicas: i32) -> State {
        let mut state = State::default();
        state.recommendations =
            Some(vec![Recommendation { replicas, at: Timestamp::from_secs(0) }]);
        state
    }

    fn notes(chains: &Chains) -> String {
        let mut out = Vec::new();
        chains.write_notes(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_chain_needs_no_note() {
        let mut chains = Chains::default();
        chains.take(2, &State::default(), state(1).digest());
        chains.take(3, &state(1), state(2).digest());
        assert_eq!(notes(&chains), "");
    }

    #[test]
    fn workloads_may_interleave() {
        let mut chains = Chains::default();
        chains.take(2, &State::default(), state(1).digest());
        chains.take(3, &State::default(), state(2).digest());
        chains.take(4, &state(1), state(3).digest());
        chains.take(5, &state(2), state(4).digest());
        assert!(notes(&chains).contains("2 times") && !notes(&chains).contains("missing"));
    }

    #[test]
    fn a_gap_is_noted() {
        let mut chains = Chains::default();
        chains.take(2, &State::default(), state(1).digest());
        chains.take(3, &state(9), state(2).digest());
        assert!(notes(&chains).starts_with("note: line 3 goes on"));
    }
}
