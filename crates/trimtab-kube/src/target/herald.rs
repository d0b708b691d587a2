//! Who hears what a target does to others?

/// Hears of what a target does that people should know of. It is told in the middle of a write, so
/// it takes note and does nothing else.
///
/// ```
/// use std::sync::Mutex;
/// use trimtab_kube::target::Herald;
///
/// struct Notes(Mutex<Vec<String>>);
///
/// impl Herald for Notes {
///     fn took_over(&self, told: &str) {
///         self.0.lock().unwrap().push(told.to_owned());
///     }
/// }
/// ```
pub trait Herald: Send + Sync {
    /// The count was somebody else's, and is about to be set: whose it was, in a sentence.
    fn took_over(&self, told: &str);
}
