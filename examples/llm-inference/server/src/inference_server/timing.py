"""How long a step of the engine takes: Llama-3.1-8B in bfloat16 on one L40S, as fitted to measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Prefill grows with the prompt and its square, decode with the batch and the tokens in its context."""

    prefill_fixed: float = 17.206e-3
    prefill_per_token: float = 51.169e-6
    prefill_per_token_squared: float = 3.2512e-9
    decode_fixed: float = 21.883e-3
    decode_per_sequence: float = 35.69e-6
    decode_per_context_token: float = 207.42e-9
    speed: float = 1.0

    def prefill(self, start: int, end: int) -> float:
        """Seconds to read tokens `start` to `end` of a prompt."""
        fixed = self.prefill_fixed if start == 0 else 0.0
        linear = self.prefill_per_token * (end - start)
        squared = self.prefill_per_token_squared * (end**2 - start**2)
        return (fixed + linear + squared) / self.speed

    def decode(self, sequences: int, context_tokens: int) -> float:
        """Seconds to make one more token of each sequence of a batch."""
        if sequences == 0:
            return 0.0
        batch = self.decode_per_sequence * sequences + self.decode_per_context_token * context_tokens
        return (self.decode_fixed + batch) / self.speed
