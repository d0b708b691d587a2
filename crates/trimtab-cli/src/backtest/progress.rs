//! How far it has come, for whoever waits.

use std::fmt::Write;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use trimtab_sim::Progress;

use crate::process::{Interrupt, Process};

/// Requests simulated of all, how fast, and how long it will take.
const TEMPLATE: &str = "{wide_bar} {human_pos} of {human_len} requests, {rate}/s, {eta} left";

/// A bar on the terminal that ends with an interrupt. It is gone when it is dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    interrupt: Interrupt,
}

impl Bar {
    pub(crate) fn new(process: Process, interrupt: &Interrupt) -> Self {
        let bar = process.progress_bar();
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.with_key("rate", rate).progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Self { bar, interrupt: interrupt.clone() }
    }
}

impl Progress for Bar {
    fn begins(&self, requests: u64) {
        self.bar.inc_length(requests);
        // What came before was no simulation.
        self.bar.reset_eta();
    }

    fn proceeds(&self, requests: u64) -> bool {
        self.bar.inc(requests);
        !self.interrupt.is_noted()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Requests per second, in whole ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn rate(state: &ProgressState, text: &mut dyn Write) {
    // A text of its own does not refuse to be written.
    let _infallible = write!(text, "{}", HumanCount(state.per_sec() as u64));
}
