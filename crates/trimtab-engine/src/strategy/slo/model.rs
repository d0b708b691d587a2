//! What one replica of a language model sustains, and how many meet the objectives: the arithmetic of
//! continuous batching, with queues in front.
//!
//! Each iteration decodes one token of every sequence of the batch and reads prompts beside it. With
//! `r` requests per second for a replica, a prompt that takes `p` seconds to read, `O` decode steps for
//! an answer, and a step of `a + k · batch` seconds, reading takes a share `r p` of the time, so a token
//! comes every `(a + k) / (1 - r (p + O k))` seconds: the fixed point of a batch that is as long as its
//! tokens take, and tokens that take as long as their batch makes them. Its only pole is the most that a
//! replica could do with a batch without end.

#[cfg(test)]
mod laws;

use libm::{ceil, fmax, fmin, sqrt};

use super::queueing::{MOST_SERVERS, Station, erlang_c, halfin_whitt};

/// An objective is at least so many times what an idle replica takes.
pub(super) const SLACK: f64 = 1.5;
/// Halvings of an interval: beyond them it is as narrow as a float.
const HALVINGS: u32 = 48;

/// The service times and limits of one replica, in seconds and tokens.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct ServiceModel {
    /// To read a prompt, whatever its length.
    pub prefill_fixed: f64,
    /// To read a token of it.
    pub prefill_per_token: f64,
    /// To read it, per squared token: attention.
    pub prefill_per_token_squared: f64,
    /// A decode step, whatever the batch.
    pub decode_fixed: f64,
    /// A decode step, per sequence of the batch.
    pub decode_per_sequence: f64,
    /// A decode step, per token that the sequences of the batch have behind them.
    pub decode_per_context_token: f64,
    /// Sequences of a batch at most.
    pub max_sequences: f64,
    /// Tokens that one iteration reads at most: longer prompts take several.
    pub max_batched_tokens: f64,
    /// Tokens that the KV cache holds.
    pub kv_cache_tokens: f64,
}

/// What users are promised, and how their requests come.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Objectives {
    /// Seconds to the first token.
    pub ttft: f64,
    /// Seconds per token after the first, at the mean.
    pub tpot: Option<f64>,
    /// The share of requests that get their first token in time.
    pub quantile: f64,
    /// The squared coefficient of variation of the times between arrivals; 1 for Poisson arrivals.
    pub arrival_variation: f64,
    /// That of the services; 1 for exponential ones.
    pub service_variation: f64,
    /// Prompts wait in one queue, and go to a replica that has time; otherwise each is sent to a
    /// replica when it comes, and waits for that one.
    pub shared_queue: bool,
}

/// The mean tokens of prompts and answers.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Mix {
    /// Of a prompt.
    pub input: f64,
    /// Of an answer.
    pub output: f64,
}

/// A replica at a rate that it sustains.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Operation {
    /// Seconds to read a prompt.
    pub prefill: f64,
    /// Sequences that are decoded at once.
    pub batch: f64,
    /// Seconds of an iteration that only decodes.
    pub step: f64,
    /// Seconds from one token to the next.
    pub tpot: f64,
}

/// How many replicas it takes, and why.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Staffing {
    /// The least that meet the objectives, in parts of a replica; rounded up, the least whole number.
    pub replicas: f64,
    /// Requests per second that one replica sustains, with nothing waiting.
    pub sustained: f64,
    /// The time to the first token at the quantile, with the replicas rounded up.
    pub ttft: f64,
    /// An objective is nearer to what an idle replica takes than [any number](ServiceModel::staff) of
    /// them is asked for.
    pub out_of_reach: bool,
}

impl ServiceModel {
    /// A replica that takes so many times as long for everything.
    #[must_use]
    pub fn slower(self, times: f64) -> Self {
        Self {
            prefill_fixed: self.prefill_fixed * times,
            prefill_per_token: self.prefill_per_token * times,
            prefill_per_token_squared: self.prefill_per_token_squared * times,
            decode_fixed: self.decode_fixed * times,
            decode_per_sequence: self.decode_per_sequence * times,
            decode_per_context_token: self.decode_per_context_token * times,
            ..self
        }
    }

    /// Seconds to read a prompt.
    pub fn prefill(&self, mix: Mix) -> f64 {
        let n = mix.input;
        self.prefill_fixed * fmax(self.iterations(mix), 1.0)
            + n * (self.prefill_per_token + n * self.prefill_per_token_squared)
    }

