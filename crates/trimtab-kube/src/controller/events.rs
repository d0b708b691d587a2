//! What is told of policies as events: changes of scale, conditions when they turn, and whose place was taken; and of the
//! HorizontalPodAutoscalers that ask for a policy.
//!
//! The same event told again within a few minutes is one with a count. `kube`'s own recorder takes events for the same
//! whose notes differ; "from 3 to 5" and "from 5 to 9" are not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp as Time;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::debug;
use trimtab_engine::{ConditionType, ScaleUpdate};
use trimtab_runtime::{TargetError, Tick};

use super::metrics::KubeCounts;
use super::status::{Named, REFUSED, SCALED_BY_OTHER, TOOK_OVER};
use crate::crd::{Adopted, GROUP, KIND, ScalingPolicyStatus, VERSION};

/// Who tells.
const REPORTER: &str = "trimtab.dev/controller";
/// An event told again within that time counts as the same.
const SERIES: Duration = Duration::from_secs(360);
/// Of one policy so many are told at once, and after that one each half minute.
const MOST_AT_ONCE: f64 = 20.0;
const REFILL: Duration = Duration::from_secs(30);
/// The longest note, as the API has it.
const MOST_NOTE: usize = 1024;
/// So many wait to be told.
const QUEUE: usize = 1024;

/// Conditions that are worth an event when they turn, and whether it is bad that they hold. Windows and limits are not:
/// they turn all the time.
const TOLD: [(ConditionType, bool); 7] = [
    (ConditionType::AbleToScale, false),
    (ConditionType::ScalingActive, false),
    (ConditionType::MetricsUnknown, true),
    (ConditionType::SupplyLimited, true),
    (ConditionType::ColdStartOverdue, true),
    (ConditionType::FlapBudgetSpent, true),
    (ConditionType::GuardActive, true),
];

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct News {
    of: Regarding,
    is_warning: bool,
    reason: String,
    action: &'static str,
    note: String,
}

/// Of which object something is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Regarding {
    api_version: String,
    kind: &'static str,
    namespace: String,
    name: String,
    uid: String,
}

impl From<&Named> for Regarding {
    fn from(of: &Named) -> Self {
        let Named { namespace, name, uid, .. } = of.clone();
        Self { api_version: format!("{GROUP}/{VERSION}"), kind: KIND, namespace, name, uid }
    }
}

/// Takes what is to be told; nobody waits for it.
#[derive(Clone)]
pub(crate) struct Teller {
    queue: mpsc::Sender<News>,
    counts: Arc<KubeCounts>,
}

impl Teller {
    /// Tells until all tellers are gone.
    pub(crate) fn start(
        client: Client,
        identity: String,
        patience: Duration,
        counts: Arc<KubeCounts>,
    ) -> Self {
        let (queue, news) = mpsc::channel(QUEUE);
        let writer = Writer {
            client,
            identity,
            patience,
            counts: Arc::clone(&counts),
            told: BTreeMap::new(),
            budgets: BTreeMap::new(),
        };
        tokio::spawn(writer.run(news));
        Self { queue, counts }
    }

    /// What a tick is worth telling, after the one before it, or else what the status said.
    pub(crate) fn tell(
        &self,
        of: &Named,
        before: Option<&Tick>,
        written: &ScalingPolicyStatus,
        tick: &Tick,
    ) {
        let decision = &tick.record.decision;
        if let (Some(to), Some(ScaleUpdate::Applied)) = (decision.scale_to, &tick.record.update) {
            let explanation = decision.explain().to_string();
            let line = explanation.lines().next().unwrap_or_default();
            let why = line.split_once("  ").map_or(line, |(_, words)| words);
            let note = format!("{} -> {to}: {}", decision.current_replicas, why.trim());
            self.send(of.into(), false, String::from("Rescaled"), "Scale", note);
        }
        for (condition, message) in decision.messages() {
            let Some((_, is_bad)) = TOLD.iter().find(|(type_, _)| *type_ == condition.type_) else {
                continue;
            };
            let status = format!("{:?}", condition.status);
            let was = match before {
                Some(before) => before
                    .record
                    .decision
                    .conditions
                    .get(condition.type_)
                    .map(|before| format!("{:?}", before.status)),
                None => {
                    let type_ = format!("{:?}", condition.type_);
                    written.condition(&type_).map(|before| before.status.clone())
                }
            };
            let holds = if *is_bad { "True" } else { "False" };
            let is_warning = status == holds;
            // That all is well from the start is no news.
            if was.as_ref() != Some(&status) && (is_warning || was.is_some()) {
                let reason = format!("{:?}", condition.reason);
                self.send(of.into(), is_warning, reason, "Decide", message.to_string());
            }
        }
        self.tell_errors(of, before, tick);
    }

    /// Why a target is not read or written, when that begins or becomes something else.
    fn tell_errors(&self, of: &Named, before: Option<&Tick>, tick: &Tick) {
        let Some(error) = &tick.target_error else { return };
        let was = before.and_then(|before| before.target_error.as_ref());
        if was.map(TargetError::cause) == Some(error.cause()) {
            return;
        }
        let reason = match error {
            TargetError::Contested(_) => SCALED_BY_OTHER,
            TargetError::Replicas(_) => REFUSED,
            _ if tick.record.observation.replicas.is_none() => "FailedGetScale",
            _ => "FailedUpdateScale",
        };
        self.send(of.into(), true, String::from(reason), "Scale", error.to_string());
    }

    /// The count was taken over from somebody.
    pub(crate) fn tell_taken_over(&self, of: &Named, told: String) {
        self.send(of.into(), false, String::from(TOOK_OVER), "Scale", told);
    }

