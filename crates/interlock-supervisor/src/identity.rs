//! Who this supervisor is: one holder of the state folder, a name that stays, an incarnation that does not.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::time::Timestamp;

/// The file whose lock makes a supervisor the only one of its state folder. Never unlinked: two could then hold it.
const LOCK_FILE: &str = "supervisor.lock";
/// The file with the supervisor's name.
const NAME_FILE: &str = "supervisor.id";
/// Bytes of randomness in a name.
const NAME_BYTES: usize = 12;
/// Bytes read of what a holder wrote about itself.
const HOLDER_BYTES_MAX: u64 = 1_000;
/// How long a lock is tried for: somebody who only looks who holds it has it for an instant.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);
/// How long a lock is tried for whose holder is gone.
const LOCK_PATIENCE_GONE: Duration = Duration::from_secs(15);
/// The pause between tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The supervisor that holds a state folder.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
}

/// The supervisor that holds this state folder now; `None` when there is none.
pub fn holder(state_dir: &Path) -> Option<Holder> {
    let mut file = File::open(state_dir.join(LOCK_FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(read_holder(&mut file)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(HOLDER_BYTES_MAX).read_to_string(&mut text));
    // Between taking the lock and writing into the file a holder has no description yet.
    read.ok()
        .and_then(|_| serde_json::from_str(&text).ok())
        .unwrap_or(Holder { pid: 0, started_at: Timestamp::default() })
}

/// Become the one supervisor of this state folder, for as long as the file given back is open.
pub(crate) fn lock(state_dir: &Path) -> Result<File, Problem> {
    let path = state_dir.join(LOCK_FILE);
    let opened = std::fs::create_dir_all(state_dir)
        .and_then(|()| OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path));
    let mut file = opened.map_err(|error| unwritable(&path, &error))?;
    if !patient_lock(&mut file).map_err(|error| unwritable(&path, &error))? {
        let holder = read_holder(&mut file);
        let detail = format!(
            "the supervisor of process {} holds `{}` since {}",
            holder.pid,
            state_dir.display(),
            holder.started_at
        );
        return Err(Problem::new(Reason::SupervisorRunning, &detail, "")
            .hint("stop it first, or use another instance folder"));
    }
    let holder = Holder { pid: std::process::id(), started_at: wall_now() };
    write_holder(&mut file, &holder).map_err(|error| unwritable(&path, &error))?;
    Ok(file)
}

/// Try for a moment; for longer when the holder is gone: a process that it was about to start may still have to let go
/// of the file, and on a busy machine that takes its time.
fn patient_lock(file: &mut File) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        let patience = if is_alive(&read_holder(file)) { LOCK_PATIENCE } else { LOCK_PATIENCE_GONE };
        if start.elapsed() >= patience {
            return Ok(false);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
}

fn is_alive(holder: &Holder) -> bool {
    let pid = i32::try_from(holder.pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(holder)?.as_bytes())
}

/// The name of the supervisor of this state folder: drawn once, the same ever after.
pub(crate) fn name(state_dir: &Path) -> Result<String, Problem> {
    let path = state_dir.join(NAME_FILE);
    let failed = |error: io::Error| unwritable(&path, &error);
    match std::fs::read_to_string(&path) {
        Ok(text) if is_name(text.trim()) => return Ok(text.trim().to_owned()),
        // A torn or foreign file names nobody; whoever had that name can no longer use it either.
        Ok(_) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {}
        Err(error) => return Err(failed(error)),
    }
    let name = format!("sup-{}", random_text()?);
    let fresh = state_dir.join("supervisor.id.new");
    let mut file = File::create(&fresh).map_err(failed)?;
    file.write_all(name.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&fresh, &path).map_err(failed)?;
    File::open(state_dir).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(name)
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A name for one life of a supervisor.
pub(crate) fn incarnation() -> Result<String, Problem> {
    random_text()
}

fn random_text() -> Result<String, Problem> {
    use std::fmt::Write as _;
    let mut bytes = [0; NAME_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Problem::new(Reason::Defect, &format!("no randomness: {error}"), ""))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}

/// The wall clock, for people to read, and for what other programs time with it; we time nothing with it.
pub(crate) fn wall_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The same in milliseconds.
pub(crate) fn wall_ms() -> u64 {
    u64::try_from(wall_now().as_millis()).unwrap_or_default()
}

pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Reason::PathUnwritable, &format!("`{}` cannot be used: {error}", path.display()), "")
        .hint("give a folder that this user can write, on a local disk with free space")
}
