//! Which policies are this replica's to decide about, by leases: leader election, and shards for large fleets.
//!
//! A lease is a promise of its holder to write nothing once it may be over, and of everybody else to wait until it
//! surely is. The holder counts from the moment at which its last successful renewal *began*, everybody else from the
//! moment at which they saw it, each by their own clock; nobody compares clocks. A holder stops earlier by the
//! longest that a request may take, so that what it began to write is done by then.

mod api;
mod balance;
mod claim;
mod driver;
mod fence;
mod moment;
mod shards;
#[cfg(test)]
mod simulation;

pub use moment::{Moment, Moments, SystemMoments};

pub(crate) use api::LeaseApi;
pub(crate) use balance::shard_of;
pub(crate) use driver::{LeaseChange, Leases};
pub(crate) use fence::TermFence;

use std::time::Duration;

use super::ControllerError;

/// How replicas share the work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseSettings {
    /// The namespace of the leases. Default `default`.
    pub namespace: String,
    /// What their names begin with. Those who share the work have the same. Default `trimtab`.
    pub name: String,
    /// Who this replica is, unlike any other process, a former one of the same pod included. Default: the host's name and
    /// a number drawn at the start.
    pub identity: String,
    /// Into how many parts the policies are divided. Each part is one replica's at a time; with 1, the default, one
    /// replica has all and the others stand by. All replicas need the same number; one with another waits until the others are gone.
    pub shards: u32,
    /// How long a lease lasts without being renewed. Default 15 s.
    pub duration: Duration,
    /// How often it is renewed. Default 3 s.
    pub renew: Duration,
    /// How often replicas look for what is free. Default 1 s.
    pub look: Duration,
    /// The longest that a request to the API server takes; nothing is written that long before a lease ends.
    /// Default 5 s.
    pub request_timeout: Duration,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self {
            namespace: String::from("default"),
            name: String::from("trimtab"),
            identity: identity(&host()),
            shards: 1,
            duration: Duration::from_secs(15),
            renew: Duration::from_secs(3),
            look: Duration::from_secs(1),
            request_timeout: Duration::from_secs(5),
        }
    }
}

impl LeaseSettings {
    /// The identity of this process in the pod, or on the host, of that name.
    ///
    /// ```
    /// use trimtab_kube::controller::LeaseSettings;
    ///
    /// let mut settings = LeaseSettings::default();
    /// settings.identity = LeaseSettings::identity_in("trimtab-7d4b9c-x2x5z");
    /// assert!(settings.identity.starts_with("trimtab-7d4b9c-x2x5z-"));
    /// ```
    pub fn identity_in(pod: &str) -> String {
        identity(pod)
    }

    pub(crate) fn terms(&self) -> Terms {
        let Self { shards, duration, renew, request_timeout, .. } = *self;
        Terms { shards, duration, renew, request_timeout }
    }

    pub(crate) fn check(&self) -> Result<(), ControllerError> {
        let refused = |message: String| Err(ControllerError::Settings(message));
        if self.shards == 0 || self.shards > 256 {
            return refused(format!("`shards` is {}, and may be 1 to 256", self.shards));
        }
        let least = self.request_timeout + self.renew.saturating_mul(2);
        if self.duration < least {
            return refused(format!(
                "a lease of {:?} is too short: it has to last at least {least:?}, two renewals and \
                 the longest that a request takes",
                self.duration
            ));
        }
        if self.look.is_zero() || self.renew < self.look {
            return refused(format!(
                "leases are looked at every {:?}, which has to be more than nothing and no more \
                 than the {:?} after which they are renewed",
                self.look, self.renew
            ));
        }
        Ok(())
    }
}

/// What all of it goes by.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) shards: u32,
    pub(crate) duration: Duration,
    pub(crate) renew: Duration,
    pub(crate) request_timeout: Duration,
}

impl Terms {
    /// How long after a renewal began something may be written.
    pub(crate) fn validity(&self) -> Duration {
        self.duration.saturating_sub(self.request_timeout)
    }
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { String::from("trimtab") } else { name }
}

/// A name that can be a part of a lease's: lowercase letters, digits and `-`.
fn identity(name: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    let plain =
        |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(200).collect();
    let name = name.trim_matches('-');
    let drawn = RandomState::new().hash_one(std::process::id());
    format!("{name}-{drawn:016x}")
}