    /// What became of a HorizontalPodAutoscaler that asks for a policy: the policy's name and what there is to know of
    /// it, or why there is none.
    pub(crate) fn tell_adoption(&self, of: &HorizontalPodAutoscaler, made: Result<&Adopted, &str>) {
        let metadata = of.metadata.clone();
        let regarding = Regarding {
            api_version: String::from("autoscaling/v2"),
            kind: "HorizontalPodAutoscaler",
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
        };
        let name = &regarding.name;
        let (is_warning, reason, note) = match made {
            Ok(made) => {
                let notes = made.notes.iter().map(|note| format!("; {note}"));
                let hand_over = format!(
                    "the {KIND} `{name}` has the same settings, and only looks on until this is deleted{}",
                    notes.collect::<String>()
                );
                (false, "PolicyMade", hand_over)
            }
            Err(error) => (true, "PolicyNotMade", format!("no {KIND} can be made of it: {error}")),
        };
        self.send(regarding, is_warning, String::from(reason), "Adopt", note);
    }

    /// A condition of the resource itself that has turned.
    pub(crate) fn tell_condition(&self, of: &Named, condition: &Condition) {
        let is_warning = condition.status != "True" && condition.type_ == crate::crd::ACCEPTED;
        let reason = condition.reason.clone();
        self.send(of.into(), is_warning, reason, "Accept", condition.message.clone());
    }

    fn send(
        &self,
        of: Regarding,
        is_warning: bool,
        reason: String,
        action: &'static str,
        note: String,
    ) {
        let note = shortened(&note);
        let news = News { of, is_warning, reason, action, note };
        if self.queue.try_send(news).is_err() {
            self.counts.event_told("dropped");
        }
    }
}

fn shortened(note: &str) -> String {
    let end = note.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = end.take_while(|end| *end <= MOST_NOTE).last().unwrap_or(0);
    note.get(..end).unwrap_or_default().to_owned()
}

struct Writer {
    client: Client,
    identity: String,
    patience: Duration,
    counts: Arc<KubeCounts>,
    told: BTreeMap<News, Series>,
    budgets: BTreeMap<String, (f64, Instant)>,
}

struct Series {
    name: String,
    count: i32,
    last: Instant,
}

impl Writer {
    async fn run(mut self, mut news: mpsc::Receiver<News>) {
        while let Some(news) = news.recv().await {
            self.told.retain(|_, series| series.last.elapsed() < SERIES);
            if self.budgets.len() > 10_000 {
                self.budgets.retain(|_, (left, at)| {
                    *left + at.elapsed().as_secs_f64() / REFILL.as_secs_f64() < MOST_AT_ONCE
                });
            }
            if !self.may_tell(&news.of.uid) {
                self.counts.event_told("dropped");
                continue;
            }
            match timeout(self.patience, self.write(&news)).await {
                Ok(Ok(how)) => self.counts.event_told(how),
                Ok(Err(error)) => {
                    self.counts.request_failed("event", &error);
                    debug!(target: "trimtab", %error, reason = news.reason, "an event is not told");
                }
                Err(_) => self.counts.event_told("dropped"),
            }
        }
    }

    fn may_tell(&mut self, uid: &str) -> bool {
        let now = Instant::now();
        let (left, at) = self.budgets.entry(String::from(uid)).or_insert((MOST_AT_ONCE, now));
        let passed = now.saturating_duration_since(*at).as_secs_f64() / REFILL.as_secs_f64();
        (*left, *at) = ((*left + passed).min(MOST_AT_ONCE), now);
        let may = *left >= 1.0;
        if may {
            *left -= 1.0;
        }
        may
    }

    async fn write(&mut self, news: &News) -> Result<&'static str, kube::Error> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &news.of.namespace);
        let now = MicroTime(Time::now());
        if let Some(series) = self.told.get_mut(news) {
            let count = series.count.saturating_add(1);
            let told = EventSeries { count, last_observed_time: now };
            let patch = Patch::Merge(json!({ "series": told }));
            match events.patch(&series.name, &PatchParams::default(), &patch).await {
                Ok(_) => {
                    (series.count, series.last) = (count, Instant::now());
                    return Ok("series");
                }
                // It is older than the API server keeps events.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let event = self.event(news);
        let name = event.metadata.name.clone().unwrap_or_default();
        events.create(&PostParams::default(), &event).await?;
        self.told.insert(news.clone(), Series { name, count: 1, last: Instant::now() });
        Ok("created")
    }

    fn event(&self, news: &News) -> Event {
        let now = Time::now();
        // A name of an object is shorter than the longest name of an event by more than that.
        let stem: String = news.of.name.chars().take(220).collect();
        Event {
            metadata: ObjectMeta {
                name: Some(format!(
                    "{}.{:x}",
                    stem.trim_end_matches(['.', '-']),
                    now.as_nanosecond()
                )),
                namespace: Some(news.of.namespace.clone()),
                ..ObjectMeta::default()
            },
            action: Some(String::from(news.action)),
            event_time: Some(MicroTime(now)),
            note: Some(news.note.clone()),
            reason: Some(news.reason.clone()),
            regarding: Some(ObjectReference {
                api_version: Some(news.of.api_version.clone()),
                kind: Some(String::from(news.of.kind)),
                name: Some(news.of.name.clone()),
                namespace: Some(news.of.namespace.clone()),
                uid: Some(news.of.uid.clone()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(String::from(REPORTER)),
            reporting_instance: Some(self.identity.chars().take(128).collect()),
            type_: Some(String::from(if news.is_warning { "Warning" } else { "Normal" })),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cut_between_characters() {
        let note = "ü".repeat(600);
        assert_eq!(shortened(&note), "ü".repeat(512));
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(""), "");
    }
}
