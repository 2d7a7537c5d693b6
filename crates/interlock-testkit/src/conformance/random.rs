//! Random stories: what comes back is what was made, and the same story gives the same dump.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRng, TestRunner};

use super::probe::check_facts;
use crate::model::{ops, play};
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

/// Sequences of random commands, commands of one at most, and where the random numbers begin; INTERLOCK_MODEL_CASES and
/// INTERLOCK_MODEL_SEED say otherwise.
const MODEL_CASES: u32 = 20;
const MODEL_STEPS: usize = 45;
const MODEL_SEED: u64 = 4;
/// Sequences that are tried to make a failing one shorter.
const SHRINKS_MAX: u32 = 400;

fn number_of<T: std::str::FromStr>(variable: &str, otherwise: T) -> T {
    let said = std::env::var(variable).ok();
    said.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`")))
}

/// Random commands are given to a store and to a small model of its own making; each sequence in a workspace of its own.
/// One that fails is made shorter before it is shown.
pub async fn whatever_anybody_does_is_what_the_model_says(database: Arc<dyn Database>) {
    let config = ProptestConfig {
        cases: number_of("INTERLOCK_MODEL_CASES", MODEL_CASES),
        rng_seed: RngSeed::Fixed(number_of("INTERLOCK_MODEL_SEED", MODEL_SEED)),
        max_shrink_iters: SHRINKS_MAX,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let played = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(database.open());
        let workspaces = AtomicU32::new(1);
        TestRunner::new(config).run(&ops(MODEL_STEPS), |steps| {
            let number = workspaces.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(play(store.clone(), number.into(), &steps));
            Ok(())
        })
    });
    if let Err(failure) = played.await.unwrap() {
        panic!("{failure}");
    }
}
