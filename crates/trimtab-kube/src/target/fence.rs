//! May this process still write?

/// Keeps a process that was deposed from writing. It is asked right before each write, so it
/// answers from what it knows and asks nobody.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use trimtab_kube::target::Fence;
///
/// struct Leads(AtomicBool);
///
/// impl Fence for Leads {
///     fn may_write(&self) -> bool {
///         self.0.load(Ordering::Acquire)
///     }
/// }
/// ```
pub trait Fence: Send + Sync {
    /// Whether it may write now.
    fn may_write(&self) -> bool;
}
