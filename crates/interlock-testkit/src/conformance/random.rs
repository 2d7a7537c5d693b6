//! Random stories: what comes back is what was made, and the same story gives the same dump.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::probe::check_facts;
use crate::{Database, Sequencer, Story};

/// Stories per test, and steps per story: few, because each step is a synced commit.
const STORIES: usize = 4;
const STEPS: usize = 60;

/// The same stories at every run: a failure can be looked at again.
fn stories() -> Vec<Vec<(u8, u8, u8)>> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strategy = proptest::collection::vec(any::<(u8, u8, u8)>(), STEPS);
    (0..STORIES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// After every few steps, and after opening anew, the store loads exactly what `evolve` made.
pub async fn rows_loaded_are_the_rows_made(database: Arc<dyn Database>) {
    let mut store = database.open().await;
    for (number, steps) in (1..).zip(stories()) {
        let mut tale = Story::begin(Sequencer::new(store.clone(), number).await).await;
        tale.sequencer.is_forgetful = number % 2 == 0;
        for (n, step) in steps.into_iter().enumerate() {
            tale.step(step).await;
            if n % 20 == 19 {
                check_facts(&store, tale.sequencer.workspace_id, &tale.sequencer.mirror).await;
            }
        }
        let (ws, mirror) = (tale.sequencer.workspace_id, tale.sequencer.mirror);
        drop((tale.sequencer.store, store));
        store = database.open().await;
        check_facts(&store, ws, &mirror).await;
    }
}

/// Two workspaces of the same name and number would be one: the story is told in two databases' places of one store.
pub async fn the_same_commands_give_the_same_dump(database: Arc<dyn Database>) {
    let store = database.open().await;
    let steps = stories().remove(0);
    let mut dumps = Vec::new();
    for number in [1, 2] {
        let mut tale = Story::begin(Sequencer::new(store.clone(), number).await).await;
        tale.sequencer.is_forgetful = number == 2;
        for step in &steps {
            tale.step(*step).await;
        }
        dumps.push(store.dump(tale.sequencer.workspace_id).await.unwrap());
    }
    assert!(dumps[0].len() > STEPS, "a dump holds what was told");
    assert_eq!(dumps[0], dumps[1]);
}
