//! One replica's inference server: continuous batching with chunked prefill and a KV cache that can
//! fill up.
//!
//! An iteration decodes one token of every running sequence and reads as many prompt tokens as fit
//! `max_batched_tokens` beside them, first come first served; it takes the decode time plus the
//! prefill time. Iterations that only decode, with the same sequences, are taken as one run, in
//! closed form: the cost of simulating a request does not grow with its tokens.
//!
//! Like vLLM, the server admits a prompt when the KV cache has room for it, without knowing how long
//! the answer will be. When the cache fills up, the sequence that came last goes back to the front of
//! the queue and is later read again, with what it has generated.

mod timing;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::{Moment, Request, ServiceProfile};
use timing::{DecodeRun, Timing};

/// What a server tells as it goes. All calls of one [`Server::advance`] have the same time.
pub trait ServerEvents {
    /// A request got its first token.
    fn first_token(&mut self, now: Moment, served: &Served);
    /// A request got its last token.
    fn finished(&mut self, now: Moment, served: &Served);
    /// `tokens` tokens came, each so many seconds after the one before it of its request.
    fn tokens(&mut self, tokens: u64, gap_seconds: f64);
}

/// A request in a server, and how far it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The request.
    pub request: Request,
    /// When it came to the server; it may have arrived at the gateway before.
    pub submitted: Moment,
    /// When it got its first token; [`Moment::NEVER`] before.
    pub first_token: Moment,
}

/// One replica's server.
///
/// ```
/// use trimtab_sim::{Moment, Request, Served, Server, ServerEvents, ServiceProfile};
///
/// #[derive(Default)]
/// struct Last(Moment);
/// impl ServerEvents for Last {
///     fn first_token(&mut self, _: Moment, _: &Served) {}
///     fn finished(&mut self, now: Moment, _: &Served) {
///         self.0 = now;
///     }
///     fn tokens(&mut self, _: u64, _: f64) {}
/// }
///
/// let profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
/// let mut server = Server::new(&profile);
/// let request = Request { arrival: Moment::START, input_tokens: 1024, output_tokens: 101 };
/// server.submit(Moment::START, request);
/// let mut last = Last::default();
/// while server.next_event() < Moment::NEVER {
///     server.advance(&mut last);
/// }
/// let seconds = last.0.seconds(); // 65 ms of prefill and 100 steps of 11.8 ms
/// assert!((seconds - 1.245).abs() < 0.01, "{seconds}");
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    timing: Timing,
    kv_tokens: u64,
    max_sequences: u32,
    max_batched_tokens: u32,
    slots: Vec<Sequence>,
    free: Vec<u32>,
    /// Slots in the order in which their prompts are read.
    waiting: VecDeque<u32>,
    /// Running slots by the decode step after which they are done.
    running: BinaryHeap<Reverse<(u64, u32)>>,
    /// Prompts that the present iteration completes.
    completing: Vec<u32>,
    /// Decode steps since the start.
    step: u64,
    /// Tokens in the KV cache: of running sequences, and reserved for prompts being read.
    context: u64,
    reserved: u64,
    /// Sequences admitted since the start.
    admitted: u64,
    iteration: Iteration,
    busy_since: Moment,
    busy_nanos: i64,
}

/// A request in the server.
#[derive(Copy, Clone, Debug)]
struct Sequence {
    served: Served,
    /// Tokens generated so far, as of the last time that it was read.
    generated: u32,
    /// Tokens to read: the prompt, and after a preemption what was generated.
    prompt: u32,
    /// How many of those have been read, or are being read.
    read: u32,
    /// Its place in the order of admission.
    admitted: u64,
    last_token: Moment,
}

#[derive(Copy, Clone, Debug)]
enum Iteration {
    /// There is nothing to do.
    Idle,
    /// One iteration that reads prompts, and decodes if there is something to decode.
    Mixed { started: Moment, ends: Moment },
    /// Iterations that only decode.
    Decode { started: Moment, ends: Moment, steps: u64, run: DecodeRun },
}

/// What a server reports when it is asked.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Sequences being decoded or read.
    pub running: u32,
    /// Requests waiting to be read.
    pub waiting: u32,
    /// The share of the KV cache in use, in [0, 1].
    pub kv_used: f64,
}

impl Server {
    /// An idle server.
    pub fn new(profile: &ServiceProfile) -> Self {
        Self {
            timing: Timing::of(profile),
            kv_tokens: profile.kv_tokens,
            max_sequences: profile.max_sequences,
            max_batched_tokens: profile.max_batched_tokens,
            slots: Vec::new(),
            free: Vec::new(),
            waiting: VecDeque::new(),
            running: BinaryHeap::new(),
            completing: Vec::new(),
            step: 0,
            context: 0,
            reserved: 0,
            admitted: 0,
            iteration: Iteration::Idle,
            busy_since: Moment::NEVER,
            busy_nanos: 0,
        }
    }

    /// Whether the request could be served at all: its tokens fit the KV cache.
    pub fn fits(profile: &ServiceProfile, request: &Request) -> bool {
        let tokens = u64::from(request.input_tokens) + u64::from(request.output_tokens);
        tokens <= profile.kv_tokens
    }

