//! Whatever clients, replicas and decisions do, no slot is lost and none is given twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use trimtab_runtime::{Change, ScaleTarget};

use crate::harness::{Mocks, Served, chunk, config, fast, policy};

const SLOTS: u32 = 4;
const CLIENTS: u64 = 400;
const STREAM: &str = r#"{"stream": true, "max_tokens": 8, "messages": []}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_is_lost_and_none_is_given_twice() {
    let mocks = Mocks::new(fast());
    let queue = "queue: {unknown: 100}";
    let served = Served::new(config(SLOTS, queue), policy(3, 3, ""), mocks.clone()).await;
    let served = Arc::new(served.ready(3).await);
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (served, answered) = (Arc::clone(&served), Arc::clone(&answered));
        clients.spawn(async move {
            tokio::time::sleep(Duration::from_millis(client * 7 % 500)).await;
            // Some have little patience, some leave in the middle, most stay.
            let patience = if client % 5 == 0 { client % 40 } else { 60_000 };
            let asked = timeout(Duration::from_millis(patience), served.ask(STREAM)).await;
            let Ok(mut answer) = asked else { return };
            let status = answer.status().as_u16();
            assert!(matches!(status, 200 | 429 | 502 | 503), "{status}");
            if client % 7 == 0 {
                chunk(&mut answer).await;
                return;
            }
            let mut last = String::new();
            while let Some(text) = chunk(&mut answer).await {
                last += &text;
            }
            let ends = ["[DONE]\n\n", "\"replica_lost\"}}\n\n", "}"];
            assert!(ends.iter().any(|end| last.ends_with(end)), "{status} {last}");
            answered.fetch_add(u32::from(last.ends_with("[DONE]\n\n")), Ordering::Relaxed);
        });
    }
    let trouble = {
        let (served, is_over, mocks) = (Arc::clone(&served), Arc::clone(&is_over), mocks.clone());
        tokio::spawn(async move {
            let workload = "mock".parse().unwrap();
            for round in 0_usize.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let names: Vec<String> = {
                    let state = served.gateway.fleet.lock();
                    for one in &state.replicas {
                        assert!(one.in_flight <= SLOTS, "{} has {}", one.name, one.in_flight);
                    }
                    state.replicas.iter().map(|one| one.name.clone()).collect()
                };
                let name = |at: usize| names.get(at % names.len().max(1)).cloned();
                let mut change = Change::of(3, 3);
                change.drain.extend(name(round));
                change.take_back.extend(name(round + 1));
                served.gateway.fleet.write(&workload, &change).await.unwrap();
                if round == 20 || round == 60 {
                    let one = mocks.all().into_iter().next_back().unwrap();
                    one.crash().await;
                }
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        })
    };
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    trouble.await.unwrap();

    served
        .until("all slots are free and nobody waits", |gateway| {
            let state = gateway.fleet.lock();
            state.in_flight() == 0 && state.queue.is_empty()
        })
        .await;
    let totals = served.gateway.fleet.lock().signals.totals();
    let answered = u64::from(answered.load(Ordering::Relaxed));
    assert!(answered > CLIENTS / 10, "{answered} of {CLIENTS}");
    assert!(totals.completed >= answered && totals.completed + totals.rejected <= totals.arrived);
    // What was drained in the end is taken back, and all of it works still.
    served
        .until("three serve", |gateway| {
            gateway.fleet.lock().replicas.iter().filter(|one| one.serves()).count() == 3
        })
        .await;
    assert_eq!(served.ask(STREAM).await.status(), 200);
    Arc::into_inner(served).unwrap().shutdown().await;
}
