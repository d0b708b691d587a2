//! What is left on the disk when it is full, or the process is killed in the middle of a write.

#![cfg(target_os = "linux")]

#[cfg(test)]
mod ports;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use ports::{Pool, Queue, id, policy_of};
use trimtab_engine::{Digest, LogEntry, State};
use trimtab_metric::Timestamp;
use trimtab_runtime::{
    Controller, FileStore, JsonlSink, MetricSource, Rotation, ScaleTarget, StateStore, StoreError,
    Stored, Workload,
};

/// Where the part of a test that runs in a process of its own is to work.
const DIRECTORY: &str = "TRIMTAB_TEST_DIRECTORY";

/// This very test, in a process of its own, begun by `by`.
#[cfg(test)]
fn myself(by: &[&str], test: &str, directory: &Path) -> Command {
    let mut words = by.iter().map(PathBuf::from).chain([env::current_exe().unwrap()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--exact", test, "--nocapture"]).env(DIRECTORY, directory);
    command
}

#[cfg(test)]
fn directory() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

const WORKLOADS: usize = 50;

#[test]
fn killed_at_any_moment_it_has_lost_at_most_the_last_line() {
    const TEST: &str = "killed_at_any_moment_it_has_lost_at_most_the_last_line";
    if let Some(directory) = directory() {
        return scale_until_killed(&directory);
    }
    let directory = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let mut child = myself(&[], TEST, directory.path()).stdout(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(1300 + 170 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        check(directory.path());
    }
}

/// 50 decisions a second, each saved and logged.
#[cfg(test)]
fn scale_until_killed(directory: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = FileStore::open(directory.join("state")).unwrap();
        let rotation = Rotation { bytes: 1 << 18, keep: 1000 };
        let sink = JsonlSink::open(directory.join("log"), rotation).unwrap();
        let controller = Controller::builder(Arc::new(store)).with_sink(Arc::new(sink)).build();
        let policy = policy_of(r#""behavior": {}, "hpa": {"syncPeriodSeconds": 1},"#);
        for number in 0..WORKLOADS {
            let (target, source) = (Pool::of(1), Queue::of(u32::try_from(number).unwrap() * 3));
            let workload = Workload::new(
                id(&format!("w/{number}")),
                policy.clone(),
                target as Arc<dyn ScaleTarget>,
            )
            .with_source(source as Arc<dyn MetricSource>);
            controller.set(workload);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
}

#[cfg(test)]
fn check(directory: &Path) {
    let ends = logged(directory);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = FileStore::open(directory.join("state")).unwrap();
    let mut loaded = 0;
    for number in 0..WORKLOADS {
        let name = format!("w/{number}");
        let Some(stored) = runtime.block_on(store.load(&id(&name))).unwrap() else { continue };
        loaded += 1;
        if stored.pending.is_some() {
            continue; // a change was under way
        }
        let (last, before) = &ends[&name];
        let digest = stored.state.digest();
        // What was saved is the state after the last decision in the log, or after the one that is lost.
        assert!(digest == *last || stored.at > *before, "{name} has lost more than a line");
    }
    assert!(loaded > WORKLOADS / 2, "{loaded} states");
}

/// The state after the last decision of each workload, and when it was made. Each goes on from the one before it.
#[cfg(test)]
fn logged(directory: &Path) -> BTreeMap<String, (Digest, Timestamp)> {
    // Opening cuts off what was not finished.
    drop(JsonlSink::open(directory.join("log"), Rotation::default()).unwrap());
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    let number = |path: &PathBuf| -> u32 {
        path.extension().map_or(0, |number| number.to_str().unwrap().parse().unwrap())
    };
    files.sort_by_key(|path| std::cmp::Reverse(number(path)));
    let mut ends = BTreeMap::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            let LogEntry::Decision(record) = serde_json::from_str(line).unwrap() else { continue };
            let name = record.workload.unwrap();
            ends.insert(name, (record.after, record.observation.time));
        }
    }
    ends
}

#[test]
fn a_disk_that_is_full_keeps_what_was_saved() {
    const TEST: &str = "a_disk_that_is_full_keeps_what_was_saved";
    if let Some(directory) = directory() {
        return fill(&directory);
    }
    let directory = tempfile::tempdir().unwrap();
    // In name spaces of its own, so that the mount ends with it and no rights are asked for.
    let by = ["unshare", "--user", "--map-root-user", "--mount"];
    match myself(&by, TEST, directory.path()).output() {
        Ok(output) if output.status.success() => {
            let told = String::from_utf8_lossy(&output.stdout);
            if let Some(line) = told.lines().find(|line| line.contains("skipped")) {
                println!("{line}");
            }
        }
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("unshare") => {
            println!("skipped: no user name space can be had here for a small disk");
        }
        Ok(output) => panic!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: `unshare` can't be run: {error}"),
    }
}

#[cfg(test)]
fn fill(directory: &Path) {
    let mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs"];
    let mounted = Command::new("mount").args(mount).arg(directory).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: no small disk can be mounted here");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = FileStore::open(directory.join("state")).unwrap();
    let name = id("llm");
    let stored = |second| Stored {
        at: Timestamp::from_secs(second),
        state: State::default(),
        pending: None,
    };
    runtime.block_on(async {
        store.save(&name, &stored(1)).await.unwrap();
        let mut filler = vec![0_u8; 1 << 20];
        while fs::write(directory.join("filler"), &filler).is_err() && filler.len() > 512 {
            // As much as there is room for.
            filler.truncate(filler.len() * 9 / 10);
        }
        let error = store.save(&name, &stored(2)).await.unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error}");
        assert_eq!(store.load(&name).await.unwrap(), Some(stored(1)));
        fs::remove_file(directory.join("filler")).unwrap();
        store.save(&name, &stored(3)).await.unwrap();
        assert_eq!(store.load(&name).await.unwrap(), Some(stored(3)));
        let left = fs::read_dir(directory.join("state")).unwrap().count();
        assert_eq!(left, 2, "no half files are left");
    });
}
