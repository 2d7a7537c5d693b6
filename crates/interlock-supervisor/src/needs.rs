//! What an agent is started with, and whether this machine has it: a wake that it cannot run is for another one.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use interlock_core::agent::Launch;
use interlock_core::wake::Lack;

use crate::protocol::Failure;

/// The folders and the program of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needs {
    directory: Option<PathBuf>,
    repository: Option<PathBuf>,
    program: String,
    path: Option<OsString>,
}

impl Needs {
    /// What this description and command line name, with the `PATH` that the agent is given.
    pub(crate) fn of(launch: &Launch, words: &[String], variables: &[(OsString, OsString)]) -> Self {
        let path = variables.iter().find(|(name, _)| name == OsStr::new("PATH"));
        Self {
            directory: launch.directory.as_ref().map(PathBuf::from),
            repository: launch.repository.as_ref().map(PathBuf::from),
            program: words.first().cloned().unwrap_or_default(),
            path: path.map(|(_, value)| value.clone()),
        }
    }

    /// What is not here. What is here and cannot be used is no reason to look elsewhere: starting it tells why.
    pub(crate) fn lack(&self) -> Option<Lack> {
        let is_absent = |folder: &Option<PathBuf>| folder.as_ref().is_some_and(|folder| !folder.exists());
        if is_absent(&self.directory) {
            Some(Lack::Directory)
        } else if is_absent(&self.repository) {
            Some(Lack::Repository)
        } else if self.has_program() {
            None
        } else {
            Some(Lack::Program)
        }
    }

    fn has_program(&self) -> bool {
        let program = Path::new(&self.program);
        if program.components().count() > 1 {
            let from = self.directory.clone().unwrap_or_default();
            return from.join(program).symlink_metadata().is_ok();
        }
        // Without a PATH the system looks in places of its own.
        let Some(path) = &self.path else { return true };
        self.program.is_empty() || std::env::split_paths(path).any(|folder| folder.join(program).is_file())
    }

    /// For people.
    pub(crate) fn failure(&self, lack: Lack) -> Failure {
        let show = |folder: &Option<PathBuf>| folder.clone().unwrap_or_default().display().to_string();
        let (detail, hint) = match lack {
            Lack::Directory => (
                format!("the working directory `{}` is not on this machine", show(&self.directory)),
                "make the directory, or give the agent another one",
            ),
            Lack::Repository => (
                format!("the repository `{}` is not on this machine", show(&self.repository)),
                "clone it there, or let the agent run where it is: agent add --on LABEL",
            ),
            Lack::Program if self.program.contains('/') => (
                format!("`{}` cannot be executed: it is not on this machine", self.program),
                "there is no such file; a relative path counts from the agent's directory",
            ),
            Lack::Program => (
                format!("`{}` cannot be executed: it is not on this machine", self.program),
                "it is not on the supervisor's PATH; install it or give its absolute path",
            ),
        };
        Failure { detail, hint: hint.into() }
    }
}

/// What of these is still not here, by agent; the others are forgotten.
pub(crate) fn still_lacking<K: Ord + Clone>(known: &mut BTreeMap<K, Needs>) -> BTreeMap<K, Lack> {
    known.retain(|_, needs| needs.lack().is_some());
    known.iter().filter_map(|(key, needs)| Some((key.clone(), needs.lack()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(folder: &Path, launch: &Launch, program: &str) -> Needs {
        let path = folder.join("bin").into_os_string();
        Needs::of(launch, &[program.to_owned()], &[("PATH".into(), path)])
    }

    #[test]
    fn what_is_missing_is_named_in_the_order_in_which_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let text = |name: &str| at(name).to_str().map(str::to_owned);
        let launch = Launch { directory: text("work"), repository: text("repo"), ..Launch::default() };
        let lack = |program: &str| needs(folder.path(), &launch, program).lack();
        assert_eq!(lack("tool"), Some(Lack::Directory));
        std::fs::create_dir(at("work")).unwrap();
        assert_eq!(lack("tool"), Some(Lack::Repository));
        std::fs::create_dir(at("repo")).unwrap();
        assert_eq!(lack("tool"), Some(Lack::Program));
        assert_eq!(lack("./tool"), Some(Lack::Program));
        std::fs::create_dir(at("bin")).unwrap();
        std::fs::write(at("bin/tool"), "").unwrap();
        std::fs::write(at("work/tool"), "").unwrap();
        assert_eq!((lack("tool"), lack("./tool"), lack("/no/such/tool")), (None, None, Some(Lack::Program)));
    }

    #[test]
    fn what_was_mended_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let needs = needs(folder.path(), &Launch::default(), "tool");
        let mut known = BTreeMap::from([("executor", needs)]);
        assert_eq!(still_lacking(&mut known), BTreeMap::from([("executor", Lack::Program)]));
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(folder.path().join("bin/tool"), "").unwrap();
        assert_eq!((still_lacking(&mut known), known.len()), (BTreeMap::new(), 0));
    }
}
