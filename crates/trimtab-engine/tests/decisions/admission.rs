//! The laws of admission: what is promised of waits, of free slots, and of more capacity.

use proptest::prelude::*;
use trimtab_engine::admission::{
    Admission, Limits, Server, admit, queue_bound, service_seconds, takes, wait_seconds,
};

fn server(service: impl Strategy<Value = Option<f64>>) -> impl Strategy<Value = Server> {
    let ready_in = prop_oneof![3 => Just(None), 1 => (0.0..600.0).prop_map(Some)];
    (0_u32..64, 0_u32..80, service, ready_in).prop_map(|(slots, in_flight, service, ready_in)| {
        let in_flight = if ready_in.is_some() { 0 } else { in_flight };
        Server { slots, in_flight, service_seconds: service, ready_in_seconds: ready_in }
    })
}

fn seen() -> impl Strategy<Value = Server> {
    server((0.01..120.0).prop_map(Some))
}

fn any_server() -> impl Strategy<Value = Server> {
    server(prop_oneof![2 => (0.01..120.0).prop_map(Some), 1 => Just(None)])
}

fn limits() -> impl Strategy<Value = Limits> {
    (0.0..60.0, 0.0..900.0, 0_u32..100, 0_u32..5000, 1_u32..600).prop_map(
        |(wait_seconds, hold_seconds, unknown, most, most_retry_seconds)| Limits {
            wait_seconds,
            hold_seconds,
            unknown,
            most,
            most_retry_seconds,
        },
    )
}

fn is_ready(server: &Server) -> bool {
    server.ready_in_seconds.is_none()
}

fn free(servers: &[Server]) -> u32 {
    servers.iter().filter(|it| is_ready(it)).map(|it| it.slots.saturating_sub(it.in_flight)).sum()
}

fn allowed(limits: &Limits, servers: &[Server]) -> f64 {
    if servers.iter().any(|it| is_ready(it) && it.slots > 0) {
        limits.wait_seconds
    } else {
        libm::fmax(limits.hold_seconds, limits.wait_seconds)
    }
}

fn is_rejected(admission: Admission) -> bool {
    matches!(admission, Admission::Reject { .. })
}

/// When each of the slots takes on a request, reckoned one by one: a free slot at once and then every service
/// time, a busy one when its request ends, `phase` of a service time from now.
fn starts(servers: &[Server], phase: impl Fn(u32, u32) -> f64, until: f64) -> Vec<f64> {
    let mut starts = Vec::new();
    for server in servers {
        let (ready, service) =
            (server.ready_in_seconds.unwrap_or(0.0), server.service_seconds.unwrap_or(1.0));
        let busy = server.in_flight.min(server.slots);
        for slot in 0..server.slots {
            let mut at = ready + if slot < busy { phase(slot, busy) * service } else { 0.0 };
            while at <= until {
                starts.push(at);
                at += service;
            }
        }
    }
    starts.sort_by(f64::total_cmp);
    starts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_free_slot_is_never_refused(
        limits in limits(), fleet in prop::collection::vec(any_server(), 0..8), waiting in 0_u32..200,
    ) {
        let admission = admit(&limits, &fleet, waiting);
        prop_assert_eq!(admission == Admission::Admit, waiting < free(&fleet));
    }

    #[test]
    fn who_may_wait_waits_no_longer_than_promised(
        limits in limits(), fleet in prop::collection::vec(seen(), 1..8), waiting in 0_u32..5000,
    ) {
        let allowed = allowed(&limits, &fleet);
        match admit(&limits, &fleet, waiting) {
            Admission::Admit => {}
            Admission::Queue { wait_seconds } => {
                prop_assert!(wait_seconds.is_some_and(|wait| (0.0..=allowed).contains(&wait)));
                prop_assert!(takes(&fleet, allowed) >= f64::from(waiting) + 1.0);
            }
            Admission::Reject { retry_after_seconds } => {
                prop_assert!(waiting >= queue_bound(&limits, &fleet));
                prop_assert!((1..=limits.most_retry_seconds).contains(&retry_after_seconds));
                // Who comes then finds that what waits now has started.
                let is_told = wait_seconds(&fleet, waiting).is_some();
                if is_told && retry_after_seconds < limits.most_retry_seconds {
                    prop_assert!(takes(&fleet, f64::from(retry_after_seconds) + 1e-5) >= f64::from(waiting) * (1.0 - 1e-9));
                }
            }
        }
    }

    #[test]
    fn more_capacity_never_makes_a_yes_a_no(
        limits in limits(), fleet in prop::collection::vec(seen(), 1..6), waiting in 0_u32..2000,
        more in seen(), at in 0_usize..6, slots in 0_u32..8, faster in 0.1..1.0_f64, sooner in 0.0..1.0_f64,
    ) {
        // One that becomes the first to be ready ends the holding, and with it the longer wait.
        let limits = if fleet.iter().any(|it| is_ready(it) && it.slots > 0) {
            limits
        } else {
            Limits { hold_seconds: 0.0, ..limits }
        };
        let bound = queue_bound(&limits, &fleet);
        let mut with_one = fleet.clone();
        with_one.push(more);
        let at = at % fleet.len();
        let change = |change: &dyn Fn(&mut Server)| {
            let mut changed = fleet.clone();
            change(&mut changed[at]);
            changed
        };
        let changes: [&dyn Fn(&mut Server); 4] = [
            &|it| it.slots += slots,
            &|it| it.in_flight = it.in_flight.saturating_sub(slots),
            &|it| it.service_seconds = it.service_seconds.map(|service| service * faster),
            &|it| it.ready_in_seconds = it.ready_in_seconds.map(|ready| ready * sooner),
        ];
        let was_no = is_rejected(admit(&limits, &fleet, waiting));
        for better in changes.map(change).into_iter().chain([with_one]) {
            prop_assert!(queue_bound(&limits, &better) >= bound, "{better:?}");
            prop_assert!(was_no || !is_rejected(admit(&limits, &better, waiting)), "{better:?}");
        }
    }

    #[test]
    fn a_longer_wait_holds_no_fewer(
        limits in limits(), fleet in prop::collection::vec(seen(), 0..8), longer in 0.0..60.0_f64,
    ) {
        let wider = Limits {
            wait_seconds: limits.wait_seconds + longer,
            hold_seconds: limits.hold_seconds + longer,
            ..limits
        };
        prop_assert!(queue_bound(&wider, &fleet) >= queue_bound(&limits, &fleet));
        prop_assert!(queue_bound(&limits, &fleet) <= limits.most);
    }

    /// The formula against slots that are reckoned one by one. With the busy ones evenly apart it is right to a
    /// request a server, and never promises more than they take by more than that.
    #[test]
    fn it_is_what_the_slots_do(fleet in prop::collection::vec(seen(), 1..6), within in 0.0..60.0_f64) {
        let evenly = |slot: u32, busy: u32| (f64::from(slot) + 0.5) / f64::from(busy);
        let slots: u32 = fleet.iter().map(|it| it.slots).sum();
        prop_assume!(takes(&fleet, within) < 100_000.0);
        let taken = starts(&fleet, evenly, within).len() as f64;
        let told = takes(&fleet, within);
        prop_assert!(told <= taken + fleet.len() as f64, "{told} {taken}");
        prop_assert!(taken <= told + f64::from(slots) + fleet.len() as f64, "{told} {taken}");
    }

    /// The wait is when so many are taken on, and not before.
    #[test]
    fn the_wait_is_the_inverse(fleet in prop::collection::vec(seen(), 1..6), ahead in 0_u32..500) {
        if let Some(wait) = wait_seconds(&fleet, ahead) {
            let wanted = f64::from(ahead) + 1.0;
            prop_assert!(takes(&fleet, wait) >= wanted);
            prop_assert!(wait == 0.0 || takes(&fleet, wait * (1.0 - 1e-9) - 1e-9) < wanted);
        }
    }

    #[test]
    fn no_number_is_too_odd(
        slots in any::<u32>(), in_flight in any::<u32>(), waiting in any::<u32>(),
        service in prop::option::of(any::<f64>()), ready in prop::option::of(any::<f64>()),
        wait_seconds in any::<f64>(), hold_seconds in any::<f64>(),
        unknown in any::<u32>(), most in any::<u32>(), most_retry_seconds in any::<u32>(),
    ) {
        let odd = Server { slots, in_flight, service_seconds: service, ready_in_seconds: ready };
        let limits = Limits { wait_seconds, hold_seconds, unknown, most, most_retry_seconds };
        if let Admission::Queue { wait_seconds: Some(wait) } = admit(&limits, &[odd, odd], waiting) {
            prop_assert!(wait.is_finite() && wait >= 0.0);
        }
    }
}

