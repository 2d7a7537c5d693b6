//! A place for whole systems: instances, repositories and running processes, all of which end with it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::processes::{self, Process};
use crate::wait::{PATIENCE, until};
use crate::world::{Ran, World, finish};

/// Where cargo finds its toolchain, and the folder of the person's home that says so where no variable does.
const TOOLCHAIN: [(&str, &str); 2] = [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")];

/// A folder with a place for temporary files in it, and the end of every process that belongs to it.
pub(crate) struct Site {
    world: World,
}

impl Site {
    pub(crate) fn new() -> Self {
        let world = World::new();
        for folder in ["tmp", "person"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        // A login shell begins with the system's path; people's profiles put their tools on it again.
        let path = std::env::var("PATH").unwrap();
        world.write("person/.profile", &format!("PATH='{path}'\nexport PATH\n"));
        Self { world }
    }

    /// A place with an instance in it, whose `[policy]` says this.
    pub(crate) fn with_instance(policy: &str) -> Self {
        let site = Self::new();
        site.run(&["init"]).ok();
        site.set_policy(policy);
        site
    }

    pub(crate) fn set_policy(&self, policy: &str) {
        let file = self.path(".interlock/config.toml");
        let config = fs::read_to_string(&file).unwrap();
        fs::write(file, config.replace("[policy]\n", &format!("[policy]\n{policy}\n"))).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.world.path(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        self.world.write(name, text)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        command.env("TMPDIR", self.path("tmp"));
        // A home of its own: what login shells do in the person's may take minutes, and is theirs.
        command.env("HOME", self.path("person"));
        command.envs(TOOLCHAIN.iter().filter_map(|(name, folder)| Some((name, toolchain(name, folder)?))));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        finish(&mut self.command(arguments), b"")
    }

    /// Run with `--json`, successfully, and give what it says.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        let mut words = arguments.to_vec();
        let at = words.iter().position(|word| *word == "--").unwrap_or(words.len());
        words.insert(at, "--json");
        self.run(&words).ok().only_json()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::new(&mut self.command(arguments))
    }

    /// A server of this place's instance, once it is ready.
    pub(crate) fn up(&self, more: &[&str]) -> Server {
        let running = self.start(&[&["up", "--json"], more].concat());
        let ready = running.json();
        assert_eq!(ready["event"], "ready", "{ready} {}", running.errors());
        assert_eq!(ready["pid"], running.id());
        Server { url: ready["url"].as_str().unwrap().to_owned(), running }
    }

    /// The processes of the binary under test that belong to this place.
    pub(crate) fn ours(&self) -> Vec<Process> {
        self.processes().into_iter().filter(Process::is_ours).collect()
    }

    pub(crate) fn processes(&self) -> Vec<Process> {
        processes::of(self.path("tmp").parent().unwrap())
    }

    /// Wait until nothing that was started here runs any more.
    #[track_caller]
    pub(crate) fn until_quiet(&self) {
        until("the end of every process", || self.processes().is_empty().then_some(()));
    }

    /// The folders that pilots made for themselves.
    pub(crate) fn pilot_folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap());
        let pilots =
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("interlock-pilot-"));
        pilots.map(|entry| entry.path()).collect()
    }
}

fn toolchain(name: &str, folder: &str) -> Option<PathBuf> {
    let in_home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(folder));
    std::env::var_os(name).map(PathBuf::from).or_else(in_home)
}

impl Drop for Site {
    fn drop(&mut self) {
        // Again as long as there is somebody: one process may have been about to start another.
        for _ in 0..100 {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for process in left {
                processes::signal(process.id, Signal::KILL);
            }
        }
    }
}

/// A process whose standard output is read line by line.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Running {
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = reader(child.stdout.take().unwrap());
        let errors = reader(child.stderr.take().unwrap());
        Self { child, lines, errors }
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        processes::signal(self.id(), signal);
    }

    /// End it as a power cut would, and wait until it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the end of a process", || self.child.try_wait().unwrap())
    }

    /// Its exit code and what it wrote that nobody has read yet.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ran {
        let code = self.wait().code().expect("it ends by itself");
        let text = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect();
        Ran { code, out: text(&self.lines), err: text(&self.errors) }
    }

    /// The next line, or `None` at the end of the output.
    #[track_caller]
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("waited in vain for a line; {}", self.errors()),
        }
    }

    /// Wait for the next line, but no longer than this.
    pub(crate) fn line_within(&self, patience: Duration) -> Option<String> {
        self.lines.recv_timeout(patience).ok()
    }

    /// The next line as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let line = self.line().unwrap_or_else(|| panic!("no more lines; {}", self.errors()));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// What it wrote to standard error so far.
    pub(crate) fn errors(&self) -> String {
        let mut text = String::new();
        while let Ok(line) = self.errors.recv_timeout(Duration::from_millis(1)) {
            text += &line;
            text.push('\n');
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        // Nothing to reap when it was waited for.
        let _reaped = self.child.wait();
    }
}

fn reader(input: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(input).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A running server.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) running: Running,
}

impl Server {
    /// Its address without the scheme, to start another one on it.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

/// Every file below a folder with its bytes, git's own excepted.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let path = entry.path();
            if !entry.file_type().unwrap().is_dir() {
                found.insert(path.clone(), fs::read(path).unwrap());
            } else if entry.file_name() != ".git" {
                folders.push(path);
            }
        }
    }
    found
}

/// The files that are not as they were.
pub(crate) fn changed(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
) -> Vec<PathBuf> {
    let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
    paths.filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}
