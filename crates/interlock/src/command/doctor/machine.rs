//! The machine: programs, disk, clock.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Check;
use crate::instance::{Instance, cause};

const MIB: u64 = 1024 * 1024;
/// Free space below which a database may not be able to commit.
const FREE_BYTES_MIN: u64 = 64 * MIB;
/// Free space below which it is time to act.
const FREE_BYTES_NOTED: u64 = 1024 * MIB;
/// 2025-01-01: before it no clock of ours can have been right.
const CLOCK_MIN: Duration = Duration::from_hours(20_089 * 24);
/// How far a file may lie in the future.
const SKEW_MAX: Duration = Duration::from_mins(1);

/// Programs that agents and the pilot need.
pub(super) fn programs(path: &[PathBuf]) -> Vec<Check> {
    let needs = [
        ("git", "agents that work in repositories need it: install git"),
        ("cargo", "the pilot's sample needs it: install the Rust toolchain"),
    ];
    needs
        .into_iter()
        .map(|(name, hint)| match path.iter().map(|dir| dir.join(name)).find(|file| is_program(file)) {
            Some(file) => Check::ok(name, file.display().to_string()),
            None => Check::warn(name, "not found in PATH", hint),
        })
        .collect()
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Whether the instance's disk takes writes, and how many.
pub(super) fn disk(folder: &Path) -> Check {
    if let Err(error) = tempfile::tempfile_in(folder) {
        let detail = format!("{} cannot be written: it {}", folder.display(), cause(&error));
        return Check::fail("disk", detail, "make it writable for you");
    }
    let free = match rustix::fs::statvfs(folder) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return Check::warn("disk", format!("free space is unknown: {error}"), "look at df"),
    };
    let detail = format!("writable, {} MiB free", free / MIB);
    if free < FREE_BYTES_MIN {
        Check::fail("disk", detail, "make room now")
    } else if free < FREE_BYTES_NOTED {
        Check::warn("disk", detail, "make room soon")
    } else {
        Check::ok("disk", detail)
    }
}

/// Whether the clock is plausible, and not behind what the instance holds.
pub(super) fn clock(instance: &Instance) -> Check {
    let hint = "set the clock, best by NTP";
    let now = SystemTime::now();
    if now < SystemTime::UNIX_EPOCH + CLOCK_MIN {
        return Check::fail("clock", format!("it says {}", crate::context::Context::now()), hint);
    }
    let files = [instance.config_file(), instance.database(), instance.lock()];
    let changed = files.iter().filter_map(|file| std::fs::metadata(file).and_then(|m| m.modified()).ok());
    match changed.max().and_then(|latest| latest.duration_since(now).ok()) {
        Some(ahead) if ahead > SKEW_MAX => {
            let detail = format!("it is {} s behind the instance's files", ahead.as_secs());
            Check::warn("clock", detail, hint)
        }
        _ => Check::ok("clock", crate::context::Context::now().to_string()),
    }
}
