//! Watches: what happens to objects, as it happens.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::Shared;
use super::faults::{Order, Switches};
use super::kinds::Kind;
use super::list::{Meant, in_form, revision, shown};
use super::request::Asked;
use super::status::{Cause, Status};
use super::store::{Change, Store};
use crate::serve::Body;

/// How often bookmarks come by themselves. Real servers take a minute.
const BOOKMARKS: Duration = Duration::from_secs(10);

struct Watch {
    store: Arc<Store>,
    kind: Kind,
    namespace: String,
    meant: Meant,
    accept: String,
    position: u64,
    bookmarks: bool,
    ready: VecDeque<Value>,
    news: watch::Receiver<u64>,
    orders: broadcast::Receiver<Order>,
    deadline: Instant,
    next_bookmark: Option<Instant>,
    switches: Arc<Mutex<Switches>>,
    over: bool,
}

pub(super) fn watch(shared: &Shared, kind: &Kind, asked: &Asked) -> Result<Response<Body>, Status> {
    let meant = Meant::of(kind, asked)?;
    let switches = shared.faults.switches();
    let initial = initial_events(asked, switches.no_streaming_lists)?;
    let (news, orders) = (shared.store.news(), shared.faults.orders());
    let bookmarks = asked.flag("allowWatchBookmarks");
    let seconds = asked.parameter("timeoutSeconds").parse().unwrap_or(1800);
    let mut watch = Watch {
        store: Arc::clone(&shared.store),
        kind: kind.clone(),
        namespace: if kind.namespaced { asked.logged.namespace.clone() } else { String::new() },
        meant,
        accept: asked.accept.clone(),
        position: 0,
        bookmarks,
        ready: VecDeque::new(),
        news,
        orders,
        deadline: Instant::now() + Duration::from_secs(seconds),
        next_bookmark: (bookmarks && !switches.no_bookmarks).then(|| Instant::now() + BOOKMARKS),
        switches: shared.faults.shared_switches(),
        over: false,
    };
    watch.begin(revision(asked)?, initial, switches.gone_as_status)?;
    let events = stream::unfold(watch, |mut watch| async {
        let event = watch.next().await?;
        Some((event.map(|text| Frame::data(Bytes::from(text))), watch))
    });
    let body = StreamBody::new(events).boxed_unsync();
    Ok(Response::builder().header("content-type", "application/json").body(body).unwrap())
}

/// Whether the watch begins with what there is, and `None` if that is as it was before streamed lists.
fn initial_events(asked: &Asked, refused: bool) -> Result<Option<bool>, Status> {
    let asked_for = asked.parameter("sendInitialEvents");
    let invalid = |field: &str, value: &str, why: &str| {
        let mut cause = Cause::invalid(field, value, why);
        cause.reason = "FieldValueForbidden";
        cause.message = format!("Forbidden: {why}");
        Status::invalid("meta.k8s.io", "ListOptions", "", &[cause])
    };
    if asked_for.is_empty() {
        return Ok(None);
    }
    if refused {
        let why =
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(invalid("sendInitialEvents", asked_for, why));
    }
    if asked.parameter("resourceVersionMatch") != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return Err(invalid("resourceVersionMatch", "", why));
    }
    Ok(Some(asked_for == "true"))
}

impl Watch {
    /// Where it begins: after a version, or with all that there is.
    fn begin(
        &mut self,
        from: Option<u64>,
        initial: Option<bool>,
        gone_as_status: bool,
    ) -> Result<(), Status> {
        let store = Arc::clone(&self.store);
        store.with(|inner| {
            let all = match initial {
                Some(all) => all,
                None => matches!(from, None | Some(0)),
            };
            if all || matches!(from, None | Some(0)) {
                self.position = inner.revision();
            }
            if all {
                for (_, object) in inner.list(&self.kind.stored, &self.namespace) {
                    if self.meant.includes(&object) {
                        self.push("ADDED", &object);
                    }
                }
                if initial == Some(true) && self.bookmarks {
                    self.push_bookmark(true);
                }
                return Ok(());
            }
            let Some(from) = from.filter(|from| *from > 0) else { return Ok(()) };
            if !inner.remembers(from) {
                let message = format!("too old resource version: {from} ({})", inner.compacted());
                let status = Status::expired(&message);
                if gone_as_status {
                    return Err(status);
                }
                self.fail(&status);
            }
            self.position = from;
            Ok(())
        })
    }