    /// Takes a request that [`Server::fits`].
    pub fn submit(&mut self, now: Moment, request: Request) {
        let sequence = Sequence {
            served: Served { request, submitted: now, first_token: Moment::NEVER },
            generated: 0,
            prompt: request.input_tokens,
            read: 0,
            admitted: 0,
            last_token: Moment::NEVER,
        };
        let blocked = !self.waiting.is_empty();
        let slot = self.store(sequence);
        self.waiting.push_back(slot);
        match self.iteration {
            Iteration::Idle => {
                self.busy_since = now;
                self.begin(now);
            }
            // The run ends with the step under way, so that the prompt is read with the next one.
            Iteration::Decode { started, steps, run, .. } if !blocked && steps > 1 => {
                let steps = run.steps_reaching(as_f64(now.nanos_since(started)), steps);
                let ends = started.after_nanos(rint(run.nanos(steps)));
                self.iteration = Iteration::Decode { started, ends, steps, run };
            }
            Iteration::Decode { .. } | Iteration::Mixed { .. } => {}
        }
    }

    /// When the iterations under way end; [`Moment::NEVER`] when idle.
    pub fn next_event(&self) -> Moment {
        match self.iteration {
            Iteration::Idle => Moment::NEVER,
            Iteration::Mixed { ends, .. } | Iteration::Decode { ends, .. } => ends,
        }
    }

    /// Ends the iterations under way, at the time that [`Server::next_event`] gives, and begins the
    /// next.
    pub fn advance<E: ServerEvents>(&mut self, events: &mut E) {
        let now = match self.iteration {
            Iteration::Idle => return,
            Iteration::Mixed { started, ends } => {
                if self.batch() > 0 {
                    self.decoded(1, ends.seconds_since(started), events);
                }
                self.read_completed(ends, events);
                ends
            }
            Iteration::Decode { ends, steps, run, .. } => {
                self.decoded(steps, run.seconds_per_step(steps), events);
                ends
            }
        };
        self.finish_completed(now, events);
        self.begin(now);
    }

    /// The requests in the server.
    pub fn in_flight(&self) -> u32 {
        count(self.slots.len() - self.free.len())
    }

    /// What the server would report at `now`.
    #[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^53")]
    pub fn load(&self, now: Moment) -> Load {
        let generated = match self.iteration {
            Iteration::Decode { started, steps, run, .. } => {
                let elapsed = as_f64(now.nanos_since(started));
                run.steps_within(elapsed, steps) * u64::from(self.batch())
            }
            Iteration::Idle | Iteration::Mixed { .. } => 0,
        };
        let partly_read = self.waiting.front().is_some_and(|slot| self.sequence(*slot).read > 0);
        let waiting = count(self.waiting.len()) - u32::from(partly_read);
        Load {
            running: self.in_flight() - waiting,
            waiting,
            kv_used: (self.context + self.reserved + generated) as f64 / self.kv_tokens as f64,
        }
    }

    /// Nanoseconds with something to do, up to `now`.
    pub fn busy_nanos(&self, now: Moment) -> i64 {
        match self.iteration {
            Iteration::Idle => self.busy_nanos,
            _ => self.busy_nanos + now.nanos_since(self.busy_since),
        }
    }

    /// Ends the server; returns how many requests were cut.
    pub fn abort(&mut self, now: Moment) -> u32 {
        let cut = self.in_flight();
        self.busy_nanos = self.busy_nanos(now);
        self.busy_since = Moment::NEVER;
        self.slots.clear();
        self.free.clear();
        self.waiting.clear();
        self.running.clear();
        self.completing.clear();
        (self.context, self.reserved) = (0, 0);
        self.iteration = Iteration::Idle;
        cut
    }

    /// Begins the next iterations at `now`: reads what can be read, else decodes as long as nothing
    /// changes.
    fn begin(&mut self, now: Moment) {
        self.make_room(now);
        let prefill = self.admit();
        let batch = self.batch();
        self.iteration = if let Some(prefill) = prefill {
            let decode = if batch > 0 { self.timing.decode(batch, self.context) } else { 0.0 };
            let nanos = prefill + self.timing.prefill_overhead() + decode;
            Iteration::Mixed { started: now, ends: now.after_nanos(rint(nanos)) }
        } else if let Some(&Reverse((done, _))) = self.running.peek() {
            let room = self.kv_tokens.saturating_sub(self.context + self.reserved);
            let until_full = room.checked_div(u64::from(batch)).unwrap_or(0).max(1);
            let steps = (done - self.step).min(until_full);
            let run = self.timing.decode_run(batch, self.context);
            let ends = now.after_nanos(rint(run.nanos(steps)));
            Iteration::Decode { started: now, ends, steps, run }
        } else {
            if self.busy_since < Moment::NEVER {
                self.busy_nanos += now.nanos_since(self.busy_since);
                self.busy_since = Moment::NEVER;
            }
            Iteration::Idle
        };
    }

