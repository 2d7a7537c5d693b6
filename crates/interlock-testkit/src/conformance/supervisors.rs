//! Supervisors: whoever called one server of a workspace is known to all of them.

use std::sync::Arc;

use interlock_core::agent::Label;
use interlock_core::command::{Command, NoteSupervisor};
use interlock_core::facts::{Key, Keys};
use interlock_core::limits::SUPERVISORS_MAX;
use interlock_core::wake::Supervisor;

use super::probe::load;
use crate::{Database, Sequencer, Story};

impl Story {
    /// A supervisor with these labels calls.
    pub(crate) async fn calls(&mut self, name: &str, labels: &[&str]) {
        let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        let command = Command::NoteSupervisor(NoteSupervisor { supervisor: name.into(), labels });
        self.tell("olga", command).await.unwrap();
    }
}

/// Written, changed, forgotten: another store on the same database loads what was made, and no dump has it.
pub async fn supervisors_heard_of_at_one_server_are_known_at_every_other(database: Arc<dyn Database>) {
    let here = database.open().await;
    let mut tale = Story::begin(Sequencer::new(here.clone(), 1).await).await;
    let mut other = Story::begin(Sequencer::new(here.clone(), 2).await).await;
    other.calls("theirs", &[]).await;
    for number in 0..=SUPERVISORS_MAX {
        tale.sequencer.wall = tale.sequencer.wall.plus_ms(1);
        tale.calls(&format!("sup-{number:03}"), &["gpu"]).await;
    }
    // Between these two a collation of words would find another order than that of bytes.
    tale.calls("sup-B", &["cpu", "gpu"]).await;
    tale.calls("sup-a", &[]).await;
    let ws = tale.sequencer.workspace_id;
    let made: Vec<Supervisor> = tale.sequencer.mirror.supervisors.values().cloned().collect();
    assert_eq!(made.len(), SUPERVISORS_MAX);
    drop(tale);
    drop(here);
    let there = database.open().await;
    let (facts, _) = load(&there, ws, Keys::from([Key::Supervisors])).await;
    assert_eq!(facts.supervisors().unwrap().cloned().collect::<Vec<_>>(), made);
    let (facts, _) = load(&there, other.sequencer.workspace_id, Keys::from([Key::Supervisors])).await;
    let names: Vec<_> = facts.supervisors().unwrap().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["theirs"], "each workspace knows its own");
    let dump = there.dump(ws).await.unwrap();
    assert!(dump.iter().all(|line| !line.starts_with("supervisor ")), "operational");
}