    /// The next event as a line, the break of the connection, or the end.
    async fn next(&mut self) -> Option<Result<String, io::Error>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(format!("{event}\n")));
            }
            if self.over {
                return None;
            }
            self.news.mark_unchanged();
            if !self.switches.lock().unwrap().held {
                self.gather();
            }
            if !self.ready.is_empty() {
                continue;
            }
            let bookmark = self.next_bookmark.unwrap_or(self.deadline + BOOKMARKS);
            tokio::select! {
                order = self.orders.recv() => match order {
                    Ok(Order::Expire) => {
                        let message = format!("too old resource version: {}", self.position);
                        self.fail(&Status::expired(&message));
                    }
                    Ok(Order::Bookmark) if self.bookmarks => self.push_bookmark(false),
                    Ok(Order::Break) => {
                        self.over = true;
                        return Some(Err(io::Error::other("broken off")));
                    }
                    Ok(Order::End) => self.over = true,
                    Ok(Order::Bookmark | Order::Look) | Err(_) => {}
                },
                changed = self.news.changed() => self.over = changed.is_err(),
                () = tokio::time::sleep_until(bookmark) => {
                    self.push_bookmark(false);
                    self.next_bookmark = Some(Instant::now() + BOOKMARKS);
                }
                () = tokio::time::sleep_until(self.deadline) => self.over = true,
            }
        }
    }

    /// Takes what happened since.
    fn gather(&mut self) {
        let store = Arc::clone(&self.store);
        store.with(|inner| {
            for change in inner.since(self.position) {
                if change.key.resource == self.kind.stored
                    && (self.namespace.is_empty() || self.namespace == change.key.namespace)
                {
                    self.take(change);
                }
            }
            self.position = self.position.max(inner.revision());
        });
    }

    /// An object that is no longer meant is deleted as far as this watch goes, and is shown as it was before.
    fn take(&mut self, change: &Change) {
        let was = change.before.as_ref().is_some_and(|before| self.meant.includes(before));
        let is = !change.deleted && self.meant.includes(&change.object);
        match (was, is) {
            (true, true) => self.push("MODIFIED", &change.object),
            (false, true) => self.push("ADDED", &change.object),
            (true, false) if change.deleted => self.push("DELETED", &change.object),
            (true, false) => {
                if let Some(before) = &change.before {
                    let mut gone = before.as_ref().clone();
                    gone["metadata"]["resourceVersion"] = change.revision.to_string().into();
                    self.push("DELETED", &gone);
                }
            }
            (false, false) => {}
        }
    }

    fn push(&mut self, event: &str, object: &Value) {
        let object = in_form(shown(&self.kind, object), &self.accept);
        self.ready.push_back(json!({"type": event, "object": object}));
    }

    fn push_bookmark(&mut self, initial_events_end: bool) {
        let mut object = json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": {"resourceVersion": self.position.to_string()},
        });
        if !self.kind.is_custom() && self.kind.kind != "Event" {
            // What the types can't be without.
            super::builtin::complete_bookmark(&self.kind, &mut object);
        }
        if initial_events_end {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = in_form(object, &self.accept);
        self.ready.push_back(json!({"type": "BOOKMARK", "object": object}));
    }

    fn fail(&mut self, status: &Status) {
        self.ready.push_back(json!({"type": "ERROR", "object": status.value()}));
        self.over = true;
    }
}
