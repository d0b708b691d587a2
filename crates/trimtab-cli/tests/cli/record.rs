//! `trimtab record`, against a server that answers range queries.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use snapbox::str;

use crate::command::{Desk, trimtab};

/// The address of a server that has had these since ever.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _gone = answer(stream);
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let (status, body) = if request.contains("broken") {
        (
            "400 Bad Request",
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.into(),
        )
    } else {
        ("200 OK", matrix(&request))
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes())
}

fn matrix(request: &str) -> String {
    let parameter = |name: &str| -> i64 {
        let (_, after) = request.split_once(&format!("{name}=")).unwrap();
        let end = after.find(['&', ' ']).unwrap();
        after[..end].parse().unwrap()
    };
    let (start, end, step) = (parameter("start"), parameter("end"), parameter("step"));
    let is_time = request.contains("timestamp");
    let series = |labels: &str, value: &dyn Fn(i64) -> i64| {
        let points: Vec<String> = (0..=(end - start) / step)
            .map(|index| {
                let at = start + index * step;
                let value = if is_time { at } else { value(at) };
                format!("[{at},\"{value}\"]")
            })
            .collect();
        format!("{{\"metric\":{{{labels}}},\"values\":[{}]}}", points.join(","))
    };
    let result = if request.contains("running") {
        let pod = |name: &str| series(&format!("\"pod\":\"{name}\""), &|at| at / 60 % 40);
        [pod("a"), pod("b")].join(",")
    } else {
        series("", &|at| 1 + at / 60 % 3)
    };
    format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{result}]}}}}"
    )
}

const POLICY: &str = "\
apiVersion: trimtab.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: llm}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  strategy: hpa
  maxReplicas: 9
  metrics:
  - type: Pods
    pods:
      metric: {name: running}
      target: {type: AverageValue, averageValue: \"10\"}
  - type: External
    external:
      metric: {name: arrivals}
      target: {type: AverageValue, averageValue: \"1\"}
";

const QUERIES: &str = "\
metrics:
- metric: running
  query: sum by (pod) (running)
- metric: arrivals
  query: rate(arrivals_total[20s])
";

#[test]
fn what_is_recorded_can_be_evaluated_and_backtested() {
    let desk = Desk::new();
    let (policy, queries) = (desk.write("llm.yaml", POLICY), desk.write("queries.yaml", QUERIES));
    let server = desk.write("server.yaml", format!("addresses: [\"{}\"]\n", server()));
    let (trace, rates) = (desk.path("trace.jsonl.gz"), desk.path("rates.csv"));
    let record = || {
        trimtab(["record", "--range", "1d", "--end", "2026-01-02T00:00:00Z", "--rate", "arrivals"])
            .arg("--policy")
            .arg(&policy)
            .arg("--server")
            .arg(&server)
            .arg("--queries")
            .arg(&queries)
            .args(["--replicas", "spec_replicas", "--output"])
            .arg(&trace)
            .arg("--rates")
            .arg(&rates)
    };
    record()
        .assert()
        .success()
        .stdout_eq(str![[r#"
5761 observations from 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z in `[..]trace.jsonl.gz`
5761 windows of `arrivals` in `[..]rates.csv`

"#]])
        .stderr_eq(str![[r#"
note: `arrivals`: `rate(arrivals_total[20s])` needs two samples, and with a scrape every 15s there may be one: take 1m or more
note: `arrivals`: if it has several series they are added up: say so by `sum(…)`, lest it counts what it should not

"#]]);
    assert_eq!(
        desk.names(),
        ["llm.yaml", "queries.yaml", "rates.csv", "server.yaml", "trace.jsonl.gz"]
    );
    let evaluated = trimtab(["evaluate", "--no-plot", "--policy"])
        .arg(&policy)
        .arg("--series")
        .arg(&trace)
        .assert()
        .success();
    let text = String::from_utf8(evaluated.get_output().stdout.clone()).unwrap();
    assert!(text.contains("5761"), "{text}");
    let csv = std::fs::read_to_string(&rates).unwrap();
    assert!(csv.starts_with("window_start_s,rate_rps\n0,"), "{}", &csv[..40]);
    trimtab(["backtest", "--policy", "../presets/vllm.yaml", "--rate-scale", "0.01"])
        .args(["--time-scale", "0.01", "--trace"])
        .arg(&rates)
        .assert()
        .success();

    // What is there is not written over.
    record().assert().code(2).stdout_eq("").stderr_eq(str![[r#"
note: `arrivals`: `rate(arrivals_total[20s])` needs two samples, and with a scrape every 15s there may be one: take 1m or more
note: `arrivals`: if it has several series they are added up: say so by `sum(…)`, lest it counts what it should not
error: `[..]trace.jsonl.gz` is there already: remove it, or name another

"#]]);
}

#[test]
fn what_can_not_be_recorded() {
    let desk = Desk::new();
    let policy = desk.write("llm.yaml", POLICY);
    let queries = desk.write("queries.yaml", "metrics:\n- {metric: running, query: broken}\n");
    let url = server();
    let record = |arguments: &[&str]| {
        trimtab(["record", "--range", "1h", "--end", "2026-01-02T00:00:00Z", "--prometheus", &url])
            .arg("--policy")
            .arg(&policy)
            .arg("--output")
            .arg(desk.path("trace.jsonl"))
            .args(arguments)
    };
    let queries = queries.to_str().unwrap();
    record(&["--queries", queries]).assert().code(2).stdout_eq("").stderr_eq(str![[r#"
note: `arrivals`: nothing is asked for it here, so that it is missing unless another source has it
error: `broken` from 2026-01-01T23:00:00Z to 2026-01-02T00:00:00Z: the question is refused: parse error
  = help: what was recorded before is kept, and the same command goes on from there

"#]]);
    record(&["--preset", "vllm"]).assert().code(2).stderr_eq(str![[r#"
note: `running`: nothing is asked for it here, so that it is missing unless another source has it
note: `arrivals`: nothing is asked for it here, so that it is missing unless another source has it
error: there is no query for any metric of the policy: it has `running`, `arrivals`
  = help: name a `--preset` whose metrics the policy has, or give `--queries`

"#]]);
    for arguments in [&["--preset", "vLLM"][..], &[], &["--preset", "vllm", "--rate", "x"]] {
        let done = record(arguments).assert().code(2).stdout_eq("");
        assert!(!done.get_output().stderr.is_empty(), "{arguments:?}");
    }
}
