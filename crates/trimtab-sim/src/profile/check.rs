//! Whether a profile describes a server that could be.

use thiserror::Error;

use super::ServiceProfile;

/// A field of a profile that no server can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{field}` of the profile is out of range: {rule}")]
pub struct InvalidProfile {
    field: &'static str,
    rule: &'static str,
}

impl InvalidProfile {
    /// The field, such as `prefill.c0Ms`.
    pub fn field(&self) -> &str {
        self.field
    }

    /// What would be right.
    pub fn rule(&self) -> &str {
        self.rule
    }
}

const MOST_MS: f64 = 1e6;
const LEAST_MS: f64 = 1e-3;

impl ServiceProfile {
    /// Checks the ranges: counts of at least 1, coefficients from 0 to 1,000,000 ms, and at least
    /// 0.001 ms to read or to generate a token.
    ///
    /// # Errors
    ///
    /// The first field that is out of its range.
    ///
    /// ```
    /// use trimtab_sim::ServiceProfile;
    ///
    /// let mut profile = ServiceProfile::named("llama-3.1-8b-a100").unwrap();
    /// assert_eq!(profile.check(), Ok(()));
    /// profile.kv_tokens = 0;
    /// assert_eq!(profile.check().unwrap_err().field(), "kvTokens");
    /// ```
    pub fn check(&self) -> Result<(), InvalidProfile> {
        let counts = [
            ("gpus", u64::from(self.gpus)),
            ("kvTokens", self.kv_tokens),
            ("maxSequences", u64::from(self.max_sequences)),
            ("maxBatchedTokens", u64::from(self.max_batched_tokens)),
        ];
        let (prefill, decode) = (&self.prefill, &self.decode);
        let times = [
            ("prefill.c0Ms", prefill.c0_ms),
            ("prefill.c1Ms", prefill.c1_ms),
            ("prefill.c2Ms", prefill.c2_ms),
            ("decode.aMs", decode.a_ms),
            ("decode.bMs", decode.b_ms),
            ("decode.cMs", decode.c_ms),
        ];
        let tokens = [
            ("prefill.c1Ms", prefill.c0_ms + prefill.c1_ms),
            ("decode.aMs", decode.a_ms + decode.b_ms),
        ];
        let empty = counts.iter().find(|(_, count)| *count == 0).map(|(field, _)| *field);
        let absurd = times.iter().find(|(_, ms)| !(0.0..=MOST_MS).contains(ms));
        let instant = tokens.iter().find(|(_, ms)| *ms < LEAST_MS);
        let broken = |field: Option<&'static str>, rule| {
            field.map_or(Ok(()), |field| Err(InvalidProfile { field, rule }))
        };
        broken(empty, "it has to be at least 1")?;
        broken(absurd.map(|(field, _)| *field), "it has to be from 0 to 1000000 milliseconds")?;
        broken(instant.map(|(field, _)| *field), "a token has to take at least 0.001 milliseconds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_are_sound() {
        for profile in ServiceProfile::builtin() {
            assert_eq!(profile.check(), Ok(()), "{}", profile.name);
        }
    }

    #[test]
    fn each_rule_names_its_field() {
        let sound = ServiceProfile::named("qwen3-32b-h100x2").unwrap();
        let field = |change: fn(&mut ServiceProfile)| {
            let mut profile = sound.clone();
            change(&mut profile);
            profile.check().unwrap_err().field().to_owned()
        };
        assert_eq!(field(|p| p.gpus = 0), "gpus");
        assert_eq!(field(|p| p.max_sequences = 0), "maxSequences");
        assert_eq!(field(|p| p.max_batched_tokens = 0), "maxBatchedTokens");
        assert_eq!(field(|p| p.prefill.c2_ms = f64::NAN), "prefill.c2Ms");
        assert_eq!(field(|p| p.decode.c_ms = -1.0), "decode.cMs");
        assert_eq!(field(|p| p.decode.b_ms = 2e6), "decode.bMs");
        assert_eq!(field(|p| (p.decode.a_ms, p.decode.b_ms) = (0.0, 0.0)), "decode.aMs");
    }
}
