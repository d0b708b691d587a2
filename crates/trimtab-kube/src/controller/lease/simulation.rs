//! Never two at a time: several replicas with faulty clocks and a slow API server, over simulated time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::api::Backend;
use super::claim::{Answer, Record, Write};
use super::shards::{Key, Request};
use super::{LeaseChange, LeaseSettings, Leases, Moment, Moments, TermFence};
use crate::controller::metrics::KubeCounts;
use crate::target::Fence;

const MINUTE: Duration = Duration::from_secs(60);

/// Leases, as an API server keeps them.
#[derive(Default)]
struct Server {
    leases: Mutex<(u64, BTreeMap<Key, Record>)>,
}

impl Server {
    fn write(&self, key: &Key, write: &Write, shards: u32, duration: Duration) -> Answer {
        let mut leases = self.leases.lock().unwrap();
        let (last, leases) = &mut *leases;
        let version = leases.get(key).map(|record| record.version.clone());
        if version != write.replaces.as_ref().map(|record| record.version.clone()) {
            return Answer::Conflict;
        }
        *last += 1;
        let record = Record {
            version: last.to_string(),
            holder: write.holder.clone(),
            transitions: write.transitions,
            duration,
            acquired: None,
            shards,
        };
        leases.insert(*key, record.clone());
        Answer::Done(record)
    }
}

/// Draws numbers, the same for the same seed.
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let drawn = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (drawn ^ (drawn >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 32)) % sides
    }
}

/// What befalls a replica, and how its clocks go.
struct Fate {
    start: Instant,
    /// It does nothing before that.
    paused_until: Mutex<Instant>,
    /// How long its steady clock has stood still.
    stood_still: Mutex<Duration>,
    /// How far its wall clock is ahead.
    ahead: Mutex<Duration>,
}

impl Fate {
    fn new() -> Arc<Self> {
        let now = Instant::now();
        let ahead = Mutex::new(Duration::from_secs(1_000_000));
        Arc::new(Self {
            start: now,
            paused_until: Mutex::new(now),
            stood_still: Mutex::default(),
            ahead,
        })
    }

    fn is_paused(&self) -> bool {
        *self.paused_until.lock().unwrap() > Instant::now()
    }

