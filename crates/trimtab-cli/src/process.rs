//! The process that the command runs in: who interrupts it, and the terminal that it may draw on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget};

/// Whose process it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// The command's own: its signals and its terminal are there to be used.
    Own,
    /// Somebody else's.
    Shared,
}

/// Whether the command was asked to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Process {
    /// From here on, an interrupt is noted and does not end the process.
    pub(crate) fn note_interrupt(self) -> Interrupt {
        let interrupt = Interrupt::default();
        if self == Self::Own {
            let noted = interrupt.clone();
            // Where no handler can be had, an interrupt ends the process as it always did.
            let _without = ctrlc::set_handler(move || noted.note());
        }
        interrupt
    }

    /// A bar on standard error, if that is a terminal.
    pub(crate) fn progress_bar(self) -> ProgressBar {
        match self {
            Self::Own => ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()),
            Self::Shared => ProgressBar::hidden(),
        }
    }
}

impl Interrupt {
    /// One that somebody else notes.
    pub(crate) fn by(noted: Arc<AtomicBool>) -> Self {
        Self(noted)
    }

    fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
