//! The fleet: requests come in and go to replicas, whose servers and nodes make things happen.

mod lifecycle;
mod plan;
mod told;

use std::collections::VecDeque;

use trimtab_engine::{PodPhase, Policy};

use super::Simulated;
use super::agenda::Agenda;
use super::course::Counts;
use super::gateway::{Admission, Gateway};
use super::recorder::Recorder;
use super::replica::{Replica, State};
use super::tournament::Tournament;
use crate::cluster::Cluster;
use crate::metrics::{GatewayExporter, Gauges, PodView, Scraper, ServiceLoad};
use crate::supply::{NodeId, PoolUse, PoolView, Supply, SupplyEvent};
use crate::{Moment, Request, Server, ServiceProfile};
pub(super) use plan::Orders;
use told::Told;

/// The simulated workload on its cluster.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    profile: &'a ServiceProfile,
    cluster: &'a Cluster,
    slots: Vec<Option<Replica>>,
    free: Vec<usize>,
    created: u64,
    counts: Counts,
    /// How many the warm pool should have.
    pool_size: u32,
    /// The policy says what comes from the warm pool and goes to it.
    pool_by_policy: bool,
    /// The policy says who drains and who goes.
    retires_by_policy: bool,
    orders: VecDeque<Orders>,
    supply: Supply,
    happened: Vec<SupplyEvent>,
    gateway: Gateway,
    gateway_exporter: GatewayExporter,
    /// When something happens next in the server in each slot.
    schedule: Tournament<Moment>,
    pub(super) agenda: Agenda,
    pub(super) scraper: Scraper,
    pub(super) recorder: Recorder,
}

impl<'a> Fleet<'a> {
    /// A fleet with so many ready replicas, and its warm pool filled.
    pub(super) fn new(
        profile: &'a ServiceProfile,
        cluster: &'a Cluster,
        seed: u64,
        replicas: u32,
        policy: &Policy,
        recorder: Recorder,
    ) -> Self {
        let mut fleet = Self {
            profile,
            cluster,
            slots: Vec::new(),
            free: Vec::new(),
            created: 0,
            counts: Counts { wanted: replicas, ..Counts::default() },
            pool_size: cluster.warm_pool().size,
            pool_by_policy: policy.warm_pool().is_some(),
            retires_by_policy: policy.retire().is_some(),
            orders: VecDeque::new(),
            supply: Supply::new(cluster, profile, seed),
            happened: Vec::new(),
            gateway: Gateway::new(*cluster.gateway()),
            gateway_exporter: GatewayExporter::new(),
            schedule: Tournament::new(Moment::NEVER),
            agenda: Agenda::default(),
            scraper: Scraper::new(cluster.metrics(), seed),
            recorder,
        };
        let standing = (0..replicas).map(|_| false);
        for for_warm_pool in standing.chain((0..cluster.warm_pool().size).map(|_| true)) {
            let slot = fleet.create(Moment::START, for_warm_pool);
            if let Some(placement) = fleet.supply.place_running(Moment::START) {
                fleet.put_on(Moment::START, slot, placement.node);
                fleet.started(Moment::START, slot);
            }
        }
        fleet.note_counts(Moment::START);
        fleet
    }

    /// When the next thing happens in the fleet or to its nodes, apart from the agenda.
    pub(super) fn next_event(&self) -> Moment {
        self.schedule.least().min(self.supply.next_event())
    }

    /// Lets that happen.
    pub(super) fn advance(&mut self) {
        let (server, supply) = (self.schedule.least(), self.supply.next_event());
        if server <= supply {
            self.advance_server(server);
        } else {
            self.advance_supply(supply);
        }
    }

    /// Takes a request from outside.
    pub(super) fn arrive(&mut self, request: Request) {
        let now = request.arrival;
        self.recorder.arrival(now);
        self.gateway_exporter.on_arrival();
        if !Server::fits(self.profile, &request) {
            return self.reject(1);
        }
        self.expire(now);
        match self.gateway.admit(request) {
            Admission::To(slot) => self.submit(now, slot, request),
            Admission::Waits => {}
            Admission::Rejected => self.reject(1),
        }
    }

    /// The counts that were asked for take effect.
    pub(super) fn scale_to(&mut self, now: Moment, replicas: u32) {
        self.counts.wanted = replicas;
        self.reconcile(now);
    }

    /// A start or a promotion has ended, if that replica is still there.
    pub(super) fn start_ended(&mut self, now: Moment, slot: usize, number: u64) {
        if self.is(slot, number) {
            self.started(now, slot);
        }
    }

    /// A draining replica has to be gone now, if it is still there.
    pub(super) fn drain_ended(&mut self, now: Moment, slot: usize, number: u64) {
        if self.is(slot, number) {
            self.retire(now, slot);
        }
    }

    /// Reads the metrics of everything that can be read.
    pub(super) fn scrape(&mut self, now: Moment) {
        self.expire(now);
        let mut waiting = self.gateway.waiting();
        self.scraper.scrape_gateway(now, &self.gateway_exporter, waiting);
        for replica in self.slots.iter_mut().flatten() {
            if !matches!(replica.state, State::Ready | State::Draining) {
                continue;
            }
            let load = replica.server.load(now);
            waiting += load.waiting;
            replica.export_busy(now);
            let gauges =
                Gauges { running: load.running, waiting: load.waiting, kv_used: load.kv_used };
            self.scraper.scrape(now, replica.number, &replica.exporter, gauges);
        }
        self.recorder.queue(now, waiting);
    }

