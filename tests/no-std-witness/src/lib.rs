//! A program without `std` that holds the core of trimtab.
//!
//! It has its own panic handler. `std` has one too, so when any crate below the core brings `std` in, the compiler finds
//! two of them (E0152, duplicate lang item) and this package does not build. It is built and never run.
#![no_std]

extern crate alloc;

// Naming the crates is enough: their whole graph is loaded, and with it every panic handler.
use trimtab_engine as _;
use trimtab_metric as _;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr;

/// An allocator that has no memory.
struct NoMemory;

#[expect(
    unsafe_code,
    reason = "the trait that every allocator implements is unsafe, and alloc needs one to link"
)]
// SAFETY: null means that there is no memory, which `alloc` may always answer; so no block comes to be freed.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn halt(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
