//! The fleet: replicas are started, become ready, drain and go; requests go to them.

use trimtab_engine::PodPhase;

use super::agenda::{Agenda, Event};
use super::course::Counts;
use super::gateway::{Admission, Gateway};
use super::recorder::Recorder;
use super::replica::{Replica, State};
use super::schedule::Schedule;
use crate::cluster::Cluster;
use crate::metrics::{Exporter, GatewayExporter, Gauges, PodView, Scraper};
use crate::supply::{NodeId, Supply, SupplyEvent};
use crate::{Moment, Request, Served, Server, ServerEvents, ServiceProfile};

/// The simulated workload on its cluster.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    profile: &'a ServiceProfile,
    cluster: &'a Cluster,
    slots: Vec<Option<Replica>>,
    free: Vec<usize>,
    created: u64,
    counts: Counts,
    supply: Supply,
    happened: Vec<SupplyEvent>,
    gateway: Gateway,
    gateway_exporter: GatewayExporter,
    schedule: Schedule,
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
        recorder: Recorder,
    ) -> Self {
        let mut fleet = Self {
            profile,
            cluster,
            slots: Vec::new(),
            free: Vec::new(),
            created: 0,
            counts: Counts { wanted: replicas, ..Counts::default() },
            supply: Supply::new(cluster, profile, seed),
            happened: Vec::new(),
            gateway: Gateway::new(*cluster.gateway()),
            gateway_exporter: GatewayExporter::new(),
            schedule: Schedule::new(),
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
        self.schedule.next().min(self.supply.next_event())
    }

    /// Lets that happen.
    pub(super) fn advance(&mut self) {
        let (server, supply) = (self.schedule.next(), self.supply.next_event());
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

    /// Requests that have waited too long are turned away.
    fn expire(&mut self, now: Moment) {
        let expired = self.gateway.expire(now);
        if expired > 0 {
            self.reject(expired);
        }
    }

    /// The pods as the control plane sees them, in the order of their creation.
    pub(super) fn pods(&self) -> Vec<PodView> {
        let present = self.slots.iter().flatten().filter(|replica| !replica.for_warm_pool);
        let mut pods: Vec<PodView> = present
            .map(|replica| PodView {
                id: replica.number,
                phase: match replica.state {
                    State::Pending => PodPhase::Pending,
                    _ => PodPhase::Running,
                },
                start_time: replica.placed,
                ready: replica.state == State::Ready,
                ready_since: replica.ready_since,
                terminating: replica.state == State::Draining,
            })
            .collect();
        pods.sort_unstable_by_key(|pod| pod.id);
        pods
    }

    /// Whether some request is still on its way.
    pub(super) fn is_serving(&self) -> bool {
        self.gateway.waiting() > 0 || self.schedule.next() < Moment::NEVER
    }

    /// Ends everything: what still waits or runs is cut. Returns the recorder and the nodes.
    pub(super) fn finish(mut self, now: Moment) -> (Recorder, Supply) {
        self.expire(now);
        self.recorder.requests.cut += self.gateway.clear();
        for slot in 0..self.slots.len() {
            if self.replica(slot).is_some() {
                self.retire(now, slot);
            }
        }
        (self.recorder, self.supply)
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
            if replica.server.in_flight() == 0 {
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
                        self.evict(now, slot, lost_at);
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

    /// Makes the fleet what was asked for: starts what is missing, stops what is too much, and fills
    /// the warm pool.
    fn reconcile(&mut self, now: Moment) {
        let present = self.slots.iter().flatten().filter(|replica| replica.serves_workload());
        let present = present.count();
        let wanted = self.counts.wanted as usize;
        for _ in present..wanted {
            if !self.promote(now) {
                self.create(now, false);
            }
        }
        for _ in wanted..present {
            if let Some(slot) = self.most_dispensable() {
                self.stop(now, slot);
            }
        }
        let warm = self.slots.iter().flatten().filter(|replica| replica.for_warm_pool).count();
        for _ in warm..self.cluster.warm_pool().size as usize {
            self.create(now, true);
        }
        self.place_pending(now);
        self.note_counts(now);
    }

    /// Takes a replica from the warm pool, if there is one.
    fn promote(&mut self, now: Moment) -> bool {
        let in_pool = |state: State| {
            let slots = self.slots.iter().enumerate();
            slots
                .filter_map(|(slot, replica)| Some((slot, replica.as_ref()?)))
                .filter(|(_, replica)| replica.for_warm_pool && replica.state == state)
                .min_by_key(|(_, replica)| replica.number)
                .map(|(slot, replica)| (slot, replica.number))
        };
        let (slot, number, warm) = match (in_pool(State::Warm), in_pool(State::Starting)) {
            (Some((slot, number)), _) => (slot, number, true),
            // It is on its way, and comes sooner than one that is started now.
            (None, Some((slot, number))) => (slot, number, false),
            (None, None) => return false,
        };
        if let Some(replica) = self.replica_mut(slot) {
            replica.for_warm_pool = false;
        }
        if warm {
            let ends = now.after_seconds(self.supply.wake_seconds());
            self.enter(now, slot, State::Waking);
            self.agenda.enter(ends, Event::Started { slot, replica: number });
        }
        true
    }

    /// The replica that goes first, as a ReplicaSet chooses: one without a node, then one that is not
    /// ready, then the newest.
    fn most_dispensable(&self) -> Option<usize> {
        let rank = |state: State| match state {
            State::Pending => 0,
            State::Starting => 1,
            State::Waking => 2,
            _ => 3,
        };
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(slot, replica)| Some((slot, replica.as_ref()?)))
            .filter(|(_, replica)| replica.serves_workload())
            .min_by_key(|(_, replica)| (rank(replica.state), core::cmp::Reverse(replica.number)))
            .map(|(slot, _)| slot)
    }

    fn create(&mut self, now: Moment, for_warm_pool: bool) -> usize {
        let number = self.created;
        self.created += 1;
        let replica = Replica {
            number,
            state: State::Pending,
            for_warm_pool,
            placed: None,
            node: None,
            ready_since: now,
            server: Server::new(self.profile),
            exporter: Exporter::new(),
            exported_busy_nanos: 0,
        };
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(replica);
        }
        self.count(State::Pending, 1);
        slot
    }

    /// Gives nodes to the replicas that have none, those of the warm pool last and else the oldest
    /// first, as far as there are any.
    fn place_pending(&mut self, now: Moment) {
        if self.counts.of(State::Pending) == 0 {
            return;
        }
        let slots = self.slots.iter().enumerate();
        let mut pending: Vec<(bool, u64, usize)> = slots
            .filter_map(|(slot, replica)| Some((slot, replica.as_ref()?)))
            .filter(|(_, replica)| replica.state == State::Pending)
            .map(|(slot, replica)| (replica.for_warm_pool, replica.number, slot))
            .collect();
        pending.sort_unstable();
        for (_, number, slot) in pending {
            let Some(placement) = self.supply.place(now) else { return };
            self.put_on(now, slot, placement.node);
            self.recorder.starts += 1;
            self.agenda.enter(placement.ready, Event::Started { slot, replica: number });
        }
    }

    fn put_on(&mut self, now: Moment, slot: usize, node: NodeId) {
        self.enter(now, slot, State::Starting);
        if let Some(replica) = self.replica_mut(slot) {
            replica.node = Some(node);
            replica.placed = Some(now);
        }
    }

    /// A start has ended: the replica serves, or is warm.
    fn started(&mut self, now: Moment, slot: usize) {
        let for_warm_pool = self.replica(slot).is_some_and(|replica| replica.for_warm_pool);
        if for_warm_pool {
            return self.enter(now, slot, State::Warm);
        }
        self.enter(now, slot, State::Ready);
        if let Some(replica) = self.replica_mut(slot) {
            replica.ready_since = now;
        }
        self.gateway.add(slot);
        self.dispatch(now);
    }

    /// A decision stops a replica.
    fn stop(&mut self, now: Moment, slot: usize) {
        let placed = self.replica(slot).is_some_and(|replica| replica.node.is_some());
        self.recorder.stops += u64::from(placed);
        let deadline = now.after_seconds(self.cluster.control().drain_seconds);
        self.evict(now, slot, deadline);
    }

    /// The replica gets nothing new and is gone by `deadline`, or at once if it serves nothing.
    fn evict(&mut self, now: Moment, slot: usize, deadline: Moment) {
        let Some(replica) = self.replica(slot) else { return };
        if replica.state == State::Draining {
            // It goes at the earlier of the two deadlines.
            let replica = replica.number;
            return self.agenda.enter(deadline, Event::DrainEnds { slot, replica });
        }
        if replica.state != State::Ready || replica.server.in_flight() == 0 {
            return self.retire(now, slot);
        }
        let number = replica.number;
        self.enter(now, slot, State::Draining);
        if let Some(replica) = self.replica_mut(slot) {
            replica.ready_since = now;
        }
        self.agenda.enter(deadline, Event::DrainEnds { slot, replica: number });
    }

    /// A replica is lost with its node.
    fn lose(&mut self, now: Moment, slot: usize) {
        self.recorder.losses += 1;
        self.retire(now, slot);
    }

    /// The replica goes; what it still had is cut.
    fn retire(&mut self, now: Moment, slot: usize) {
        self.leave(now, slot);
        let Some(mut replica) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        self.recorder.requests.cut += u64::from(replica.server.abort(now));
        self.schedule.set(slot, Moment::NEVER);
        self.scraper.forget(now, replica.number);
        if let Some(node) = replica.node {
            self.supply.release(now, node);
        }
        self.free.push(slot);
        self.note_counts(now);
    }

    /// The replica changes its state.
    fn enter(&mut self, now: Moment, slot: usize, state: State) {
        self.leave(now, slot);
        if let Some(replica) = self.replica_mut(slot) {
            replica.state = state;
        }
        self.count(state, 1);
        self.note_counts(now);
    }

    /// The books of the state that the replica is in are closed.
    fn leave(&mut self, now: Moment, slot: usize) {
        let Some(replica) = self.replica(slot) else { return };
        let (state, busy) = (replica.state, replica.server.busy_nanos(now));
        if state == State::Ready {
            self.recorder.busy(busy);
            self.gateway.remove(slot);
        }
        self.count(state, -1);
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

/// Who hears what a server tells.
struct Told<'a> {
    recorder: &'a mut Recorder,
    exporter: &'a mut Exporter,
    gateway_exporter: &'a mut GatewayExporter,
    finished: u32,
}

impl ServerEvents for Told<'_> {
    fn first_token(&mut self, now: Moment, served: &Served) {
        let ttft = now.seconds_since(served.request.arrival);
        self.recorder.first_token(now, ttft);
        let at_replica = now.seconds_since(served.submitted);
        self.exporter.on_first_token(at_replica, served.request.input_tokens);
        self.gateway_exporter.on_first_token(ttft);
    }

    fn finished(&mut self, now: Moment, served: &Served) {
        self.finished += 1;
        let Served { request, submitted, first_token } = *served;
        let ttft = first_token.seconds_since(request.arrival);
        let tpot = request.time_per_output_token(first_token, now);
        let e2e = now.seconds_since(request.arrival);
        self.recorder.served(now, &request, ttft, tpot, e2e);
        self.exporter.on_finish(now.seconds_since(submitted), tpot);
        self.gateway_exporter.on_finish(e2e);
    }

    fn tokens(&mut self, tokens: u64, gap_seconds: f64) {
        self.recorder.tokens(tokens, gap_seconds);
        self.exporter.on_tokens(tokens, gap_seconds);
    }
}
