//! The built-in command agents, and the repository they are shown on.
//!
//! A reviewer that turns the output of check commands into findings, and an executor that mends what it can for
//! real: formatter, the compiler's own suggestions, bisection and revert. An echo that only answers, to show what guards
//! are for. All are ordinary command agents: one process per wake, only the public API, their own tokens. What to do next is decided purely from the messages of
//! the thread ([`conversation`]); doing it is separate ([`check`], [`repair`]).
//!
//! Absent on purpose: any state of their own between two wakes, a language model, and knowledge of who started
//! them.

pub mod check;
pub mod conversation;
pub mod echo;
pub mod env;
pub mod error;
pub mod executor;
mod git;
pub mod mailbox;
pub mod process;
pub mod repair;
pub mod reviewer;
pub mod sample;
mod server;
#[cfg(test)]
mod stage;
mod turn;

pub use echo::run_echo;
pub use env::AgentEnv;
pub use executor::run_executor;
pub use reviewer::run_reviewer;
