//! What goes wrong on demand, and who asked for what.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::request::Asked;
use super::status::{Status, qualified};
use super::store::Store;

/// Requests that something happens to. Without a word about something, any.
///
/// ```
/// use trimtab_apiserver::Rule;
///
/// let writes_of_scales = Rule::any().verb("update").verb("patch").resource("deployments.apps/scale");
/// # drop(writes_of_scales);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rule {
    verbs: Vec<String>,
    resources: Vec<String>,
    namespace: Option<String>,
    name: Option<String>,
    user: Option<String>,
}

impl Rule {
    /// Every request, those for the discovery among them.
    pub fn any() -> Self {
        Self::default()
    }

    /// Of this verb, as RBAC names them (`list`, `watch`, `patch`), or one named before.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Self {
        self.verbs.push(verb.into());
        self
    }

    /// About this resource (`pods`, `deployments.apps/scale`), or one named before.
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// In this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// About the object of this name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// By this user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }

    fn covers(&self, request: &Logged) -> bool {
        let any = |wanted: &[String], is: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted == is)
        };
        let same =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        any(&self.verbs, &request.verb)
            && any(&self.resources, &request.full_resource())
            && same(&self.namespace, &request.namespace)
            && same(&self.name, &request.name)
            && same(&self.user, &request.user)
    }
}

/// A request that came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Logged {
    /// As RBAC names it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`.
    pub verb: String,
    /// The API's group; empty for that of pods and for requests that are not about resources.
    pub group: String,
    /// The API's version.
    pub version: String,
    /// The resource in the plural; empty for requests that are not about resources.
    pub resource: String,
    /// Such as `scale`.
    pub subresource: String,
    /// The namespace, if one was named.
    pub namespace: String,
    /// The object, if one was named.
    pub name: String,
    /// The path.
    pub path: String,
    /// What stood behind the question mark.
    pub query: String,
    /// What kind of patch it was, such as `application/apply-patch+yaml`.
    pub content_type: String,
    /// Who asked.
    pub user: String,
    /// When it came.
    pub at: Option<Instant>,
}

impl Logged {
    /// Such as `deployments.apps/scale`.
    pub fn full_resource(&self) -> String {
        let resource = qualified(&self.group, &self.resource);
        if self.subresource.is_empty() {
            resource
        } else {
            format!("{resource}/{}", self.subresource)
        }
    }
}

/// What goes wrong with a server in process, and the log of its requests.
///
/// Faults that are said to come a number of times come to so many requests that the rule covers,
/// the first that was ordered before others. [`Faults::ALWAYS`] is until [`Faults::clear`].
pub struct Faults {
    planned: Mutex<Vec<Planned>>,
    log: Mutex<Vec<Logged>>,
    switches: Arc<Mutex<Switches>>,
    orders: broadcast::Sender<Order>,
    store: Arc<Store>,
}

struct Planned {
    rule: Rule,
    effect: Effect,
    left: u32,
}

#[derive(Clone, Debug)]
enum Effect {
    Delay(Duration),
    Answer(Failure),
    BreakOff,
    LoseAnswer,
}

#[derive(Clone, Debug)]
enum Failure {
    TooMany(u64),
    Forbidden,
    Conflict,
    Code(u16),
}

/// How the server behaves for everybody.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Switches {
    pub(super) no_streaming_lists: bool,
    pub(super) gone_as_status: bool,
    pub(super) no_bookmarks: bool,
    pub(super) held: bool,
}

/// Something that happens to the watches that are open.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Expire,
    End,
    Break,
    Bookmark,
    /// They are held, or no more.
    Look,
}

/// What happens to one request.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) answer: Option<Status>,
    pub(super) break_off: bool,
    pub(super) lose_answer: bool,
}

impl Faults {
    /// Until it is [cleared](Self::clear).
    pub const ALWAYS: u32 = u32::MAX;

    pub(super) fn new(store: Arc<Store>) -> Self {
        Self {
            planned: Mutex::default(),
            log: Mutex::default(),
            switches: Arc::default(),
            orders: broadcast::channel(64).0,
            store,
        }
    }

    /// Ends all faults that were ordered, and keeps the log.
    pub fn clear(&self) {
        self.planned.lock().unwrap().clear();
        *self.switches.lock().unwrap() = Switches::default();
        let _ = self.orders.send(Order::Look);
    }

    /// Forgets the history, and tells all watches that theirs is gone (410): they have to list
    /// again.
    pub fn expire_watches(&self) {
        self.store.compact();
        let _ = self.orders.send(Order::Expire);
    }

    /// Forgets the history: watches go on, but one that begins at a version before now is told that
    /// it is gone.
    pub fn compact(&self) {
        self.store.compact();
    }

    /// Whether a watch that begins too early is answered with the status 410, rather than with 200
    /// and an event that says so, which is what servers do since long. `kube`'s watcher begins anew
    /// after the event only: after the status it asks for the same version for ever.
    pub fn gone_as_status(&self, yes: bool) {
        self.switches.lock().unwrap().gone_as_status = yes;
    }

