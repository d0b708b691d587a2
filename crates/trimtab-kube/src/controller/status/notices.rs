//! What targets had to say of others lately, until it is no news any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use trimtab_runtime::WorkloadId;

use crate::target::Herald;

/// So long the status says that a count was taken over: who takes it back within that time is in a fight.
const SAID_FOR: Duration = Duration::from_secs(600);

/// What targets said last, by workload.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<BTreeMap<WorkloadId, Notice>>);

#[derive(Debug)]
struct Notice {
    text: String,
    at: Instant,
    is_told: bool,
}

/// Takes the notices of one target.
struct OfOne {
    notices: Arc<Notices>,
    workload: WorkloadId,
}

impl Notices {
    /// Who takes notices of a workload's target.
    pub(crate) fn herald(self: &Arc<Self>, workload: &WorkloadId) -> Arc<dyn Herald> {
        Arc::new(OfOne { notices: Arc::clone(self), workload: workload.clone() })
    }

    /// What the status says: whose the count was, if that was lately.
    pub(crate) fn said(&self, workload: &WorkloadId) -> Option<String> {
        let mut all = self.lock();
        if all.get(workload).is_some_and(|notice| notice.at.elapsed() >= SAID_FOR) {
            all.remove(workload);
        }
        all.get(workload).map(|notice| notice.text.clone())
    }

    /// What is to be told, and was not yet.
    pub(crate) fn news(&self, workload: &WorkloadId) -> Option<String> {
        let mut all = self.lock();
        let notice = all.get_mut(workload)?;
        let is_news = !std::mem::replace(&mut notice.is_told, true);
        is_news.then(|| notice.text.clone())
    }

    /// Its target is somebody else's, or gone.
    pub(crate) fn forget(&self, workload: &WorkloadId) {
        self.lock().remove(workload);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkloadId, Notice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Herald for OfOne {
    fn took_over(&self, told: &str) {
        let notice = Notice { text: told.to_owned(), at: Instant::now(), is_told: false };
        self.notices.lock().insert(self.workload.clone(), notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_and_said_for_ten_minutes() {
        let notices = Arc::new(Notices::default());
        let (one, other): (WorkloadId, WorkloadId) =
            ("ai/llm".parse().unwrap(), "ai/other".parse().unwrap());
        let herald = notices.herald(&one);
        assert_eq!((notices.said(&one), notices.news(&one)), (None, None));
        herald.took_over("the count was `helm`'s, and is taken over");
        assert!(notices.news(&one).is_some() && notices.news(&one).is_none());
        assert!(notices.said(&other).is_none());
        tokio::time::advance(SAID_FOR - Duration::from_secs(1)).await;
        assert!(notices.said(&one).is_some());
        herald.took_over("the count was changed by `kubectl`, and is set again");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(notices.said(&one).is_some_and(|text| text.contains("kubectl")));
        assert!(notices.news(&one).is_some());
        tokio::time::advance(SAID_FOR).await;
        assert_eq!((notices.said(&one), notices.news(&one)), (None, None));
    }
}