    /// What a sequence adds to a decode step: itself, and its context halfway through its answer.
    fn per_sequence(&self, mix: Mix) -> f64 {
        self.decode_per_sequence + self.decode_per_context_token * (mix.input + mix.output / 2.0)
    }

    /// Seconds of a replica's time that a request takes where the batch is large.
    fn work(&self, mix: Mix) -> f64 {
        self.prefill(mix) + steps(mix) * self.per_sequence(mix)
    }

    /// Sequences that fit, by their number and by their tokens; at least one.
    pub fn most_sequences(&self, mix: Mix) -> f64 {
        let context = fmax(mix.input + mix.output / 2.0, 1.0);
        fmax(fmin(self.max_sequences, self.kv_cache_tokens / context), 1.0)
    }

    /// One replica with so many requests per second; nothing if it can't keep up.
    ///
    /// ```
    /// use trimtab_engine::strategy::slo::{Mix, ServiceModel};
    ///
    /// // A token every 10 ms alone; a prompt takes 50 ms.
    /// let model = ServiceModel {
    ///     prefill_fixed: 0.05, prefill_per_token: 0.0, prefill_per_token_squared: 0.0,
    ///     decode_fixed: 0.0099, decode_per_sequence: 0.0001, decode_per_context_token: 0.0,
    ///     max_sequences: 256.0, max_batched_tokens: 2048.0, kv_cache_tokens: 1e6,
    /// };
    /// let mix = Mix { input: 500.0, output: 101.0 };
    /// let at = model.at(mix, 10.0).unwrap();
    /// assert!((at.tpot - 0.01 / (1.0 - 10.0 * 0.06)).abs() < 1e-12); // 25 ms
    /// assert!((at.batch - 10.0 * 100.0 * at.tpot).abs() < 1e-9);     // Little's law
    /// assert_eq!(model.at(mix, 17.0), None);                         // 1 / 60 ms is 16.7
    /// ```
    pub fn at(&self, mix: Mix, rate: f64) -> Option<Operation> {
        let (prefill, each) = (self.prefill(mix), self.per_sequence(mix));
        let idle = 1.0 - rate * self.work(mix);
        if idle.is_nan() || idle <= 0.0 {
            return None;
        }
        let tpot = self.tpot_alone(mix) / idle;
        let batch = rate * steps(mix) * tpot;
        let step = self.decode_fixed + each * fmax(batch, 1.0);
        let fits = batch.is_finite() && batch < self.most_sequences(mix);
        fits.then_some(Operation { prefill, batch, step, tpot })
    }

    /// The share of its time that a replica with so many requests per second has work for, if its
    /// batch is large: 1 and more is too much.
    pub fn busy(&self, mix: Mix, rate: f64) -> f64 {
        rate * self.work(mix)
    }

    /// How many times as long as told everything takes, if a replica with so many requests per second
    /// makes a token every `tpot` seconds.
    pub fn slowness(&self, mix: Mix, rate: f64, tpot: f64) -> f64 {
        tpot / (self.tpot_alone(mix) + tpot * rate * self.work(mix))
    }

    /// Prompts beside one another in an iteration that reads as many tokens as it may, inverted.
    fn iterations(&self, mix: Mix) -> f64 {
        mix.input / self.max_batched_tokens
    }

    /// Seconds to the first token where nothing waits: the iteration under way, and those that read
    /// the prompt.
    fn unhindered(&self, mix: Mix, at: Operation) -> f64 {
        at.prefill + at.step * (1.0 + fmax(self.iterations(mix), 1.0))
    }

    /// Seconds to the first token on an idle replica.
    pub fn ttft_alone(&self, mix: Mix) -> f64 {
        let step = self.tpot_alone(mix);
        self.prefill(mix) + step * (1.0 + fmax(self.iterations(mix), 1.0))
    }

    /// Seconds per token of a request that is alone on a replica.
    pub fn tpot_alone(&self, mix: Mix) -> f64 {
        self.decode_fixed + self.per_sequence(mix)
    }

