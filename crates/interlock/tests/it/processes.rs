//! The processes of a folder: those whose working directory, command line or environment names it.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// A process, for messages too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: i32,
    pub(crate) words: Vec<String>,
}

impl Process {
    /// Whether it is the binary under test, in whatever part.
    pub(crate) fn is_ours(&self) -> bool {
        self.words.first().is_some_and(|word| word == env!("CARGO_BIN_EXE_interlock"))
    }
}

/// Every process of this folder that runs; one that only waits to be reaped does not.
pub(crate) fn of(folder: &Path) -> Vec<Process> {
    let marker = folder.to_str().expect("folders of tests are UTF-8").as_bytes();
    let ids = fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let me = i32::try_from(std::process::id()).unwrap();
    ids.filter(|id| *id != me && is_alive(*id) && names(*id, marker))
        .map(|id| Process { id, words: words(id) })
        .collect()
}

/// Send a signal; a process that is gone needs none.
pub(crate) fn signal(id: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(id) {
        let _gone = kill_process(pid, signal);
    }
}

/// Whether a process runs.
pub(crate) fn is_alive(id: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn names(id: i32, marker: &[u8]) -> bool {
    let has = |bytes: &[u8]| bytes.windows(marker.len()).any(|window| window == marker);
    let is_there = fs::read_link(format!("/proc/{id}/cwd"));
    is_there.is_ok_and(|path| has(path.as_os_str().as_encoded_bytes()))
        || ["cmdline", "environ"]
            .iter()
            .any(|file| fs::read(format!("/proc/{id}/{file}")).is_ok_and(|b| has(&b)))
}

fn words(id: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}
