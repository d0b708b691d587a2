//! What a target reads and writes, in the server of this process and in a real one.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

mod asleep;
mod contested;
mod counts;
mod faults;
mod looped;
mod marks;
mod servers;
mod side;
mod standby;
