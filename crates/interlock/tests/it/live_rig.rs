//! An agent whose sessions are in a server of Codex that we run, for tests of the live door.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::codex_client::Person;
use crate::desk::{Desk, Kind};
use crate::wait::until;

/// The turns in which a wake's messages stand, by their names.
pub(crate) fn named(turns: &[Value], wake: &Value) -> Vec<String> {
    let wake = wake["wake_id"].as_str().unwrap();
    let items = turns.iter().flat_map(|turn| turn["items"].as_array().unwrap().clone());
    items
        .filter_map(|item| Some(item["clientId"].as_str()?.to_owned()))
        .filter(|id| id.starts_with(wake))
        .collect()
}

/// An agent whose sessions are in our own server: the desk, its thread, and where people attach.
pub(crate) fn managed(test: &str) -> Option<(Desk, String, PathBuf)> {
    managed_with(test, "")
}

/// The same with further lines of the policy.
pub(crate) fn managed_with(test: &str, policy: &str) -> Option<(Desk, String, PathBuf)> {
    let patience = Duration::from_mins(10);
    let desk = Desk::open_with(test, Kind::Codex, patience, (policy, &[]))?;
    let program = Kind::Codex.program(test)?;
    desk.register_as("live", &program, desk.model.key(), Some("scripted"), &["--live"]);
    let made = desk.site.ask(&["thread", "create", "Its own", "--with", "live"]);
    let thread = made["thread_id"].as_str().unwrap().to_owned();
    desk.site.ask(&["thread", "post", &thread, "good morning"]);
    let folder = desk.site.path(".interlock/state/live");
    let socket = until("our server", || {
        let files = std::fs::read_dir(&folder).ok()?.flatten().map(|file| file.path());
        files
            .filter(|file| file.extension().is_some_and(|ending| ending == "sock"))
            .find(|file| Person::at(&desk.runtime, file).is_some())
    });
    Some((desk, thread, socket))
}
