//! The processes of a local target, and what is known of each.

use std::fs::OpenOptions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tracing::{info, warn};
use trimtab_engine::{PodRecord, Readiness, ReadyCondition};
use trimtab_metric::Timestamp;

use super::{LocalReplica, LocalSpec, address};
use crate::target::template::Template;
use crate::target::{Change, TargetStatus};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// All replicas of one target.
pub(super) struct Replicas {
    spec: LocalSpec,
    command: Template,
    wanted: i32,
    /// How many were ever started: the next one's number.
    started: u64,
    all: Vec<Replica>,
    /// After one that ended by itself, none is started before that.
    not_before: Option<Instant>,
    wait: Duration,
    /// Others have the ports, and it was said.
    crowded: bool,
}

struct Replica {
    name: String,
    port: u16,
    child: Child,
    started_at: Timestamp,
    ready: bool,
    ready_since: Timestamp,
    draining_since: Option<Timestamp>,
    /// It was told to end, and is killed then.
    ends_by: Option<Instant>,
}

impl Replicas {
    pub(super) fn new(spec: LocalSpec, command: Template) -> Self {
        let wanted = spec.initial_replicas.unwrap_or(0).max(0);
        let wait = FIRST_WAIT;
        let all = Vec::new();
        Self { spec, command, wanted, started: 0, all, not_before: None, wait, crowded: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many there are ports for.
    pub(super) fn room(&self) -> i32 {
        let (first, last) = self.spec.ports;
        (i32::from(last) - i32::from(first) + 1).max(0)
    }

    fn staying(&self) -> impl Iterator<Item = &Replica> {
        self.all.iter().filter(|replica| replica.ends_by.is_none())
    }

    pub(super) fn list(&self) -> Vec<LocalReplica> {
        let of = |replica: &Replica| LocalReplica {
            name: replica.name.clone(),
            address: address(replica.port),
            is_ready: replica.ready,
            is_draining: replica.draining_since.is_some(),
        };
        self.staying().map(of).collect()
    }

    pub(super) fn status(&self) -> TargetStatus {
        let there = i32::try_from(self.staying().count()).unwrap_or(i32::MAX);
        let pods = self.all.iter().map(Replica::record).collect();
        TargetStatus {
            replicas: self.wanted,
            status_replicas: there,
            pods: Some(pods),
            ..TargetStatus::default()
        }
    }

    /// Takes note of those that have ended, and kills those whose time is up.
    pub(super) fn reap(&mut self, now: Instant) {
        let mut crashed = 0;
        self.all.retain_mut(|replica| {
            let ended = match replica.child.try_wait() {
                Ok(Some(status)) => Some(status.to_string()),
                Ok(None) => None,
                Err(error) => Some(error.to_string()),
            };
            let Some(how) = ended else {
                if replica.ends_by.is_some_and(|by| by <= now) {
                    warn!(target: "trimtab", replica = replica.name, "killed: its grace is over");
                    // It has ended by itself if this fails.
                    let _ended = replica.child.start_kill();
                }
                return true;
            };
            if replica.ends_by.is_none() {
                warn!(target: "trimtab", replica = replica.name, how, "a replica ended by itself");
                crashed += 1;
            }
            false
        });
        if crashed > 0 {
            self.not_before = Some(now + self.wait);
            self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    /// Starts as many as are missing, where there are ports.
    pub(super) fn start_missing(&mut self, now: Instant, time: Timestamp) {
        if self.not_before.is_some_and(|then| now < then) {
            return;
        }
        while i32::try_from(self.staying().count()).is_ok_and(|there| there < self.wanted) {
            let Some(port) = self.free_port() else {
                if !self.crowded {
                    let (first, last) = self.spec.ports;
                    warn!(target: "trimtab", first, last, "no port is free for another replica");
                }
                self.crowded = true;
                return;
            };
            self.crowded = false;
            self.started += 1;
            let name = format!("replica-{}", self.started);
            match self.spawn(&name, port) {
                Ok(child) => {
                    info!(target: "trimtab", replica = name, port, "started");
                    self.all.push(Replica {
                        name,
                        port,
                        child,
                        started_at: time,
                        ready: false,
                        ready_since: time,
                        draining_since: None,
                        ends_by: None,
                    });
                }
                Err(error) => {
                    warn!(target: "trimtab", replica = name, %error, "can't be started");
                    self.not_before = Some(now + self.wait);
                    self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
                    return;
                }
            }
        }
    }

    /// The lowest port that no replica has, nor anybody else: a process that was left over would answer for it.
    fn free_port(&self) -> Option<u16> {
        let (first, last) = self.spec.ports;
        let is_free = |port: u16| {
            self.all.iter().all(|replica| replica.port != port)
                && TcpListener::bind(address(port)).is_ok()
        };
        (first..=last).find(|port| is_free(*port))
    }

    fn spawn(&self, name: &str, port: u16) -> io::Result<Child> {
        let values = [("port", port.to_string()), ("name", String::from(name))];
        let (program, arguments) = self.command.fill(&values);
        let mut command = Command::new(program);
        command.args(arguments).env("PORT", port.to_string()).envs(&self.spec.env);
        command.stdin(Stdio::null()).kill_on_drop(true);
        if let Some(directory) = &self.spec.directory {
            command.current_dir(directory);
        }
        match &self.spec.log_directory {
            Some(directory) => {
                std::fs::create_dir_all(directory)?;
                let path = directory.join(format!("{name}.log"));
                let log = OpenOptions::new().create(true).append(true).open(path)?;
                command.stdout(log.try_clone()?).stderr(log);
            }
            None => {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
        }
        command.spawn()
    }

    /// Whom to ask whether they are ready: name, address and path.
    pub(super) fn probes(&self) -> Vec<(String, SocketAddr, Option<String>)> {
        let probe = |replica: &Replica| {
            (replica.name.clone(), address(replica.port), self.spec.ready_path.clone())
        };
        self.all.iter().map(probe).collect()
    }

    /// Takes note of who answered.
    pub(super) fn note(&mut self, answers: &[(String, bool)], time: Timestamp) {
        for (name, answered) in answers {
            let replica = self.all.iter_mut().find(|replica| replica.name == *name);
            if let Some(replica) = replica.filter(|replica| replica.ready != *answered) {
                replica.ready = *answered;
                replica.ready_since = time;
                if *answered {
                    (self.wait, self.not_before) = (FIRST_WAIT, None);
                }
            }
        }
    }

    /// Carries out a change.
    pub(super) fn apply(&mut self, change: &Change, time: Timestamp, ends_by: Instant) {
        for replica in &mut self.all {
            if change.take_back.contains(&replica.name) {
                replica.draining_since = None;
            } else if change.drain.contains(&replica.name) {
                replica.draining_since = replica.draining_since.or(Some(time));
            }
            if change.retire.contains(&replica.name) {
                replica.end(ends_by);
            }
        }
        self.wanted = change.replicas.max(0);
        let there = i32::try_from(self.staying().count()).unwrap_or(i32::MAX);
        let too_many = usize::try_from(there.saturating_sub(self.wanted)).unwrap_or(0);
        let mut leaving: Vec<&mut Replica> =
            self.all.iter_mut().filter(|replica| replica.ends_by.is_none()).collect();
        leaving.sort_by_key(|replica| {
            (replica.draining_since.is_none(), replica.ready, std::cmp::Reverse(replica.started_at))
        });
        leaving.into_iter().take(too_many).for_each(|replica| replica.end(ends_by));
    }

    /// None is wanted any more.
    pub(super) fn end_all(&mut self, ends_by: Instant) {
        self.wanted = 0;
        self.all.iter_mut().for_each(|replica| replica.end(ends_by));
    }
}

impl Replica {
    /// Tells it to end.
    fn end(&mut self, ends_by: Instant) {
        if self.ends_by.is_some() {
            return;
        }
        self.ends_by = Some(ends_by);
        // One without an id has ended.
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(Err(error)) = id.map(|id| kill_process(id, Signal::TERM)) {
            warn!(target: "trimtab", replica = self.name, %error, "can't be told to end");
        }
    }

    fn record(&self) -> PodRecord {
        let status = if self.ready { Readiness::True } else { Readiness::False };
        PodRecord {
            name: self.name.clone(),
            terminating: self.ends_by.is_some(),
            creation_timestamp: Some(self.started_at),
            start_time: Some(self.started_at),
            ready: Some(ReadyCondition { status, last_transition_time: Some(self.ready_since) }),
            draining_since: self.draining_since,
            ..PodRecord::default()
        }
    }
}
