//! A scripted model server: real coding agents' programs run offline against it.
//!
//! It speaks what Codex CLI, Claude Code, Gemini CLI and opencode speak to their models' services (OpenAI Responses and
//! Chat Completions, Anthropic Messages, Gemini's `generateContent`; streamed or not) on the loopback address. What it says is decided by the [`brain`] from the conversation and the tool results
//! that it is sent, never from a fixed transcript: it has no state of its own, reads no file and runs nothing. It knows
//! one trade: the two parts of the pilot, whose agents review and mend a repository through the tools that their program
//! offers them.
//!
//! Deliberately absent: our other crates. It knows Interlock as a model does, by what the tools say.

pub mod brain;
mod conversation;
mod faults;
mod server;
mod wire;

pub use conversation::{Call, Conversation, Reply, Scripts, Step, ToolResult};
pub use faults::{Fault, Faults};
pub use server::{REQUEST_BYTES_MAX, ScriptedModel, Seen};
