//! The agents' work on real repositories, with real compilers: one binary.

mod place;
mod repair;
mod sample;
