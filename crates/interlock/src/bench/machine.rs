//! What the figures were measured on, and what its disk takes for a sync.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::stats::{Spread, rounded};

/// Bytes of one probed write: a page.
const PAGE: usize = 4_096;
/// In which Linux tells processor time, on every machine that we know.
const TICKS_PER_SECOND: f64 = 100.0;
/// File systems that keep nothing.
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];

/// The machine, as far as it matters here.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
    disk: String,
    kernel: String,
    pub(crate) load_before: f64,
    fdatasync_ms: Sync,
}

/// How long an overwritten page takes to be durable.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Sync {
    p50: f64,
    p99: f64,
}

impl Machine {
    /// Look around; the folder is the one that is measured on.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn look(dir: &Path, probe: Duration) -> io::Result<Self> {
        // First of all: what follows is load itself.
        let load_before = load();
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let memory = field("/proc/meminfo", "MemTotal").and_then(|text| kilobytes(&text)).unwrap_or_default();
        Ok(Self {
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: memory / 1_024,
            disk: file_system(dir),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            load_before,
            fdatasync_ms: fdatasync(dir, probe)?,
        })
    }

    /// Whether the folder is in memory.
    pub(crate) fn is_volatile(&self) -> bool {
        VOLATILE.contains(&self.disk.as_str())
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Sync { p50, p99 } = self.fdatasync_ms;
        format!(
            "{}, {} cores, {} MB, {}, {}\nload before {:.2}, fdatasync of 4 KiB p50 {p50} ms, p99 {p99} ms\n",
            self.cpu, self.cores, self.memory_mb, self.disk, self.kernel, self.load_before
        )
    }
}

/// Resident memory of a process in MB.
pub(crate) fn resident_mb(pid: u32) -> Option<f64> {
    let kilobytes = kilobytes(&field(&format!("/proc/{pid}/status"), "VmRSS")?)?;
    Some(f64::from(u32::try_from(kilobytes).ok()?) / 1_024.0)
}

/// Seconds of processor time that a process has used, all of its threads together.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, brackets too; of what follows the 12th and 13th are user and system time.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u32>().ok()?.checked_add(fields.next()?.parse().ok()?)?;
    Some(f64::from(ticks) / TICKS_PER_SECOND)
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// The value of the first `name: value` line.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn kilobytes(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

/// The type of the file system that holds a folder: the mount with the longest path above it.
fn file_system(dir: &Path) -> String {
    let dir = fs::canonicalize(dir).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        dir.starts_with(place).then_some((place.len(), kind))
    });
    above.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".into(), |(_, kind)| kind.to_owned())
}

fn fdatasync(dir: &Path, probe: Duration) -> io::Result<Sync> {
    let path = dir.join("fdatasync");
    let mut file = File::create_new(&path)?;
    let page = [0x5A; PAGE];
    file.write_all(&page)?;
    file.sync_all()?;
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < probe {
        let before = Instant::now();
        file.write_all_at(&page, 0)?;
        file.sync_data()?;
        took.push(before.elapsed().as_secs_f64() * 1_000.0);
    }
    fs::remove_file(path)?;
    let Spread { p50, p99, .. } = Spread::of(took);
    Ok(Sync { p50: rounded(p50), p99: rounded(p99) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_describes_itself() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::look(dir.path(), Duration::from_millis(5)).unwrap();
        assert!(machine.cores > 0 && machine.memory_mb > 0 && !machine.cpu.is_empty());
        assert!(machine.disk != "unknown" && !machine.kernel.is_empty());
        assert!(cpu_seconds(std::process::id()).is_some_and(|seconds| seconds >= 0.0));
        assert!(resident_mb(std::process::id()).is_some_and(|mb| mb > 0.1));
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