    /// The time to the first token that `quantile` of the requests don't exceed, with so many requests
    /// per second over all replicas; infinite where they can't keep up.
    ///
    /// Two queues are added to the time without: one for reading the prompt, which each replica has
    /// for itself unless [it is shared](Objectives::shared_queue), and one for a place in a batch.
    /// Requests go where the fewest are, so that the places of all replicas are as one.
    pub fn ttft(&self, mix: Mix, objectives: &Objectives, replicas: f64, rate: f64) -> f64 {
        let Some(at) = self.at(mix, rate / replicas) else { return f64::INFINITY };
        let variation = (objectives.arrival_variation + objectives.service_variation) / 2.0;
        let read = at.prefill + at.step * self.iterations(mix);
        let share = if objectives.shared_queue { 1.0 } else { replicas };
        let (servers, rate_each) = (replicas / share, rate / share);
        let reading = Station { servers, rate: rate_each, service: read, variation };
        let read_by = reading.wait(objectives.quantile, erlang_c(servers, rate_each * read));
        let most = self.most_sequences(mix);
        let places =
            Station { servers: replicas * most, rate, service: steps(mix) * at.tpot, variation };
        let beta = (1.0 - at.batch / most) * sqrt(places.servers);
        let placed_by = places.wait(objectives.quantile, halfin_whitt(beta));
        self.unhindered(mix, at) + read_by + placed_by
    }

    /// Requests per second that a replica sustains under the objectives, with nothing waiting.
    pub fn sustained(&self, mix: Mix, objectives: &Objectives) -> f64 {
        let objectives = self.within_reach(mix, objectives).0;
        let meets = |rate: f64| {
            self.at(mix, rate).is_some_and(|at| {
                let reading = rate * (at.prefill + at.step * self.iterations(mix));
                reading < 1.0
                    && self.unhindered(mix, at) <= objectives.ttft
                    && objectives.tpot.is_none_or(|most| at.tpot <= most)
            })
        };
        let (mut most, mut too_many) = (0.0, 1.0 / self.work(mix));
        for _ in 0..HALVINGS {
            let middle = (most + too_many) / 2.0;
            if meets(middle) { most = middle } else { too_many = middle }
        }
        most
    }

    /// The objectives, each at least [`SLACK`] times what an idle replica takes; and whether one was
    /// less than that.
    fn within_reach(&self, mix: Mix, objectives: &Objectives) -> (Objectives, bool) {
        let ttft = SLACK * self.ttft_alone(mix);
        let tpot = SLACK * self.tpot_alone(mix);
        let missed = objectives.ttft < ttft || objectives.tpot.is_some_and(|most| most < tpot);
        let within = Objectives {
            ttft: fmax(objectives.ttft, ttft),
            tpot: objectives.tpot.map(|most| fmax(most, tpot)),
            ..*objectives
        };
        (within, missed)
    }

    /// The least number of replicas whose times meet the objectives with so many requests per second.
    ///
    /// It never falls as the rate or the quantile rises, nor as an objective becomes stricter. An
    /// objective that an idle replica misses is met by no number, and one that it hardly meets by a
    /// number without end: each counts as at least half as long again as an idle replica takes, so that
    /// the count neither runs away nor is given up. Beyond 10,000 replicas nothing waits that would
    /// matter, and the count is the rate over what one sustains.
    pub fn staff(&self, mix: Mix, objectives: &Objectives, rate: f64) -> Staffing {
        let (within, out_of_reach) = self.within_reach(mix, objectives);
        let sustained = self.sustained(mix, objectives);
        let nothing = Staffing { replicas: 0.0, sustained, ttft: 0.0, out_of_reach };
        if rate.is_nan() || rate <= 0.0 || sustained <= 0.0 {
            return nothing;
        }
        let fewest = rate / sustained;
        let too_slow = |replicas| self.ttft(mix, &within, replicas, rate) > within.ttft;
        let (mut too_few, mut enough) = (fewest, fmax(fewest, 1.0));
        while enough < MOST_SERVERS && too_slow(enough) {
            too_few = enough;
            enough = fmin(enough * 1.25, MOST_SERVERS);
        }
        if fewest < MOST_SERVERS {
            for _ in 0..HALVINGS {
                let middle = (too_few + enough) / 2.0;
                if too_slow(middle) { too_few = middle } else { enough = middle }
            }
        }
        let whole = ceil(enough - 1e-9);
        Staffing {
            replicas: enough,
            sustained,
            ttft: self.ttft(mix, objectives, whole, rate),
            out_of_reach,
        }
    }
}

/// Decode steps of an answer: its first token comes of the prompt.
fn steps(mix: Mix) -> f64 {
    fmax(mix.output - 1.0, 0.0)
}
