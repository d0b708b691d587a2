//! The built-in profiles.
//!
//! Fitted to the vLLM bf16 kernel measurements in NVIDIA's AIConfigurator 0.12.0 (Apache-2.0): prompts
//! of 128 to 16k tokens, batches of 1 to 256 at contexts of 512 to 16k tokens. The largest relative error of
//! a fit is 3 to 16 % for prefill and 3 to 13 % for decode. KV capacity at 90 % of memory.

use super::{DecodeTime, PrefillTime, ServiceProfile};

/// Model, GPU, GPUs, then c0, c1, c2, a, b, c in milliseconds, and the tokens that the KV cache holds.
type Row = (&'static str, &'static str, u32, [f64; 3], [f64; 3], u64);

const LLAMA_8B: &str = "llama-3.1-8b";
const LLAMA_70B: &str = "llama-3.1-70b";
const QWEN_32B: &str = "qwen3-32b";

const FITTED: [Row; 12] = [
    (LLAMA_8B, "a100", 1, [7.742, 0.054623, 1.5316e-6], [11.679, 0.03045, 8.0599e-5], 396_848),
    (LLAMA_8B, "h100", 1, [4.726, 0.016652, 6.9267e-7], [6.371, 0.00937, 4.4053e-5], 396_848),
    (LLAMA_8B, "h200", 1, [3.299, 0.017482, 6.4539e-7], [4.949, 0.0105, 3.0204e-5], 815_599),
    (LLAMA_8B, "b200", 1, [2.897, 0.00852, 3.2707e-7], [3.403, 0.00415, 1.8096e-5], 1_083_326),
    (LLAMA_8B, "l40s", 1, [17.206, 0.051169, 3.2512e-6], [21.883, 0.03569, 2.0742e-4], 177_175),
    (LLAMA_70B, "a100", 4, [17.773, 0.156704, 1.2468e-6], [27.849, 0.09621, 5.5464e-5], 396_464),
    (LLAMA_70B, "h100", 4, [11.37, 0.054948, 1.0243e-6], [15.14, 0.03105, 2.8770e-5], 396_464),
    (LLAMA_70B, "h200", 2, [10.256, 0.09416, 2.2414e-6], [21.112, 0.03489, 3.3639e-5], 317_672),
    (LLAMA_70B, "b200", 2, [12.646, 0.046448, 1.1317e-6], [14.273, 0.03184, 2.2895e-5], 531_853),
    (QWEN_32B, "a100", 2, [18.982, 0.125408, 2.9524e-6], [25.088, 0.08266, 7.8425e-5], 266_627),
    (QWEN_32B, "h100", 2, [11.7, 0.041916, 1.4834e-6], [13.532, 0.02491, 4.4845e-5], 266_627),
    (QWEN_32B, "h200", 1, [11.314, 0.07781, 2.4667e-6], [19.011, 0.02985, 6.5009e-5], 219_020),
];

/// vLLM's default for a server, whatever the GPU.
const MAX_SEQUENCES: u32 = 256;

pub(super) fn all() -> Vec<ServiceProfile> {
    FITTED
        .iter()
        .map(|&(model, gpu, gpus, [c0_ms, c1_ms, c2_ms], [a_ms, b_ms, c_ms], kv_tokens)| {
            let many = if gpus == 1 { String::new() } else { format!("x{gpus}") };
            ServiceProfile {
                name: format!("{model}-{gpu}{many}"),
                model: model.to_owned(),
                gpu: gpu.to_owned(),
                gpus,
                prefill: PrefillTime { c0_ms, c1_ms, c2_ms },
                decode: DecodeTime { a_ms, b_ms, c_ms },
                kv_tokens,
                max_sequences: MAX_SEQUENCES,
                max_batched_tokens: if matches!(gpu, "a100" | "l40s") { 2048 } else { 8192 },
                source: String::from(
                    "fit to vLLM bf16 kernel measurements in NVIDIA AIConfigurator 0.12.0",
                ),
            }
        })
        .collect()
}
