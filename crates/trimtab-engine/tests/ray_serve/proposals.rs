//! The policy: what it proposes from tick to tick.

use proptest::prelude::*;
use trimtab_engine::strategy::ray_serve::{
    Course, Load, Parameters, Proposal, Replicas, Streak, propose,
};

const START: f64 = 1_795_514_400.0;

fn parameters() -> impl Strategy<Value = Parameters> {
    let factor = || prop::sample::select(vec![0.01, 0.1, 0.5, 1.0, 2.0, 3.0]);
    let delay = || prop::sample::select(vec![0.0, 0.1, 1.0, 5.0, 30.0]);
    let target = prop::sample::select(vec![0.5, 1.0, 2.0, 7.5, 100.0]);
    let counts = (prop::sample::select(vec![1, 1, 2, 4]), 0_i32..3);
    (target, factor(), factor(), delay(), delay(), delay(), counts).prop_map(
        |(target, up, down, upscale, downscale, to_zero, (gang_size, min))| Parameters {
            target_ongoing_requests: target,
            upscaling_factor: up,
            downscaling_factor: down,
            upscale_delay: upscale,
            downscale_delay: downscale,
            downscale_to_zero_delay: to_zero,
            gang_size,
            min_replicas: min * gang_size,
        },
    )
}

fn load() -> impl Strategy<Value = Load> {
    let requests = || prop_oneof![1 => Just(0.0), 4 => 0.0..500.0_f64, 1 => 0.0..1e300_f64];
    prop_oneof![
        3 => requests().prop_map(Load::Requests),
        1 => (-20.0..100.0_f64, requests())
            .prop_map(|(desired, requests)| Load::Custom { desired, requests }),
    ]
}

/// Ticks that follow each other by tenths of a second: replicas that run, target, load.
fn ticks() -> impl Strategy<Value = Vec<(u32, Replicas, Load)>> {
    let replicas = (0_i32..30, prop_oneof![Just(0), Just(1), Just(4), 0_i32..30])
        .prop_map(|(running, target)| Replicas { running, target });
    prop::collection::vec((1_u32..100, replicas, load()), 1..40)
}

