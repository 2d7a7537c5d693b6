//! What tests of several crates share: a store with faults.

pub mod faults;