    /// Chooses what this iteration reads, and returns what that costs; `None` if it reads nothing.
    fn admit(&mut self) -> Option<f64> {
        let mut budget = self.max_batched_tokens.saturating_sub(self.batch());
        let mut cost = None;
        while budget > 0 {
            let Some(&slot) = self.waiting.front() else { break };
            let Sequence { prompt, read, .. } = *self.sequence(slot);
            if read == 0 && !self.reserve(prompt) {
                break;
            }
            let until = prompt.min(read.saturating_add(budget));
            cost = Some(cost.unwrap_or(0.0) + self.timing.chunk(read, until));
            budget -= until - read;
            if read == 0 {
                self.admitted += 1;
            }
            let admitted = self.admitted;
            let sequence = self.sequence_mut(slot);
            if read == 0 {
                sequence.admitted = admitted;
            }
            sequence.read = until;
            if until == prompt {
                self.waiting.pop_front();
                self.completing.push(slot);
            }
        }
        cost
    }

    /// Reserves room for a prompt, and for one more token of every running sequence.
    fn reserve(&mut self, prompt: u32) -> bool {
        let running = self.batch() + count(self.completing.len());
        let used = self.context + self.reserved + u64::from(running);
        let fits = running < self.max_sequences && used + u64::from(prompt) <= self.kv_tokens;
        if fits {
            self.reserved += u64::from(prompt);
        }
        fits
    }

    /// While the cache has no room for one more token of every running sequence, the last one
    /// admitted goes back to the front of the queue.
    fn make_room(&mut self, now: Moment) {
        while self.context + self.reserved + u64::from(self.batch()) > self.kv_tokens {
            let last = self.running.iter().map(|Reverse((_, slot))| *slot);
            let Some(victim) = last.max_by_key(|slot| self.sequence(*slot).admitted) else {
                return;
            };
            let mut done = self.step;
            self.running.retain(|Reverse((at, slot))| {
                if *slot == victim {
                    done = *at;
                }
                *slot != victim
            });
            let left = count_u64(done - self.step);
            let sequence = self.sequence_mut(victim);
            sequence.generated = sequence.served.request.output_tokens - left;
            sequence.read = 0;
            sequence.last_token = now;
            let held = sequence.served.request.input_tokens + sequence.generated - 1;
            sequence.prompt = held + 1;
            self.context -= u64::from(held);
            // A prompt that is half read keeps its place: its reservation stays.
            let behind =
                usize::from(self.waiting.front().is_some_and(|slot| self.sequence(*slot).read > 0));
            self.waiting.insert(behind, victim);
        }
    }

    /// Every running sequence got `steps` tokens.
    fn decoded<E: ServerEvents>(&mut self, steps: u64, gap_seconds: f64, events: &mut E) {
        let tokens = steps * u64::from(self.batch());
        self.step += steps;
        self.context += tokens;
        events.tokens(tokens, gap_seconds);
    }

    /// The prompts that were read to their end give a token each, and run from now on.
    fn read_completed<E: ServerEvents>(&mut self, now: Moment, events: &mut E) {
        let mut completing = core::mem::take(&mut self.completing);
        for &slot in &completing {
            let step = self.step;
            let sequence = self.sequence_mut(slot);
            sequence.generated += 1;
            if sequence.served.first_token == Moment::NEVER {
                sequence.served.first_token = now;
                events.first_token(now, &sequence.served);
            } else {
                events.tokens(1, now.seconds_since(sequence.last_token));
            }
            let left = sequence.served.request.output_tokens - sequence.generated;
            let prompt = u64::from(sequence.prompt);
            self.running.push(Reverse((step + u64::from(left), slot)));
            self.reserved -= prompt;
            self.context += prompt;
        }
        completing.clear();
        self.completing = completing;
    }

    /// Sequences that have all their tokens leave.
    fn finish_completed<E: ServerEvents>(&mut self, now: Moment, events: &mut E) {
        while let Some(&Reverse((done, slot))) = self.running.peek() {
            if done > self.step {
                break;
            }
            self.running.pop();
            self.free.push(slot);
            let served = self.sequence(slot).served;
            let Request { input_tokens, output_tokens, .. } = served.request;
            self.context -= u64::from(input_tokens) + u64::from(output_tokens) - 1;
            events.finished(now, &served);
        }
    }

    /// Sequences being decoded.
    fn batch(&self) -> u32 {
        count(self.running.len())
    }

    fn store(&mut self, sequence: Sequence) -> u32 {
        if let Some(slot) = self.free.pop() {
            *self.sequence_mut(slot) = sequence;
            return slot;
        }
        self.slots.push(sequence);
        count(self.slots.len() - 1)
    }

    #[expect(clippy::indexing_slicing, reason = "slots come from `store` and live until `abort`")]
    fn sequence(&self, slot: u32) -> &Sequence {
        &self.slots[slot as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "slots come from `store` and live until `abort`")]
    fn sequence_mut(&mut self, slot: u32) -> &mut Sequence {
        &mut self.slots[slot as usize]
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn count_u64(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "spans of hours in nanoseconds are below 2^53")]
fn as_f64(nanos: i64) -> f64 {
    nanos as f64
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn rint(nanos: f64) -> i64 {
    libm::rint(nanos) as i64
}