#[test]
fn a_start_from_zero_holds_what_asked_for_it() {
    let limits = Limits { hold_seconds: 120.0, unknown: 16, ..Limits::default() };
    let starting = Server { slots: 4, ready_in_seconds: Some(90.0), ..Server::default() };
    // Nothing was ever served: so many are held blindly, and nobody says for how long.
    assert_eq!(queue_bound(&limits, &[starting]), 16);
    assert_eq!(admit(&limits, &[starting], 0), Admission::Queue { wait_seconds: None });
    assert_eq!(admit(&limits, &[starting], 16), Admission::Reject { retry_after_seconds: 60 });
    // A start that takes longer than anyone is held.
    let late = Server { ready_in_seconds: Some(121.0), ..starting };
    assert_eq!(queue_bound(&limits, &[late]), 0);
    // It is there in 3 s, and 2 wait that its slots will take: come back then.
    let blind = Limits { unknown: 0, ..limits };
    let soon = Server { slots: 2, ready_in_seconds: Some(2.5), ..starting };
    assert_eq!(admit(&blind, &[soon], 2), Admission::Reject { retry_after_seconds: 3 });
    // Nobody is to come at all.
    assert_eq!(admit(&limits, &[], 0), Admission::Reject { retry_after_seconds: 60 });
}

#[test]
fn one_that_comes_soon_counts_beside_those_that_serve() {
    let limits = Limits { wait_seconds: 10.0, ..Limits::default() };
    let busy =
        Server { slots: 8, in_flight: 8, service_seconds: Some(8.0), ready_in_seconds: None };
    let soon = Server { in_flight: 0, ready_in_seconds: Some(6.0), ..busy };
    assert_eq!(queue_bound(&limits, &[busy]), 10);
    assert_eq!(queue_bound(&limits, &[busy, soon]), 18);
    assert_eq!(queue_bound(&limits, &[busy, Server { ready_in_seconds: Some(11.0), ..soon }]), 10);
}

#[test]
fn what_was_never_completed_has_no_service_time() {
    assert_eq!(service_seconds(0.0, 0.0), None);
    assert_eq!(service_seconds(3.0, f64::NAN), None);
    assert_eq!(service_seconds(0.0, 2.0), None);
    assert_eq!(service_seconds(3.0, 1.5), Some(2.0));
}
