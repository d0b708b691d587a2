//! The page of the built-in service profiles.

use trimtab_sim::{Moment, Request, ServiceProfile};

use crate::{note, row};

const INTRODUCTION: &str = "
*How long does serving take, by model and GPU?*

A profile is what the simulator knows of a server. `--profile NAME` takes one of these, `--profile-file FILE` one of your
own; in Rust it is `ServiceProfile`.

";

const HEAD: &str = "
| name | model | GPU | GPUs | KV tokens | sequences | batched tokens |
| --- | --- | --- | ---: | ---: | ---: | ---: |
";

const TIMES: &str = "
*KV tokens* is what the cache holds, *sequences* how many are decoded at once at most (vLLM's `max_num_seqs`), *batched
tokens* how many one iteration processes at most (vLLM's `max_num_batched_tokens`).

## Times

Reading a prompt of *n* tokens takes *c0 + c1 n + c2 n²* milliseconds. A decode step of *B* sequences with *KV* tokens of
context in all takes *a + b B + c KV* milliseconds. The last two columns say what that makes of a request with 1,024 tokens
in and 129 out that has a replica for itself.

| name | c0 | c1 | c2 | a | b | c | TTFT | per token |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

const OWN: &str = "
## A profile of your own

```yaml
";

const FIELDS: &str = "```

Every field is required. Counts are at least 1. Coefficients are from 0 to 1,000,000 ms, and a token takes at least 0.001 ms
(`c0Ms + c1Ms` and `aMs + bMs`). `source` is for people.

To fit one: measure the time to the first token of single prompts of several lengths on an idle server, and fit *c0*, *c1*
and *c2*; measure the time per output token at several batch sizes and context lengths, and fit *a*, *b* and *c*. Fit
relative errors, not absolute ones, or the long prompts decide alone.
";

pub(crate) fn page() -> String {
    let profiles = ServiceProfile::builtin();
    let mut page = String::from("# Service profiles\n\n");
    page.push_str(&note("`ServiceProfile::builtin()`"));
    page.push_str(INTRODUCTION);
    page.push_str(&sources(&profiles));
    page.push_str(HEAD);
    page.extend(profiles.iter().map(limits));
    page.push_str(TIMES);
    page.extend(profiles.iter().map(times));
    page.push_str(OWN);
    page.extend(profiles.first().map(document));
    page.push_str(FIELDS);
    page
}

/// Where the numbers are from, each source once.
fn sources(profiles: &[ServiceProfile]) -> String {
    let mut sources: Vec<&str> = profiles.iter().map(|profile| profile.source.as_str()).collect();
    sources.dedup();
    format!("Source of the built-in ones: {}.\n", sources.join("; "))
}

fn limits(profile: &ServiceProfile) -> String {
    row([
        format!("`{}`", profile.name),
        profile.model.clone(),
        profile.gpu.to_uppercase(),
        profile.gpus.to_string(),
        grouped(profile.kv_tokens),
        profile.max_sequences.to_string(),
        grouped(profile.max_batched_tokens.into()),
    ])
}

fn times(profile: &ServiceProfile) -> String {
    let request = Request { arrival: Moment::START, input_tokens: 1024, output_tokens: 129 };
    let alone = profile.alone(&request);
    let (prefill, decode) = (profile.prefill, profile.decode);
    row([
        format!("`{}`", profile.name),
        prefill.c0_ms.to_string(),
        prefill.c1_ms.to_string(),
        format!("{:e}", prefill.c2_ms),
        decode.a_ms.to_string(),
        decode.b_ms.to_string(),
        format!("{:e}", decode.c_ms),
        format!("{:.0} ms", alone.ttft * 1e3),
        format!("{:.1} ms", alone.tpot * 1e3),
    ])
}

/// A profile as a file.
fn document(profile: &ServiceProfile) -> String {
    let (prefill, decode) = (profile.prefill, profile.decode);
    format!(
        "name: {}\nmodel: {}\ngpu: {}\ngpus: {}\n\
         prefill: {{c0Ms: {}, c1Ms: {}, c2Ms: {}}}\n\
         decode: {{aMs: {}, bMs: {}, cMs: {}}}\n\
         kvTokens: {}\nmaxSequences: {}\nmaxBatchedTokens: {}\nsource: {}\n",
        profile.name,
        profile.model,
        profile.gpu,
        profile.gpus,
        prefill.c0_ms,
        prefill.c1_ms,
        prefill.c2_ms,
        decode.a_ms,
        decode.b_ms,
        decode.c_ms,
        profile.kv_tokens,
        profile.max_sequences,
        profile.max_batched_tokens,
        profile.source,
    )
}

/// With commas between thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
