//! The built-in profiles and the server against measurements, as Markdown tables:
//! `cargo test -p trimtab-sim --test calibration -- --nocapture`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail by panic, and this one prints tables"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use trimtab_sim::{Moment, Request, Served, Server, ServerEvents, ServiceProfile};

type Row = BTreeMap<String, String>;

/// The rows of a file of measurements; `None`, and a line that says so, where there are none.
fn measured(file: &str) -> Option<Vec<Row>> {
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("domain/profiles").join(file);
    let Ok(mut reader) = csv::Reader::from_path(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    Some(reader.deserialize().map(Result::unwrap).collect())
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap()
}

fn count(row: &Row, column: &str) -> u32 {
    row[column].parse().unwrap()
}

/// How measurements call the model and the GPUs of a profile.
fn is_of(profile: &ServiceProfile, model: &str, gpu: &str, gpus: u32) -> bool {
    let model = model.rsplit('/').next().unwrap_or_default().to_lowercase();
    let model = model.trim_start_matches("meta-").trim_end_matches("-instruct");
    let gpu = gpu.trim_end_matches("_sxm").trim_end_matches("-80gb");
    profile.model == model && profile.gpu == gpu && profile.gpus == gpus
}

/// Quantiles of relative errors.
struct Errors(Vec<f64>);

impl Errors {
    fn median(&self) -> f64 {
        quantile(self.0.clone(), 0.5)
    }

    /// Of their sizes.
    fn size(&self, q: f64) -> f64 {
        quantile(self.0.iter().map(|error| error.abs()).collect(), q)
    }

    fn cells(&self) -> String {
        format!(
            "{:+.0} % | {:.0} % | {:.0} %",
            self.median() * 100.0,
            self.size(0.5) * 100.0,
            self.size(0.9) * 100.0
        )
    }
}

fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * q).round() as usize]
}

// The server, end to end.

/// What is known of how an engine was measured, apart from the concurrency.
struct Harness {
    backend: &'static str,
    /// Its mean is over so many rounds of the concurrency, the first of which began all at once.
    rounds: f64,
    /// One request more is in flight than the engine takes: it waits for another to end.
    one_waits: bool,
    /// What the medians and 90th percentiles of the error of the time per token may be.
    tpot: [f64; 2],
    /// The same of the time to first token; `None` where the engine schedules otherwise.
    ttft: Option<[f64; 2]>,
}

/// The time per token hardly hangs on the harness; the time to first token does, and what the harness
/// was is not recorded with the data but read off them:
///
/// - vLLM's grows, for prompts of 1024 tokens, by 4.3 ms with every request in flight, whatever the
///   answers' lengths. That is a fifth of what the mean grows by when all begin at once.
/// - TensorRT-LLM's grows with the answers' lengths, by one part in `concurrency - 1` of the time that
///   a request takes: one request waits for a place.
/// - SGLang's is about the time to read all prompts in flight: it reads all that wait before it
///   decodes, where the simulated server decodes along. So it answers later and generates faster than
///   the simulated one, and its time to first token is printed only.
///
/// So the time to first token in the harness shows that the shape agrees, not that it was foretold.
const HARNESSES: [Harness; 3] = [
    Harness {
        backend: "vllm",
        rounds: 5.0,
        one_waits: false,
        tpot: [0.10, 0.20],
        ttft: Some([0.20, 0.50]),
    },
    Harness {
        backend: "trtllm",
        rounds: 5.0,
        one_waits: true,
        tpot: [0.05, 0.10],
        ttft: Some([0.20, 0.40]),
    },
    Harness { backend: "sglang", rounds: 5.0, one_waits: false, tpot: [0.30, 0.60], ttft: None },
];

#[derive(Default)]
struct Finished(Vec<(Request, Moment, Moment)>);

impl ServerEvents for Finished {
    fn first_token(&mut self, _: Moment, _: &Served) {}

    fn finished(&mut self, now: Moment, served: &Served) {
        self.0.push((served.request, served.first_token, now));
    }

    fn tokens(&mut self, _: u64, _: f64) {}
}

/// Rounds of the concurrency that a steady state is measured over.
const STEADY_ROUNDS: u32 = 4;

