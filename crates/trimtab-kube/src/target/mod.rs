/// Whether somebody may write.
pub trait Fence: Send + Sync {
    /// Whether it may be written now; asked right before each write.
    fn may_write(&self) -> bool;
}