    /// The load of the service as it is.
    pub(super) fn load(&mut self, now: Moment) -> ServiceLoad {
        self.expire(now);
        let waiting = self.gateway.waiting();
        let arrived = self.gateway_exporter.arrived();
        let serving = self.slots.iter().flatten().map(|replica| replica.server.load(now));
        serving.fold(ServiceLoad { running: 0, waiting, arrived }, |sum, load| ServiceLoad {
            running: sum.running + load.running,
            waiting: sum.waiting + load.waiting,
            ..sum
        })
    }

    /// Requests that have waited too long are turned away.
    fn expire(&mut self, now: Moment) {
        let expired = self.gateway.expire(now);
        if expired > 0 {
            self.reject(expired);
        }
    }

    /// The pods as the control plane sees them, in the order of their creation, and where they run if asked.
    pub(super) fn pods(&self, with_nodes: bool) -> Vec<PodView> {
        let present = self.slots.iter().flatten().filter(|replica| !replica.for_warm_pool);
        let is_told = |replica: &Replica| {
            replica.state == State::Draining && replica.draining_since.is_some()
        };
        let pool_of = |node: NodeId| Some((node, self.supply.pool_of(node)?));
        let mut pods: Vec<PodView> = present
            .map(|replica| PodView {
                id: replica.number,
                phase: match replica.state {
                    State::Pending => PodPhase::Pending,
                    _ => PodPhase::Running,
                },
                start_time: replica.placed,
                ready: replica.state == State::Ready || is_told(replica),
                ready_since: replica.ready_since,
                terminating: replica.state == State::Draining && !is_told(replica),
                in_flight: self.retires_by_policy.then(|| replica.server.in_flight()),
                draining_since: replica.draining_since,
                created: replica.created,
                node: replica.node.filter(|_| with_nodes).and_then(pool_of),
            })
            .collect();
        pods.sort_unstable_by_key(|pod| pod.id);
        pods
    }

    /// What the node pools have, in the cluster's order.
    pub(super) fn pool_views(&self, now: Moment) -> Vec<PoolView<'_>> {
        self.supply.pool_views(now)
    }

    /// Whether some request is still on its way.
    pub(super) fn is_serving(&self) -> bool {
        self.gateway.waiting() > 0 || self.schedule.least() < Moment::NEVER
    }

    /// What the nodes have been used for.
    pub(super) fn pool_use(&self, now: Moment) -> Vec<PoolUse> {
        self.supply.usage(now)
    }

    /// Ends everything: what still waits or runs is cut.
    pub(super) fn finish(mut self, now: Moment) -> Simulated {
        self.expire(now);
        self.recorder.requests.cut += self.gateway.clear();
        for slot in 0..self.slots.len() {
            if self.replica(slot).is_some() {
                self.retire(now, slot);
            }
        }
        self.recorder.finish(now, self.supply.usage(now))
    }

    fn reject(&mut self, count: u64) {
        self.recorder.requests.rejected += count;
        for _ in 0..count {
            self.gateway_exporter.on_rejection();
        }
    }

    fn submit(&mut self, now: Moment, slot: usize, request: Request) {
        let Some(replica) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        replica.exporter.on_arrival();
        replica.server.submit(now, request);
        self.schedule.set(slot, replica.server.next_event());
    }

    /// What waits at the gateway goes to the replicas that have room.
    fn dispatch(&mut self, now: Moment) {
        self.expire(now);
        while let Some((slot, request)) = self.gateway.dispatch() {
            self.submit(now, slot, request);
        }
    }

    fn advance_server(&mut self, now: Moment) {
        let slot = self.schedule.first();
        let Some(replica) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return self.schedule.set(slot, Moment::NEVER);
        };
        let mut told = Told {
            recorder: &mut self.recorder,
            exporter: &mut replica.exporter,
            gateway_exporter: &mut self.gateway_exporter,
            finished: 0,
        };
        replica.server.advance(&mut told);
        let finished = told.finished;
        self.schedule.set(slot, replica.server.next_event());
        if finished == 0 {
            return;
        }
        if replica.state == State::Draining {
            // One that drains by a plan waits for the plan to say that it goes.
            if replica.server.in_flight() == 0 && replica.draining_since.is_none() {
                self.retire(now, slot);
            }
        } else {
            self.gateway.done(slot, finished);
            self.dispatch(now);
        }
    }

    fn advance_supply(&mut self, now: Moment) {
        let mut happened = core::mem::take(&mut self.happened);
        happened.clear();
        self.supply.advance(now, &mut happened);
        for event in &happened {
            match *event {
                SupplyEvent::Notice { node, lost_at } => {
                    for slot in self.on_node(node) {
                        self.interrupt(now, slot, lost_at);
                    }
                }
                SupplyEvent::Lost { node } => {
                    for slot in self.on_node(node) {
                        self.lose(now, slot);
                    }
                }
                SupplyEvent::Room => {}
            }
        }
        self.happened = happened;
        self.reconcile(now);
    }

    fn count(&mut self, state: State, change: i32) {
        if let Some(count) = self.counts.by_state.get_mut(state as usize) {
            *count = count.saturating_add_signed(change);
        }
    }

    fn note_counts(&mut self, now: Moment) {
        self.recorder.counts(now, self.counts);
    }

    fn on_node(&self, node: NodeId) -> Vec<usize> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, replica)| replica.as_ref().is_some_and(|there| there.node == Some(node)))
            .map(|(slot, _)| slot)
            .collect()
    }

    fn is(&self, slot: usize, number: u64) -> bool {
        self.replica(slot).is_some_and(|replica| replica.number == number)
    }

    fn replica(&self, slot: usize) -> Option<&Replica> {
        self.slots.get(slot)?.as_ref()
    }

    fn replica_mut(&mut self, slot: usize) -> Option<&mut Replica> {
        self.slots.get_mut(slot)?.as_mut()
    }
}