/// Mean times to first token and per token with `clients` requests in flight all the time, in
/// milliseconds.
///
/// With equal lengths, requests that begin together would end together for ever, which nothing real
/// does. So the first round, which is not measured, has answers of all lengths: from then on, one
/// request ends after the other, as in a steady state.
fn steady(profile: &ServiceProfile, clients: u32, isl: u32, osl: u32) -> [f64; 2] {
    let mut server = Server::new(profile);
    let request = |arrival, output_tokens| Request { arrival, input_tokens: isl, output_tokens };
    for client in 1..=clients {
        let part = (osl * client / clients).max(1);
        server.submit(Moment::START, request(Moment::START, part));
    }
    let mut finished = Finished::default();
    let (mut ttft, mut tpot, mut measured) = (0.0, 0.0, 0);
    while measured < clients * STEADY_ROUNDS {
        let now = server.next_event();
        server.advance(&mut finished);
        for (done, first, last) in finished.0.drain(..) {
            if done.arrival > Moment::START {
                ttft += first.seconds_since(done.arrival);
                tpot += done.time_per_output_token(first, last).unwrap();
                measured += 1;
            }
            server.submit(now, request(now, osl));
        }
    }
    [ttft, tpot].map(|sum| sum / f64::from(measured) * 1e3)
}

/// The mean time to first token of so many requests at once, in milliseconds.
fn burst(profile: &ServiceProfile, clients: u32, isl: u32, osl: u32) -> f64 {
    let mut server = Server::new(profile);
    let request = Request { arrival: Moment::START, input_tokens: isl, output_tokens: osl };
    for _ in 0..clients {
        server.submit(Moment::START, request);
    }
    let mut finished = Finished::default();
    while server.next_event() < Moment::NEVER {
        server.advance(&mut finished);
    }
    let sum: f64 = finished.0.iter().map(|(_, first, _)| first.seconds()).sum();
    sum / f64::from(clients) * 1e3
}

/// Errors of the time per token, of the steady time to first token, and of that in the harness.
fn compare(profile: &ServiceProfile, harness: &Harness, points: &[&Row]) -> [Errors; 3] {
    let mut errors = [const { Vec::new() }; 3];
    for row in points {
        let [clients, isl, osl] = ["batch_size", "isl", "osl"].map(|column| count(row, column));
        let [steady_ttft, tpot] = steady(profile, clients, isl, osl);
        let mut waiting = steady_ttft;
        if harness.one_waits {
            let one_less = ServiceProfile { max_sequences: clients - 1, ..profile.clone() };
            [waiting, _] = steady(&one_less, clients, isl, osl);
        }
        let first = burst(profile, clients, isl, osl);
        let ttft = waiting + (first - waiting) / harness.rounds;
        let relative = |found: f64, column: &str| found / number(row, column) - 1.0;
        errors[0].push(relative(tpot, "silicon_tpot_ms"));
        errors[1].push(relative(steady_ttft, "silicon_ttft_ms"));
        errors[2].push(relative(ttft, "silicon_ttft_ms"));
    }
    errors.map(Errors)
}