    /// Whether lists as streams (`sendInitialEvents`) are refused, as servers before 1.32 do.
    pub fn no_streaming_lists(&self, yes: bool) {
        self.switches.lock().unwrap().no_streaming_lists = yes;
    }

    /// Whether there are no bookmarks by themselves.
    pub fn no_bookmarks(&self, yes: bool) {
        self.switches.lock().unwrap().no_bookmarks = yes;
    }

    /// Sends a bookmark now to all watches that allow it.
    pub fn bookmark(&self) {
        let _ = self.orders.send(Order::Bookmark);
    }

    /// Breaks the connections of all watches in the middle.
    pub fn drop_watches(&self) {
        let _ = self.orders.send(Order::Break);
    }

    /// Ends all watches in good order, as at their timeout.
    pub fn end_watches(&self) {
        let _ = self.orders.send(Order::End);
    }

    /// Whether watches are silent, so that whoever watches knows only what was before. When that
    /// ends, they tell what happened in the meantime.
    pub fn hold_watches(&self, yes: bool) {
        self.switches.lock().unwrap().held = yes;
        let _ = self.orders.send(Order::Look);
    }

    /// How many watches are open.
    pub fn open_watches(&self) -> usize {
        self.orders.receiver_count()
    }

    /// Answers with 429 and when to come again.
    pub fn too_many_requests(&self, rule: Rule, times: u32, retry_after: Duration) {
        let seconds = retry_after.as_secs();
        self.plan(rule, times, Effect::Answer(Failure::TooMany(seconds)));
    }

    /// Answers that it is forbidden, as if RBAC did not allow it.
    pub fn forbid(&self, rule: Rule) {
        self.plan(rule, Self::ALWAYS, Effect::Answer(Failure::Forbidden));
    }

    /// Answers that somebody else wrote it since, 409.
    pub fn conflict(&self, rule: Rule, times: u32) {
        self.plan(rule, times, Effect::Answer(Failure::Conflict));
    }

    /// Answers with a code, such as 500 or 503.
    pub fn fail(&self, rule: Rule, times: u32, code: u16) {
        self.plan(rule, times, Effect::Answer(Failure::Code(code)));
    }

    /// Lets it wait, and then goes on.
    pub fn delay(&self, rule: Rule, times: u32, time: Duration) {
        self.plan(rule, times, Effect::Delay(time));
    }

    /// Closes the connection without an answer, and does nothing.
    pub fn break_off(&self, rule: Rule, times: u32) {
        self.plan(rule, times, Effect::BreakOff);
    }

    /// Does it, and closes the connection without an answer.
    pub fn lose_answer(&self, rule: Rule, times: u32) {
        self.plan(rule, times, Effect::LoseAnswer);
    }

    /// The requests that came in so far, in order.
    pub fn log(&self) -> Vec<Logged> {
        self.log.lock().unwrap().clone()
    }

    /// Those of one user.
    pub fn log_of(&self, user: &str) -> Vec<Logged> {
        self.log().into_iter().filter(|request| request.user == user).collect()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.log.lock().unwrap().clear();
    }

    fn plan(&self, rule: Rule, times: u32, effect: Effect) {
        self.planned.lock().unwrap().push(Planned { rule, effect, left: times });
    }

    pub(super) fn switches(&self) -> Switches {
        *self.switches.lock().unwrap()
    }

    pub(super) fn shared_switches(&self) -> Arc<Mutex<Switches>> {
        Arc::clone(&self.switches)
    }

    pub(super) fn orders(&self) -> broadcast::Receiver<Order> {
        self.orders.subscribe()
    }

    /// Notes a request, and says what happens to it.
    pub(super) fn meet(&self, asked: &Asked) -> Fate {
        let request = &asked.logged;
        let came = Logged { at: Some(Instant::now()), ..request.clone() };
        self.log.lock().unwrap().push(came);
        let mut fate = Fate::default();
        let mut planned = self.planned.lock().unwrap();
        for plan in planned.iter_mut().filter(|plan| plan.left > 0 && plan.rule.covers(request)) {
            match &plan.effect {
                Effect::Delay(time) => fate.delay += *time,
                // One answer is enough, and the next is for the next request.
                _ if fate.answer.is_some() || fate.break_off => continue,
                Effect::Answer(failure) => fate.answer = Some(failure.status(request)),
                Effect::BreakOff => fate.break_off = true,
                Effect::LoseAnswer => fate.lose_answer = true,
            }
            if plan.left != Self::ALWAYS {
                plan.left -= 1;
            }
        }
        planned.retain(|plan| plan.left > 0);
        fate
    }
}

impl Failure {
    fn status(&self, request: &Logged) -> Status {
        match self {
            Self::TooMany(seconds) => {
                let why = "Too many requests, please try again later.";
                Status::of(429, why).with_retry_after(*seconds)
            }
            Self::Forbidden => super::access::denied(request),
            Self::Conflict => Status::stale(&request.group, &request.resource, &request.name),
            Self::Code(code @ (503 | 504)) => {
                Status::of(*code, "the server is currently unable to handle the request")
            }
            Self::Code(code) => {
                Status::of(*code, "an error on the server has been ordered by a test")
            }
        }
    }
}
