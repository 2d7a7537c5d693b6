//! Tests with real processes: the shim by itself, and the whole supervisor with a scripted server.

mod rig;
mod server;
mod shim;
mod shim_rig;
mod supervise;
mod wait;
