//! The command as its users meet it: what it prints, where to, and its exit code.
//!
//! The golden files are written anew by `SNAPSHOTS=overwrite cargo test --package trimtab-cli`.

#[cfg(test)]
mod backtest;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod command;
#[cfg(test)]
mod conform;
mod crd;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod evaluate;
#[cfg(test)]
mod example;
#[cfg(test)]
mod help;
#[cfg(test)]
mod import;
#[cfg(test)]
mod keda_scaler;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod llm_inference;
#[cfg(test)]
mod policy_test;
#[cfg(test)]
mod presets;
mod quality;
#[cfg(test)]
mod record;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod run;
#[cfg(test)]
mod sweep;
