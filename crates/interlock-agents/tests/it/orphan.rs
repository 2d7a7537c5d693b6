use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use interlock_agents::check::{Bench, Check};
use interlock_agents::process::Limits;

/// Names the pipe to the process that runs a check for [`a_killed_agent_takes_its_checks_along`].
const PIPE: &str = "ORPHAN_TEST_PIPE";

/// The agent that is killed, when the other test starts it; does nothing otherwise.
#[test]
fn agent() {
    let Ok(pipe) = std::env::var(PIPE) else { return };
    let root = Path::new(&pipe).parent().unwrap();
    let bench = Bench { root: root.to_owned(), target: root.join("target"), limits: Limits::default() };
    let check = Check::parse(&format!("sh -c 'exec 3>{pipe}; echo started >&3; exec sleep 300'")).unwrap();
    bench.run(&check).unwrap();
}

#[test]
fn a_killed_agent_takes_its_checks_along() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "orphan::agent"])
        .env(PIPE, &pipe)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(std::fs::File::open(&pipe).unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    agent.kill().unwrap();
    agent.wait().unwrap();
    // Ends when the last process that holds the pipe has ended.
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}
