//! Agents as processes of this machine: which one works on a wake, and whether any is left.

use std::path::Path;
use std::time::Duration;

use interlock_core::id::WakeId;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::instance::Instance;

/// How long agents may take to end when their server is gone.
const END_MAX: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// The agent that works on this wake. Its environment names the wake; what it starts is not told.
pub(super) fn agent(wake_id: WakeId) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let mut ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|id| is_agent(*id, wake_id))
}

/// Whether this process is a built-in agent at work on the wake.
fn is_agent(id: u32, wake_id: WakeId) -> bool {
    let folder = Path::new("/proc").join(id.to_string());
    let parts = |file: &str| {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let is_builtin = parts("cmdline").get(1).is_some_and(|word| word == b"__agent");
    let variable = format!("INTERLOCK_WAKE={wake_id}").into_bytes();
    is_builtin && parts("environ").contains(&variable)
}

/// End a process at once; `false` when it was gone already.
pub(super) fn kill(id: u32) -> bool {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

/// Wait until nothing of any agent of this instance lives, while no server runs on it; gives how long that took, or
/// nothing when it does not come about.
pub(crate) async fn agents_end(instance: &Instance) -> Option<Duration> {
    let start = Instant::now();
    while interlock_supervisor::has_agents(&instance.state()) {
        if start.elapsed() > END_MAX {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Some(start.elapsed())
}
