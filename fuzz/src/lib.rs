//! Arbitrary policies, histories and observations for the fuzz targets: valid or not, sane or not.

mod amounts;
mod envelope;
mod metrics;
mod observation;
mod peers;
mod policy;
mod slo;
mod state;

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::{Observation, PolicySpec, State};

use amounts::list;
use observation::observation;
use policy::policy;
use state::state;

/// All that a decision depends on.
#[derive(Debug)]
pub struct Situation {
    /// A policy, perhaps one that validation refuses.
    pub policy: PolicySpec,
    /// A history.
    pub state: State,
    /// Observations one after the other, at least one, with as many readings as fell out, of
    /// whatever form.
    pub observations: Vec<Observation>,
}

impl<'a> Arbitrary<'a> for Situation {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (policy, state) = (policy(u)?, state(u)?);
        let mut observations = vec![observation(u)?];
        observations.extend(list(u, 5, observation)?);
        Ok(Self { policy, state, observations })
    }
}
