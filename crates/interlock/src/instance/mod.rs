//! The instance folder `.interlock/`: where it is, how it is made, and what lies where in it.

mod config;
mod create;
mod keys;
mod path;
mod run;
#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::id::WakeId;
use interlock_core::time::Timestamp;

use crate::environment::Secret;

pub(crate) use config::Config;
pub(crate) use create::make_private_folder;
pub(crate) use path::{cause, parent_of, unwritable};
pub(crate) use run::Run;

/// The folder's name.
pub(crate) const FOLDER: &str = ".interlock";
/// The configuration's name; the folder is an instance when it has one.
const CONFIG: &str = "config.toml";
/// Since when agents are stopped together with this server.
const HALT: &str = "halt";

/// One instance: its folder, read and checked.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    folder: PathBuf,
    /// What `config.toml` says.
    pub(crate) config: Config,
}

impl Instance {
    /// Make a new instance in `dir`, wholly or not at all.
    ///
    /// # Errors
    /// `INSTANCE_EXISTS`, `INSTANCE_INVALID`, `PATH_UNWRITABLE`.
    pub(crate) fn create(dir: &Path) -> Result<Self, Problem> {
        Self::create_with(dir, None)
    }

    /// Make a new instance whose configuration names this database.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn create_with(dir: &Path, database: Option<&Secret>) -> Result<Self, Problem> {
        Self::open(&create::create(dir, database)?)
    }

    /// The instance in `given`, or the nearest one from the working directory upwards.
    ///
    /// # Errors
    /// `INSTANCE_INVALID`, `CONFIG_INVALID`.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, Problem> {
        let Some(dir) = given else { return Self::find_upwards(&path::working_directory()?) };
        let dir = path::existing_folder(dir)?;
        let inner = dir.join(FOLDER);
        let folder = if path::is_there(&inner)? || !path::is_there(&dir.join(CONFIG))? { inner } else { dir };
        if !path::is_there(&folder)? {
            return Err(none_in(&format!("no `{FOLDER}` is in {}", path::parent_of(&folder).display())));
        }
        Self::open(&folder)
    }

    fn find_upwards(from: &Path) -> Result<Self, Problem> {
        for dir in from.ancestors() {
            let folder = dir.join(FOLDER);
            if path::is_there(&folder)? {
                return Self::open(&folder);
            }
        }
        Err(none_in(&format!("no `{FOLDER}` is in {} or above", from.display())))
    }

    /// Read and check the instance whose folder this is.
    ///
    /// # Errors
    /// `INSTANCE_INVALID`, `CONFIG_INVALID`.
    pub(crate) fn open(folder: &Path) -> Result<Self, Problem> {
        let folder = path::existing_folder(folder)?;
        refuse_foreign(&folder)?;
        let file = folder.join(CONFIG);
        if !path::is_there(&file)? {
            let detail = format!("{} has no {CONFIG}", folder.display());
            return Err(Problem::new(Reason::InstanceInvalid, &detail, "")
                .hint("move it away, then make an instance with: interlock init"));
        }
        let config = Config::read(&file)?;
        Ok(Self { folder, config })
    }

    /// The folder itself, absolute.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// `config.toml`.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// `keys/`, where nobody else may look.
    pub(crate) fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join("interlock.db")
    }

    /// The lock that a running server holds.
    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// The log of a wake's process.
    pub(crate) fn wake_log(&self, wake_id: WakeId) -> PathBuf {
        self.folder.join("logs").join("wakes").join(format!("{wake_id}.log"))
    }

    /// Where the supervisor keeps its lock, its name and its agents' locks.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Where the logs of wakes are.
    pub(crate) fn wake_logs(&self) -> PathBuf {
        self.folder.join("logs").join("wakes")
    }

    /// The server's own log.
    pub(crate) fn server_log(&self) -> PathBuf {
        self.folder.join("logs").join("server.log")
    }

    /// Write down which database everything is kept in; none for the file in the folder.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the file cannot be changed in one place; `PATH_UNWRITABLE`.
    pub(crate) fn set_database(&self, database: Option<&Secret>) -> Result<(), Problem> {
        let (file, fresh) = (self.config_file(), self.folder.join("config.toml.new"));
        let text = std::fs::read_to_string(&file).map_err(|error| path::unusable(&file, &error))?;
        let text = Config::with_database(&text, &file, database)?;
        // What an interruption left.
        drop(std::fs::remove_file(&fresh));
        create::write(&fresh, &text)?;
        std::fs::rename(&fresh, &file).map_err(|error| path::unwritable(&file, &error))
    }

    /// Set constants of the policy that nobody has set yet.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the file would not say so; `PATH_UNWRITABLE`.
    pub(crate) fn set_policy(&mut self, constants: &[(&str, i64)]) -> Result<(), Problem> {
        let file = self.config_file();
        let text = std::fs::read_to_string(&file).map_err(|error| path::unusable(&file, &error))?;
        let (text, config) = Config::with_policy(&text, &file, constants)?;
        std::fs::write(&file, text).map_err(|error| path::unwritable(&file, &error))?;
        self.config = config;
        Ok(())
    }

    /// Say that a server runs: under another name first, so that nobody reads half a file.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`.
    pub(crate) fn write_run(&self, run: &Run) -> Result<(), Problem> {
        let file = self.folder.join("run.json");
        let fresh = self.folder.join("run.json.new");
        let text = serde_json::to_string(run)
            .map_err(|error| Problem::new(Reason::Defect, &error.to_string(), ""))?;
        std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, &file))
            .map_err(|error| path::unwritable(&file, &error))
    }

    /// Say that no server runs any more.
    pub(crate) fn remove_run(&self) {
        let file = self.folder.join("run.json");
        if let Err(error) = std::fs::remove_file(&file) {
            // Whoever reads it finds a process that is gone, and says so.
            tracing::warn!(%error, "run_file.not_removed");
        }
    }

    /// Remember that agents were stopped together with this server.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`.
    pub(crate) fn note_own_halt(&self, since: Timestamp) -> Result<(), Problem> {
        let file = self.folder.join(HALT);
        std::fs::write(&file, since.to_string()).map_err(|error| path::unwritable(&file, &error))
    }

    /// Since when agents are stopped together with this server, where they were.
    ///
    /// # Errors
    /// `INSTANCE_INVALID` when the file is broken.
    pub(crate) fn own_halt(&self) -> Result<Option<Timestamp>, Problem> {
        let file = self.folder.join(HALT);
        match std::fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| {
                let detail = format!("`{}` holds no time", file.display());
                Problem::new(Reason::InstanceInvalid, &detail, "")
                    .hint("remove it, then let agents go on with: interlock resume")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(path::unusable(&file, &error)),
        }
    }

    /// That halt is over.
    pub(crate) fn forget_own_halt(&self) {
        if let Err(error) = std::fs::remove_file(self.folder.join(HALT)) {
            // It is ended once; a later one has another time.
            tracing::warn!(%error, "halt_file.not_removed");
        }
    }

    /// What the running server says of itself; `None` when none runs.
    ///
    /// # Errors
    /// `INSTANCE_INVALID` when the file is broken.
    pub(crate) fn run(&self) -> Result<Option<Run>, Problem> {
        Run::read(&self.folder.join("run.json"))
    }
}

fn none_in(detail: &str) -> Problem {
    Problem::new(Reason::InstanceInvalid, detail, "").hint("make an instance with: interlock init")
}

/// An instance of somebody else could send our words to their server.
fn refuse_foreign(folder: &Path) -> Result<(), Problem> {
    let owner = std::fs::metadata(folder).map_err(|error| path::unusable(folder, &error))?.uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user || user == 0 {
        return Ok(());
    }
    let detail = format!("{} belongs to another user (number {owner})", folder.display());
    Err(Problem::new(Reason::InstanceInvalid, &detail, "")
        .hint("run as its owner, or make your own instance"))
}