/// Runs the ticks; `each` sees the streak before, the time, the proposal and the streak after.
fn run(
    parameters: &Parameters,
    ticks: &[(u32, Replicas, Load)],
    mut each: impl FnMut(Streak, f64, Replicas, Proposal, Streak) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let (mut streak, mut tenths) = (Streak::default(), 0_u32);
    for (wait, replicas, load) in ticks {
        tenths += wait;
        let now = START + f64::from(tenths) / 10.0;
        let (proposal, after) = propose(parameters, *replicas, *load, now, streak);
        each(streak, now, *replicas, proposal, after)?;
        streak = after;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Counts come in whole gangs, and none is negative.
    #[test]
    fn whole_gangs(parameters in parameters(), ticks in ticks()) {
        run(&parameters, &ticks, |_, _, _, proposal, _| {
            prop_assert!(proposal.replicas >= 0);
            prop_assert_eq!(proposal.replicas % parameters.gang_size, 0);
            prop_assert!(proposal.replicas - proposal.before_gangs.max(0) < parameters.gang_size);
            Ok(())
        })?;
    }

    /// The way to 0 leads over the last replica, or the last gang.
    #[test]
    fn nothing_goes_to_zero_but_the_last(parameters in parameters(), ticks in ticks()) {
        run(&parameters, &ticks, |_, _, replicas, proposal, _| {
            let last = [0, 1, parameters.gang_size].contains(&replicas.target);
            prop_assert!(proposal.replicas > 0 || last, "{} -> 0", replicas.target);
            Ok(())
        })?;
    }

    /// Between 0 and the next, nothing moves before its delay, and a streak that turns begins anew.
    #[test]
    fn streaks(parameters in parameters(), ticks in ticks()) {
        run(&parameters, &ticks, |before, now, replicas, proposal, after| {
            let Course::Delayed { wait, scaled, .. } = proposal.course else {
                prop_assert_eq!(replicas.running, 0);
                prop_assert_eq!(after, before);
                return Ok(());
            };
            let Some(wait) = wait else {
                prop_assert_eq!(after, Streak::default());
                return Ok(());
            };
            let up = wait.direction == trimtab_engine::Direction::Up;
            let turned = if up { before.counter < 0 } else { before.counter > 0 };
            if before.counter == 0 || turned {
                prop_assert_eq!(wait.since, now);
            }
            prop_assert_eq!(wait.over, now - wait.since + 1e-6 >= wait.delay);
            if wait.over {
                prop_assert_eq!(after, Streak::default());
                prop_assert!(!up || proposal.before_gangs == scaled);
            } else {
                prop_assert_eq!(after.since.map(trimtab_engine::Finite::get), Some(wait.since));
                prop_assert_eq!(after.counter.signum(), if up { 1 } else { -1 });
                let expected = if turned { 1 } else { before.counter.abs() + 1 };
                prop_assert_eq!(after.counter.abs(), expected);
            }
            Ok(())
        })?;
    }

    /// A streak that was written down and read again goes on as before.
    #[test]
    fn streaks_survive_a_restart(parameters in parameters(), ticks in ticks()) {
        run(&parameters, &ticks, |_, now, replicas, _, after| {
            let text = serde_json::to_string(&after).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let again = serde_json::from_str(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(after, again);
            let next = |streak| propose(&parameters, replicas, Load::Requests(7.0), now + 3.0, streak);
            prop_assert_eq!(next(after), next(again));
            Ok(())
        })?;
    }

    /// More load never asks for fewer replicas, and a way down is always a step down.
    #[test]
    fn monotone(
        parameters in parameters(),
        running in 1_i32..100,
        low in 0.0..1000.0_f64,
        more in 0.0..1000.0_f64,
    ) {
        let scaled = |requests| {
            let replicas = Replicas { running, target: running };
            match propose(&parameters, replicas, Load::Requests(requests), START, Streak::default()) {
                (Proposal { course: Course::Delayed { desired, scaled, .. }, .. }, _) => {
                    (desired, scaled)
                }
                (proposal, _) => unreachable!("{proposal:?}"),
            }
        };
        let ((desired, fewer), (_, most)) = (scaled(low), scaled(low + more));
        prop_assert!(fewer <= most, "{fewer} > {most}");
        prop_assert!(desired.ceil() >= f64::from(running) || fewer < running);
    }

    /// Whatever floats come in, a count comes out.
    #[test]
    fn no_float_is_too_much(
        desired in prop::num::f64::ANY,
        requests in prop::num::f64::ANY,
        replicas in (any::<i32>(), any::<i32>()),
        gang_size in any::<i32>(),
        parameters in parameters(),
    ) {
        let parameters = Parameters { gang_size, ..parameters };
        let replicas = Replicas { running: replicas.0, target: replicas.1 };
        for load in [Load::Requests(requests), Load::Custom { desired, requests }] {
            propose(&parameters, replicas, load, START, Streak::default());
        }
    }
}

fn plain() -> Parameters {
    Parameters {
        target_ongoing_requests: 2.0,
        upscaling_factor: 1.0,
        downscaling_factor: 1.0,
        upscale_delay: 0.0,
        downscale_delay: 0.0,
        downscale_to_zero_delay: 0.0,
        gang_size: 1,
        min_replicas: 0,
    }
}

fn once(parameters: Parameters, running: i32, target: i32, load: Load) -> i32 {
    let replicas = Replicas { running, target };
    propose(&parameters, replicas, load, START, Streak::default()).0.replicas
}

#[test]
fn a_cold_start_is_as_large_as_the_factor() {
    let parameters = Parameters { upscaling_factor: 2.5, upscale_delay: 30.0, ..plain() };
    assert_eq!(once(parameters, 0, 0, Load::Requests(100.0)), 3);
    assert_eq!(once(parameters, 0, 5, Load::Requests(100.0)), 5);
    assert_eq!(once(parameters, 0, 5, Load::Requests(0.0)), 5);
    assert_eq!(once(parameters, 0, 0, Load::Custom { desired: 7.2, requests: 0.0 }), 8);
}

#[test]
fn a_small_factor_still_moves_down() {
    let parameters = Parameters { downscaling_factor: 0.01, ..plain() };
    assert_eq!(once(parameters, 10, 10, Load::Requests(0.0)), 9);
    assert_eq!(once(parameters, 10, 10, Load::Requests(19.0)), 10); // 9.5 is 10
}

#[test]
fn the_last_gang_goes_as_one() {
    let parameters = Parameters { gang_size: 4, ..plain() };
    assert_eq!(once(parameters, 8, 8, Load::Requests(0.0)), 4);
    assert_eq!(once(parameters, 4, 4, Load::Requests(0.0)), 0);
    assert_eq!(once(Parameters { min_replicas: 4, ..parameters }, 4, 4, Load::Requests(0.0)), 4);
    assert_eq!(once(parameters, 4, 4, Load::Requests(9.0)), 8);
    let most = Load::Custom { desired: f64::INFINITY, requests: 0.0 };
    assert_eq!(once(parameters, 4, 4, most), i32::MAX / 4 * 4);
}

#[test]
fn what_is_not_a_number_changes_nothing() {
    let load = Load::Custom { desired: f64::NAN, requests: 1.0 };
    assert_eq!(once(plain(), 3, 3, load), 3);
    assert_eq!(once(plain(), 3, 3, Load::Requests(f64::NAN)), 3);
}