    async fn go_on(&self) {
        loop {
            let until = *self.paused_until.lock().unwrap();
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

impl Moments for Fate {
    fn now(&self) -> Moment {
        let passed = self.start.elapsed();
        let steady = passed.saturating_sub(*self.stood_still.lock().unwrap());
        Moment { steady, wall: passed + *self.ahead.lock().unwrap() }
    }
}

/// A replica's way to the server.
struct Line {
    server: Arc<Server>,
    fate: Arc<Fate>,
    dice: Arc<Dice>,
    settings: LeaseSettings,
    /// Of 100 requests, so many are lost, on the way there or back.
    lost: Arc<AtomicU64>,
    /// Each way takes up to so many milliseconds.
    slowest: Arc<AtomicU64>,
}

impl Line {
    async fn way(&self) {
        sleep(Duration::from_millis(self.dice.roll(self.slowest.load(Ordering::Relaxed)))).await;
    }

    fn is_lost(&self) -> bool {
        self.dice.roll(100) < self.lost.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Backend for Line {
    async fn list(&self) -> Result<BTreeMap<Key, Record>, String> {
        self.fate.go_on().await;
        let look = async {
            self.way().await;
            let leases = self.server.leases.lock().unwrap().1.clone();
            self.way().await;
            leases
        };
        let seen = timeout(self.settings.request_timeout, look).await;
        self.fate.go_on().await;
        if self.is_lost() { Err(String::from("lost")) } else { seen.map_err(|e| e.to_string()) }
    }

    async fn send(&self, request: &Request) -> (Answer, Option<String>) {
        self.fate.go_on().await;
        if self.is_lost() {
            sleep(self.settings.request_timeout).await;
            return (Answer::Failed, None);
        }
        let (server, request) = (Arc::clone(&self.server), request.clone());
        let there = Duration::from_millis(self.dice.roll(self.slowest.load(Ordering::Relaxed)));
        let (shards, duration) = (self.settings.shards, self.settings.duration);
        // Who sent it may have given up: it is done all the same.
        let done = tokio::spawn(async move {
            sleep(there).await;
            let Request(key, write) = &request;
            server.write(key, write, shards, duration)
        });
        let answer = timeout(self.settings.request_timeout, async {
            let answer = done.await.unwrap();
            self.way().await;
            answer
        });
        let answer = answer.await.unwrap_or(Answer::Failed);
        self.fate.go_on().await;
        (if self.is_lost() { Answer::Failed } else { answer }, None)
    }
}

type Fences = Arc<Mutex<BTreeMap<u32, TermFence>>>;

struct Replica {
    fate: Arc<Fate>,
    fences: Fences,
    lost: Arc<AtomicU64>,
    slowest: Arc<AtomicU64>,
    end: CancellationToken,
}

impl Replica {
    fn start(
        server: &Arc<Server>,
        dice: &Arc<Dice>,
        number: usize,
        shards: u32,
        slow: u64,
    ) -> Self {
        let settings = LeaseSettings {
            identity: format!("replica-{number}"),
            shards,
            ..LeaseSettings::default()
        };
        let (fate, lost) = (Fate::new(), Arc::new(AtomicU64::new(0)));
        let slowest = Arc::new(AtomicU64::new(slow));
        let line = Line {
            server: Arc::clone(server),
            fate: Arc::clone(&fate),
            dice: Arc::clone(dice),
            settings: settings.clone(),
            lost: Arc::clone(&lost),
            slowest: Arc::clone(&slowest),
        };
        let leases = Arc::new(Leases::new(
            Arc::new(line),
            &settings,
            Arc::clone(&fate) as Arc<dyn Moments>,
            Arc::new(KubeCounts::default()),
        ));
        let fences = Fences::default();
        let end = CancellationToken::new();
        let (changes, mut heard) = mpsc::unbounded_channel();
        let (driver, kept) = (Arc::clone(&leases), Arc::clone(&fences));
        let (stop, ends) = (end.clone(), end.clone());
        tokio::spawn(async move { driver.drive(changes, stop, ends).await });
        tokio::spawn(async move {
            while let Some(change) = heard.recv().await {
                let mut kept = kept.lock().unwrap();
                match change {
                    LeaseChange::Gained(shard, fence) => drop(kept.insert(shard, fence)),
                    LeaseChange::Lost(shard) => drop(kept.remove(&shard)),
                    LeaseChange::Leave(shard, term) => {
                        kept.remove(&shard);
                        leases.give_back(shard, term);
                    }
                }
            }
        });
        Self { fate, fences, lost, slowest, end }
    }

    /// Those of its shards that it may write.
    fn owns(&self) -> Vec<u32> {
        if self.fate.is_paused() {
            return Vec::new();
        }
        let fences = self.fences.lock().unwrap();
        fences.iter().filter(|(_, fence)| fence.may_write()).map(|(shard, _)| *shard).collect()
    }
}

#[derive(Clone, Debug)]
enum Trouble {
    /// A process is stopped, and goes on.
    Stopped { seconds: u64 },
    /// A virtual machine is stopped: its steady clock stands still, its wall clock is set when it goes on.
    Frozen { seconds: u64 },
    /// The wall clock is set.
    ClockSet { ahead: u64 },
    /// So many of 100 requests are lost.
    Lossy { share: u64 },
    /// It is ended, and another one starts.
    Restarted,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        (1_u64..60).prop_map(|seconds| Trouble::Stopped { seconds }),
        (1_u64..60).prop_map(|seconds| Trouble::Frozen { seconds }),
        (0_u64..2_000_000).prop_map(|ahead| Trouble::ClockSet { ahead }),
        prop_oneof![Just(0), Just(100), 0_u64..60].prop_map(|share| Trouble::Lossy { share }),
        Just(Trouble::Restarted),
    ]
}

/// All that goes on, with a look at who owns what every 50 ms.
async fn simulate(
    seed: u64,
    replicas: usize,
    shards: Vec<u32>,
    slow: u64,
    troubles: Vec<(u64, usize, Trouble)>,
) {
    let (server, dice) = (Arc::new(Server::default()), Arc::new(Dice(AtomicU64::new(seed))));
    let shards_of = |number: usize| shards[number % shards.len()];
    let start = |number| Replica::start(&server, &dice, number, shards_of(number), slow);
    let mut running: Vec<Replica> = (0..replicas).map(start).collect();
    let mut next = replicas;
    for (wait, who, trouble) in troubles {
        watch(&running, &shards, Duration::from_millis(wait)).await;
        let count = running.len();
        let replica = &mut running[who % count];
        match trouble {
            Trouble::Stopped { seconds } => {
                *replica.fate.paused_until.lock().unwrap() =
                    Instant::now() + Duration::from_secs(seconds);
            }
            Trouble::Frozen { seconds } if !replica.fate.is_paused() => {
                let span = Duration::from_secs(seconds);
                *replica.fate.paused_until.lock().unwrap() = Instant::now() + span;
                *replica.fate.stood_still.lock().unwrap() += span;
            }
            Trouble::Frozen { .. } => {}
            // A machine whose clocks both are wrong when it goes on can't know how long it was away.
            Trouble::ClockSet { .. } if replica.fate.is_paused() => {}
            Trouble::ClockSet { ahead } => {
                replica.owns();
                *replica.fate.ahead.lock().unwrap() = Duration::from_secs(ahead);
            }
            Trouble::Lossy { share } => replica.lost.store(share, Ordering::Relaxed),
            Trouble::Restarted => {
                replica.end.cancel();
                let number = next - next % shards.len() + (who % count) % shards.len();
                next += shards.len();
                *replica = start(number);
            }
        }
    }
    // All is well again: each shard finds one who has it, and nobody has more than a share.
    for replica in &running {
        replica.lost.store(0, Ordering::Relaxed);
        replica.slowest.store(20, Ordering::Relaxed);
    }
    watch(&running, &shards, 3 * MINUTE).await;
    if shards.len() == 1 {
        let owns: Vec<Vec<u32>> = running.iter().map(Replica::owns).collect();
        let mut all: Vec<u32> = owns.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..shards[0]).collect::<Vec<_>>(), "{owns:?}");
        let most = super::balance::most(shards[0], running.len());
        assert!(owns.iter().all(|owns| owns.len() <= most), "{owns:?}");
    }
}

async fn watch(running: &[Replica], shards: &[u32], span: Duration) {
    let until = Instant::now() + span;
    while Instant::now() < until {
        let owns: Vec<Vec<u32>> = running.iter().map(Replica::owns).collect();
        if shards.len() == 1 {
            for shard in 0..shards[0] {
                let owners = owns.iter().filter(|owns| owns.contains(&shard)).count();
                assert!(owners <= 1, "shard {shard} at {:?}: {owns:?}", Instant::now());
            }
        } else {
            // Those who divide policies differently have no shard at the same time.
            let kinds: std::collections::BTreeSet<usize> = owns
                .iter()
                .enumerate()
                .filter(|(_, owns)| !owns.is_empty())
                .map(|(number, _)| number % shards.len())
                .collect();
            assert!(kinds.len() <= 1, "{owns:?}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn run(simulation: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(simulation);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_shard_never_has_two_owners(
        seed in any::<u64>(),
        replicas in 1_usize..4,
        shards in prop_oneof![Just(1_u32), 2_u32..7],
        slow in prop_oneof![Just(20_u64), Just(800), Just(4000)],
        troubles in prop::collection::vec((0_u64..20_000, 0_usize..4, trouble()), 0..14),
    ) {
        run(simulate(seed, replicas, vec![shards], slow, troubles));
    }

    #[test]
    fn those_with_other_numbers_of_shards_wait_for_each_other(
        seed in any::<u64>(),
        slow in prop_oneof![Just(20_u64), Just(800)],
        troubles in prop::collection::vec((0_u64..20_000, 0_usize..4, trouble()), 0..10),
    ) {
        run(simulate(seed, 4, vec![1, 4], slow, troubles));
    }
}

#[test]
fn who_stands_by_takes_over_within_two_seconds_of_a_release() {
    run(async {
        let (server, dice) = (Arc::new(Server::default()), Arc::new(Dice(AtomicU64::new(1))));
        let first = Replica::start(&server, &dice, 0, 1, 20);
        sleep(Duration::from_secs(5)).await;
        let second = Replica::start(&server, &dice, 1, 1, 20);
        sleep(Duration::from_secs(30)).await;
        assert_eq!((first.owns(), second.owns()), (vec![0], vec![]));
        first.end.cancel();
        sleep(Duration::from_secs(2)).await;
        assert_eq!((first.owns(), second.owns()), (vec![], vec![0]));
    });
}

#[test]
fn a_dead_holder_is_waited_for_and_no_longer() {
    run(async {
        let (server, dice) = (Arc::new(Server::default()), Arc::new(Dice(AtomicU64::new(1))));
        let first = Replica::start(&server, &dice, 0, 1, 20);
        let second = Replica::start(&server, &dice, 1, 1, 20);
        sleep(Duration::from_secs(5)).await;
        let (holder, other) =
            if first.owns().is_empty() { (&second, &first) } else { (&first, &second) };
        *holder.fate.paused_until.lock().unwrap() = Instant::now() + Duration::from_secs(3600);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(other.owns(), Vec::<u32>::new());
        sleep(Duration::from_secs(8)).await;
        assert_eq!(other.owns(), vec![0]);
        // It wakes, and knows that its time is over before it has asked anybody.
        *holder.fate.paused_until.lock().unwrap() = Instant::now();
        assert_eq!(holder.owns(), Vec::<u32>::new());
    });
}
