//! What pods that stand by need between changes: to be pointed out, to fall asleep, to wake up.

use trimtab_metric::Timestamp;
use trimtab_runtime::TargetError;

use super::super::retirement::now;
use super::pool::{Pool, is_released};
use super::{KubeTarget, Mark, Sleeper, Stand, is_marked, lock, server_of, starts};
use crate::cluster::Pod;

impl KubeTarget {
    /// Begins what is to be done, and waits for nothing that takes long.
    pub(in super::super) async fn tend_asleep(&self, sleeper: &Sleeper) -> Result<(), TargetError> {
        self.host.check_fence()?;
        let seen = lock(&sleeper.memory).seen.clone();
        let Some((selector, total)) = seen else { return Ok(()) };
        let namespace = &self.host.namespace;
        let pool = sleeper.pool(self.cluster.as_ref(), namespace, &selector, total)?;
        let claimed = self.claim(sleeper, &pool).await;
        let hand = self.hand(sleeper);
        // One that has just refused is not seen to stand by again yet.
        for pod in pool.waking.iter().filter(|pod| !sleeper.troubles.rests(pod.name())) {
            let name = pod.name();
            if starts(pod) {
                hand.mark(name, Mark::Promoted).await;
            } else if let Some(at) = server_of(pod) {
                drop(sleeper.crew.begin(name, hand.clone().wake(pod.clone(), at)));
            }
        }
        for pod in pool.members.iter().filter(|pod| sleeper.is_to_sleep(pod, now())) {
            if let Some(at) = server_of(pod) {
                // That it is awake was seen before.
                lock(&sleeper.memory).awake.remove(pod.name());
                let work = hand.clone().put_to_sleep(pod.clone(), at);
                drop(sleeper.crew.begin(pod.name(), work));
            }
        }
        claimed.and(sleeper.troubles.report(&pool.names))
    }

    /// Points out the pods that were asked for, for the pool, before they can serve.
    async fn claim(&self, sleeper: &Sleeper, pool: &Pool) -> Result<(), TargetError> {
        let names: Vec<String> =
            pool.claimable.iter().take(pool.owed).map(|pod| String::from(pod.name())).collect();
        self.mark(&names, Mark::Stands(Stand::Claimed)).await?;
        let left = pool.owed.saturating_sub(names.len());
        lock(&sleeper.memory).owed.count = left;
        Ok(())
    }
}

impl Sleeper {
    /// Whether a pod that stands by is awake and has nothing to do.
    fn is_to_sleep(&self, pod: &Pod, now: Timestamp) -> bool {
        let name = pod.name();
        if !pod.is_ready()
            || is_released(pod)
            || self.crew.is_busy(name)
            || self.troubles.rests(name)
        {
            return false;
        }
        if is_marked(pod, Stand::Asleep(0)) {
            // It started anew, or somebody else woke it.
            return !pod.slept() || lock(&self.memory).awake.contains(name);
        }
        if pod.slept() && !self.servers.tell_state() {
            // It was told, and nobody can say whether it does.
            return false;
        }
        is_marked(pod, Stand::Idle) || self.is_quiet(pod, now)
    }

    /// Whether a pod that was pointed out never served, or long enough ago.
    fn is_quiet(&self, pod: &Pod, now: Timestamp) -> bool {
        let Some(aside) = pod.draining_since() else { return false };
        let ready = pod.ready().and_then(|ready| ready.last_transition_time);
        ready.is_some_and(|ready| ready > aside)
            || now >= aside.saturating_add(self.longest_session)
    }
}
