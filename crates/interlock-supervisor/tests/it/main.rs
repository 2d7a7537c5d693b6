//! Tests with real processes: the shim by itself, and the whole supervisor with a scripted server.

#[cfg(test)]
mod codex;
#[cfg(test)]
mod events;
#[cfg(test)]
mod known_defects;
#[cfg(test)]
mod live;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod server;
#[cfg(test)]
mod shim;
#[cfg(test)]
mod shim_rig;
#[cfg(test)]
mod supervise;
#[cfg(test)]
mod ticks;
#[cfg(test)]
mod wait;