#[test]
fn the_server_is_as_fast_as_engines_were_measured_to_be() {
    let Some(rows) = measured("measured_silicon_agg_subset.csv") else { return };
    let mut table = String::from(
        "\nThe server against engines, end to end, at 8 to 128 requests in flight: the median error, the \
         median of its size and the 90th percentile of its size.\n\n\
         | profile | engine | points | TPOT | | | TTFT, steady | | | TTFT, in the harness | | |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let (mut without, mut asserted) = (Vec::new(), 0);
    for profile in ServiceProfile::builtin() {
        let of_profile = |row: &&Row| {
            let gpus = count(row, "tp_size");
            row["precision"].is_empty() && is_of(&profile, &row["model_path"], &row["system"], gpus)
        };
        let of_profile: Vec<&Row> = rows.iter().filter(of_profile).collect();
        if of_profile.is_empty() {
            without.push(profile.name.clone());
        }
        for harness in HARNESSES {
            let of_backend = |row: &&&Row| row["backend"] == harness.backend;
            let points: Vec<&Row> = of_profile.iter().filter(of_backend).copied().collect();
            if points.is_empty() {
                continue;
            }
            let [tpot, steady, ttft] = compare(&profile, &harness, &points);
            let (name, backend) = (&profile.name, harness.backend);
            let cells = [&tpot, &steady, &ttft].map(Errors::cells).join(" | ");
            writeln!(table, "| {name} | {backend} | {} | {cells} |", points.len()).unwrap();

            asserted += points.len();
            let bounds = [(&tpot, Some(harness.tpot)), (&ttft, harness.ttft)];
            for (errors, bound) in bounds {
                let Some([median, p90]) = bound else { continue };
                assert!(errors.size(0.5) < median, "{name} {backend}: {}", errors.cells());
                assert!(errors.size(0.9) < p90, "{name} {backend}: {}", errors.cells());
            }
        }
    }
    println!("{table}\nWithout a measured counterpart: {}.", without.join(", "));
    assert!(asserted > 90, "{asserted}");
}

// The fits.

#[test]
fn the_fits_are_as_good_as_they_say() {
    let Some(rows) = measured("aiconfigurator_vllm_bf16_profiles.csv") else { return };
    let Some(stated) = measured("service_time_fits.csv") else { return };
    let mut table = String::from(
        "\nThe fits against the kernel measurements that they were fitted to: prompts up to 16k tokens, \
         batches that fit the KV cache.\n\n\
         | profile | prefill, median | largest | decode, median | largest |\n|---|---|---|---|---|\n",
    );
    for profile in ServiceProfile::builtin() {
        let is_of_it = |row: &&Row, gpus: &str| {
            is_of(&profile, &row["model"], &row["system"], count(row, gpus))
        };
        let (mut prefill, mut decode) = (Vec::new(), Vec::new());
        for row in rows.iter().filter(|row| is_of_it(row, "tensor_parallel")) {
            let (batch, context) = (number(row, "batch_size"), count(row, "context_tokens"));
            if row["phase"] == "prefill" {
                if context <= 16_384 {
                    let found = profile.prefill.seconds(context) * 1e3;
                    prefill.push(found / number(row, "prefill_ms") - 1.0);
                }
            } else if batch * f64::from(context) <= profile.kv_tokens as f64 {
                let found = profile.decode.seconds(batch, batch * f64::from(context)) * 1e3;
                decode.push(found / number(row, "itl_ms") - 1.0);
            }
        }
        let fit = stated.iter().find(|row| is_of_it(row, "tensor_parallel")).unwrap();
        let [prefill, decode] = [prefill, decode].map(Errors);
        let name = &profile.name;
        for (errors, column) in
            [(&prefill, "prefill_max_rel_err_pct"), (&decode, "itl_max_rel_err_pct")]
        {
            let largest = errors.size(1.0) * 100.0;
            let said = number(fit, column);
            assert!((largest - said).abs() < 0.1, "{name}: {largest} %, {column} {said}");
        }
        let cells = [&prefill, &decode].map(|errors| {
            format!("{:.1} % | {:.1} %", errors.size(0.5) * 100.0, errors.size(1.0) * 100.0)
        });
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    println!("{table}");
}

/// Other people's measurements of like models and of other parallelism: to look at, not to agree.
#[test]
fn others_measured_something_like_it() {
    let mut table = String::from(
        "\nThe fits against independent measurements of like models: the profile's time over the measured one.\n\n\
         | profile | measured | prefill, median | range | decode, median | range |\n|---|---|---|---|---|---|\n",
    );
    let sources = [
        ("splitwise_llm_profile_medians.csv", "llama2-70b", "a100-80gb", 4, "llama-3.1-70b-a100x4"),
        ("splitwise_llm_profile_medians.csv", "llama2-70b", "h100-80gb", 4, "llama-3.1-70b-h100x4"),
        ("sageserve_a100_llama3_measured.csv", "Llama-3.1-8B", "a100-80gb", 2, "llama-3.1-8b-a100"),
    ];
    for (file, model, hardware, gpus, name) in sources {
        let Some(rows) = measured(file) else { return };
        let profile = ServiceProfile::named(name).unwrap();
        let of_it = |row: &&Row| {
            row["model"] == model
                && row["hardware"] == hardware
                && count(row, "tensor_parallel") == gpus
        };
        let (mut prefill, mut decode) = (Vec::new(), Vec::new());
        for row in rows.iter().filter(of_it) {
            let (batch, prompt) = (number(row, "batch_size"), count(row, "prompt_tokens"));
            let context = f64::from(prompt) + number(row, "output_tokens") / 2.0;
            let step = profile.decode.seconds(batch, batch * context) * 1e3;
            decode.push(step / number(row, "itl_ms_median"));
            if batch == 1.0 {
                let found = profile.prefill.seconds(prompt) * 1e3;
                prefill.push(found / number(row, "prefill_ms_median"));
            }
        }
        let cells = [prefill, decode].map(|ratios| {
            let [least, median, most] = [0.0, 0.5, 1.0].map(|q| quantile(ratios.clone(), q));
            format!("{median:.2} | {least:.2} to {most:.2}")
        });
        writeln!(table, "| {name} | {model}, {hardware}, TP{gpus} | {} |", cells.join(" | "))
            .unwrap();
    }
    println!("{table}");
}
