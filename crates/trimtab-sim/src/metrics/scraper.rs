//! Who reads what is exported: a scraper that comes by now and then, and sometimes in vain.

use super::exporter::{Exporter, GatewayExporter, Gauges};
use super::series::Series;
use crate::cluster::Metrics;
use crate::{Moment, Random};

/// What was scraped of the gateway and the replicas, and how far back the policy looks.
///
/// A reading at some moment is what a query `delay_seconds` earlier said: it depends on scrapes up to
/// then alone. Whoever runs the cluster calls [`scrape`](Self::scrape) every `scrape_seconds` for
/// each replica that serves; moments never go back.
///
/// ```
/// use trimtab_sim::Moment;
/// use trimtab_sim::cluster::Metrics;
/// use trimtab_sim::metrics::{Exporter, Gauges, Scraper};
///
/// let mut scraper = Scraper::new(&Metrics::default(), 7);
/// let server = Exporter::new();
/// scraper.scrape(Moment::from_seconds(15.0), 0, &server, Gauges::default());
/// scraper.forget(Moment::from_seconds(20.0), 0); // scaled in
/// ```
#[derive(Clone, Debug)]
pub struct Scraper {
    delay_nanos: i64,
    pub(super) window_nanos: i64,
    loss_probability: f64,
    chance: Random,
    /// Scrapes of one target to make room for.
    room: usize,
    pub(super) gateway: Series<GatewayScrape>,
    /// By rising id.
    replicas: Vec<(u64, Series<ReplicaScrape>)>,
}

#[derive(Clone, Debug)]
pub(super) struct ReplicaScrape {
    pub(super) counted: Exporter,
    pub(super) gauges: Gauges,
}

#[derive(Clone, Debug)]
pub(super) struct GatewayScrape {
    pub(super) counted: GatewayExporter,
    pub(super) waiting: u32,
}

impl Scraper {
    /// A scraper that has not scraped yet. Which scrapes are lost comes from `seed`. A window shorter
    /// than two scrapes has no rates in it; a negative delay is none.
    pub fn new(metrics: &Metrics, seed: u64) -> Self {
        let room = room(metrics);
        Self {
            delay_nanos: Moment::from_seconds(metrics.delay_seconds).nanos().max(0),
            window_nanos: Moment::from_seconds(metrics.window_seconds).nanos().max(0),
            loss_probability: metrics.loss_probability,
            chance: Random::new(seed, "lost scrapes"),
            room,
            gateway: Series::with_capacity(room),
            replicas: Vec::new(),
        }
    }

    /// Reads what replica number `replica` exports. Numbers are never used again.
    pub fn scrape(&mut self, now: Moment, replica: u64, exporter: &Exporter, gauges: Gauges) {
        if self.is_lost() {
            return;
        }
        let horizon = self.horizon(now);
        let place = match self.replicas.binary_search_by_key(&replica, |(id, _)| *id) {
            Ok(place) => place,
            Err(place) => {
                self.replicas.insert(place, (replica, Series::with_capacity(self.room)));
                place
            }
        };
        if let Some((_, series)) = self.replicas.get_mut(place) {
            series.push(now, ReplicaScrape { counted: exporter.clone(), gauges }, horizon);
        }
    }

    /// Reads what the gateway exports, in whose queue `waiting` requests are.
    pub fn scrape_gateway(&mut self, now: Moment, exporter: &GatewayExporter, waiting: u32) {
        if !self.is_lost() {
            let scrape = GatewayScrape { counted: exporter.clone(), waiting };
            let horizon = self.horizon(now);
            self.gateway.push(now, scrape, horizon);
        }
    }

    /// The pod of a replica is gone: from now on it has no values. What it counted stays in the
    /// totals until it leaves the window, as in Prometheus.
    pub fn forget(&mut self, now: Moment, replica: u64) {
        if let Ok(place) = self.replicas.binary_search_by_key(&replica, |(id, _)| *id)
            && let Some((_, series)) = self.replicas.get_mut(place)
        {
            series.end(now);
        }
        let horizon = self.horizon(now);
        self.replicas.retain(|(_, series)| !series.is_over(horizon));
    }

    /// The latest moment whose scrapes can be read at `now`.
    pub(super) fn visible(&self, now: Moment) -> Moment {
        now.after_nanos(-self.delay_nanos)
    }

    pub(super) fn replica(&self, replica: u64) -> Option<&Series<ReplicaScrape>> {
        let place = self.replicas.binary_search_by_key(&replica, |(id, _)| *id).ok()?;
        self.replicas.get(place).map(|(_, series)| series)
    }

    pub(super) fn replicas(&self) -> impl Iterator<Item = &Series<ReplicaScrape>> {
        self.replicas.iter().map(|(_, series)| series)
    }

    /// No query from `now` on looks at more than one scrape up to then.
    fn horizon(&self, now: Moment) -> Moment {
        self.visible(now).after_nanos(-self.window_nanos)
    }

    fn is_lost(&mut self) -> bool {
        self.chance.unit() < self.loss_probability
    }
}

/// How many scrapes of one target queries look at, up to a few hundred.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn room(metrics: &Metrics) -> usize {
    let seconds = metrics.window_seconds + metrics.delay_seconds;
    (seconds / metrics.scrape_seconds).clamp(0.0, 256.0) as usize + 2
}
