//! One server per database file: a kernel lock that ends with its process, so that it is never stale.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use interlock_store::StoreError;

/// Bytes of a holder's note that are read.
const NOTE_BYTES_MAX: u64 = 4096;
/// How long a lock is tried for.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a lock is tried for whose holder is gone.
const PATIENCE_GONE: Duration = Duration::from_secs(15);
/// The pause between tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Who holds a lock: for the message only, never for deciding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What it is, with its address where it has one.
    pub what: String,
    /// When it took the lock, RFC 3339.
    pub since: String,
}

/// A held lock; released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub struct InstanceLock {
    file: File,
}

impl InstanceLock {
    /// Take the lock file at `path`, made when absent and never removed: removing it would let two holders in.
    ///
    /// # Errors
    /// [`StoreError::Held`] with the holder named; [`StoreError::Unavailable`] when the file cannot be used.
    pub fn acquire(path: &Path, holder: &Holder) -> Result<Self, StoreError> {
        let unusable =
            |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        refuse_network_file_system(path)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(unusable)?;
        if !patient_lock(&mut file).map_err(unusable)? {
            return Err(StoreError::Held { holder: describe(&mut file) });
        }
        let mut lock = Self { file };
        lock.note(holder)?;
        Ok(lock)
    }

    /// Say who holds it; for instance once the address is known.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be written.
    pub fn note(&mut self, holder: &Holder) -> Result<(), StoreError> {
        let text =
            serde_json::to_string(holder).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        write(&mut self.file).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Who holds the lock file at `path` now; `None` when nobody does.
    pub fn holder(path: &Path) -> Option<String> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Some(describe(&mut file)),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

/// Try for a moment, since whoever looks for the holder has the lock for an instant; for longer when the holder is gone:
/// a process that it was about to start may still have to let go of the file.
fn patient_lock(file: &mut File) -> std::io::Result<bool> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        let patience =
            if read_note(file).is_some_and(|holder| is_alive(&holder)) { PATIENCE } else { PATIENCE_GONE };
        if start.elapsed() >= patience {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}

fn is_alive(holder: &Holder) -> bool {
    let pid = i32::try_from(holder.pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn read_note(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.take(NOTE_BYTES_MAX).read_to_string(&mut text)).ok()?;
    serde_json::from_str(&text).ok()
}

fn describe(file: &mut File) -> String {
    read_note(file).map_or_else(
        || "another process".to_owned(),
        |holder| format!("process {} ({}, since {})", holder.pid, holder.what, holder.since),
    )
}

/// SQLite's WAL and kernel locks do not hold across hosts: refuse rather than corrupt.
fn refuse_network_file_system(path: &Path) -> Result<(), StoreError> {
    const NETWORK: [(i64, &str); 5] =
        [(0x6969, "NFS"), (0x517B, "SMB"), (0xFE53_4D42, "SMB2"), (0xFF53_4D42, "CIFS"), (0x0102_1997, "9P")];
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(stat) = rustix::fs::statfs(folder) else { return Ok(()) };
    match NETWORK.iter().find(|(magic, _)| *magic == stat.f_type) {
        Some((_, name)) => Err(StoreError::Unavailable(format!(
            "{} is on a network file system ({name}), where neither locks nor the write-ahead log can be trusted; \
             run the server on the host that has the disk",
            folder.display()
        ))),
        None => Ok(()),
    }
}
