//! The task that looks at leases, renews, takes and gives them back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::LeaseSettings;
use super::api::Backend;
use super::fence::{Desk, TermFence};
use super::moment::{Moments, Stopwatch};
use super::shards::{Change, Request, Shards};
use crate::controller::metrics::KubeCounts;

/// What has changed for this replica.
pub(crate) enum LeaseChange {
    /// It decides about the policies of a shard from now on, within the fence.
    Gained(u32, TermFence),
    /// It does so no longer.
    Lost(u32),
    /// It does so no longer; once all of that has ended, the shard is to be [given back](Leases::give_back).
    Leave(u32, i32),
}

/// The leases of this replica.
pub(crate) struct Leases {
    desk: Arc<Desk>,
    backend: Arc<dyn Backend>,
    identity: String,
    look: Duration,
    counts: Arc<KubeCounts>,
}

impl Leases {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        settings: &LeaseSettings,
        moments: Arc<dyn Moments>,
        counts: Arc<KubeCounts>,
    ) -> Self {
        let shards = Shards::new(&settings.identity, settings.terms()).into();
        let desk = Arc::new(Desk {
            shards,
            stopwatch: Stopwatch::new(moments),
            look_now: tokio::sync::Notify::new(),
        });
        Self { desk, backend, identity: settings.identity.clone(), look: settings.look, counts }
    }

    /// Looks, renews and takes. From `stop` on it takes nothing new; at `end` it gives back what it has, so that
    /// another replica goes on within a second or so, and returns.
    pub(crate) async fn drive(
        &self,
        changes: mpsc::UnboundedSender<LeaseChange>,
        stop: CancellationToken,
        end: CancellationToken,
    ) {
        let mut is_well = true;
        while !end.is_cancelled() {
            if stop.is_cancelled() {
                self.desk.shards().end();
            }
            let is_done = self.round(&changes, &mut is_well).await;
            self.counts.leases_held(self.desk.shards().valid(self.desk.now()));
            let pause = if is_done { self.pause() } else { Duration::ZERO };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.desk.look_now.notified() => {}
                () = end.cancelled() => {}
            }
        }
        (0..self.desk.shards().held()).for_each(|_| self.counts.lease_moved());
        self.counts.leases_held(0);
        self.desk.shards().give_all_back();
        for _ in 0..3 {
            let is_left = self.desk.shards().has_any();
            if is_left {
                self.round(&changes, &mut is_well).await;
            }
        }
        if self.desk.shards().has_any() {
            warn!(target: "trimtab", "leases are not given back: they end by themselves");
        }
    }

    /// One look and what follows from it. `false` if the next is to be at once.
    async fn round(
        &self,
        changes: &mpsc::UnboundedSender<LeaseChange>,
        is_well: &mut bool,
    ) -> bool {
        let begun = self.desk.now();
        let renewals = self.desk.shards().renewals(begun);
        // A renewal does not wait for the look: the API server may be slow.
        let (listed, ()) = tokio::join!(self.backend.list(), self.send(renewals));
        let leases = match listed {
            Ok(leases) => leases,
            Err(error) => {
                if std::mem::take(is_well) {
                    warn!(target: "trimtab", %error, "the leases can't be seen");
                }
                self.counts.lease_failed();
                return true;
            }
        };
        if !std::mem::replace(is_well, true) {
            info!(target: "trimtab", "the leases can be seen again");
        }
        let now = self.desk.now();
        let seen = self.desk.shards().saw(leases, begun, now);
        self.tell(changes, seen);
        let (requests, leaving) = self.desk.shards().moves(self.desk.now());
        self.tell(changes, leaving);
        let takes = requests.len();
        self.send(requests).await;
        // What was taken counts after another look.
        takes == 0
    }

    fn tell(&self, to: &mpsc::UnboundedSender<LeaseChange>, changes: Vec<Change>) {
        for change in changes {
            let change = match change {
                Change::Gained(shard, term) => {
                    info!(target: "trimtab", shard, term, holder = self.identity, "lease taken");
                    self.counts.lease_moved();
                    LeaseChange::Gained(shard, TermFence::new(Arc::clone(&self.desk), shard, term))
                }
                Change::Lost(shard, term) => {
                    warn!(target: "trimtab", shard, term, "lease lost: somebody else has it");
                    self.counts.lease_moved();
                    LeaseChange::Lost(shard)
                }
                Change::Leave(shard, term) => {
                    info!(target: "trimtab", shard, term, "shard is left to another replica");
                    self.counts.lease_moved();
                    LeaseChange::Leave(shard, term)
                }
            };
            // Nobody listens any more at the end.
            let _unheard = to.send(change);
        }
    }

    async fn send(&self, requests: Vec<Request>) {
        let sends = requests.into_iter().map(|request| async move {
            let begun = self.desk.now();
            let (answer, error) = self.backend.send(&request).await;
            if let Some(error) = error {
                self.counts.lease_failed();
                debug!(target: "trimtab", ?request, error, "a lease was not written");
            }
            self.desk.shards().wrote(&request, answer, begun, self.desk.now());
        });
        join_all(sends).await;
    }

    /// Gives a shard back for which nothing is done any more.
    pub(crate) fn give_back(&self, shard: u32, term: i32) {
        self.desk.shards().give_back(shard, term);
        self.desk.look_now.notify_one();
    }

    /// Not all look at one moment.
    fn pause(&self) -> Duration {
        let spread = super::balance::shard_of(&self.identity, 21);
        self.look.saturating_mul(90 + spread) / 100
    }
}
