//! Objects, their versions and what became of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;

/// Where an object is: the resource that it is stored as, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) resource: Arc<str>,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What became of an object at a version.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    /// When deleted, the last that it was, with the version of the deletion.
    pub(super) object: Arc<Value>,
    pub(super) deleted: bool,
}

/// All objects. Versions are counted over all of them, as etcd does.
pub(super) struct Store {
    inner: Mutex<Inner>,
    news: watch::Sender<u64>,
}

pub(super) struct Inner {
    revision: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    changes: VecDeque<Change>,
    /// What happened up to this version is forgotten.
    compacted: u64,
    identities: u64,
}

/// How many changes are remembered.
const HISTORY: usize = 100_000;

impl Store {
    pub(super) fn new() -> Self {
        let inner = Inner {
            revision: 1,
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            compacted: 0,
            identities: 0,
        };
        Self { inner: Mutex::new(inner), news: watch::Sender::new(1) }
    }

    /// Reads and writes without anybody else in between.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.lock().unwrap();
        let result = act(&mut inner);
        let revision = inner.revision;
        drop(inner);
        self.news.send_if_modified(|last| std::mem::replace(last, revision) != revision);
        result
    }

    /// Tells of every change.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Forgets what happened so far, as a server does that begins anew: the newest version is known still.
    pub(super) fn forget(&self) {
        self.with(|inner| {
            inner.compacted = inner.revision;
            inner.changes.clear();
        });
    }

    /// Forgets what happened so far. A version is made of its own, so that whoever has the newest has none too old.
    pub(super) fn compact(&self) {
        self.with(|inner| {
            inner.revision += 1;
            inner.compacted = inner.revision;
            inner.changes.clear();
        });
    }
}

impl Inner {
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether nothing that happened after a version is forgotten.
    pub(super) fn remembers(&self, revision: u64) -> bool {
        revision >= self.compacted
    }

    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).cloned()
    }

    /// The objects of a resource, in one namespace or in all, by namespace and name.
    pub(super) fn list(&self, resource: &Arc<str>, namespace: &str) -> Vec<(Key, Arc<Value>)> {
        let first = Key {
            resource: Arc::clone(resource),
            namespace: namespace.into(),
            name: String::new(),
        };
        let meant = |key: &Key| {
            key.resource == *resource && (namespace.is_empty() || key.namespace == namespace)
        };
        let found = self.objects.range(first..).take_while(|(key, _)| meant(key));
        found.map(|(key, object)| (key.clone(), Arc::clone(object))).collect()
    }

    /// Stores an object at a new version, which it is given.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.note(key, before, Arc::clone(&object), false);
        object
    }

    /// Removes an object. It is given the version of that.
    pub(super) fn remove(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let before = self.objects.remove(&key);
        let object = Arc::new(object);
        self.note(key, before, Arc::clone(&object), true);
        object
    }

    fn note(&mut self, key: Key, before: Option<Arc<Value>>, object: Arc<Value>, deleted: bool) {
        self.changes.push_back(Change { revision: self.revision, key, before, object, deleted });
        if self.changes.len() > HISTORY
            && let Some(forgotten) = self.changes.pop_front()
        {
            self.compacted = forgotten.revision;
        }
    }

    /// What happened after a version.
    pub(super) fn since(&self, revision: u64) -> impl Iterator<Item = &Change> {
        let first = self.changes.partition_point(|change| change.revision <= revision);
        self.changes.range(first..)
    }

    /// A new identity, in the form of a UUID.
    pub(super) fn identity(&mut self) -> String {
        self.identities += 1;
        let mut state = self.identities.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            state ^= state >> 30;
            state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state ^= state >> 27;
            state
        };
        let (high, low) = (next(), next());
        let third = (high & 0x0fff) | 0x4000;
        let fourth = ((low >> 48) & 0x3fff) | 0x8000;
        let (first, second) = (high >> 32, (high >> 16) & 0xffff);
        format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{:012x}", low & 0xffff_ffff_ffff)
    }

    /// A version of the history of objects as it was, for lists at exactly that version.
    pub(super) fn list_at(
        &self,
        resource: &Arc<str>,
        namespace: &str,
        revision: u64,
    ) -> Vec<(Key, Arc<Value>)> {
        let mut then: BTreeMap<Key, Arc<Value>> =
            self.list(resource, namespace).into_iter().collect();
        let meant = |key: &Key| {
            key.resource == *resource && (namespace.is_empty() || key.namespace == namespace)
        };
        let changes: Vec<&Change> =
            self.since(revision).filter(|change| meant(&change.key)).collect();
        for change in changes.into_iter().rev() {
            match &change.before {
                Some(before) => then.insert(change.key.clone(), Arc::clone(before)),
                None => then.remove(&change.key),
            };
        }
        then.into_iter().collect()
    }
}
