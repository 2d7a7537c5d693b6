//! The last step: the job comes to its end, and what it made is looked at by this process itself.

use std::process::Stdio;

use interlock_agents::check::Bench;
use interlock_agents::process::Limits;
use interlock_api::Problem;
use interlock_core::Reason;
use tokio::process::Command;

use super::judge;
use super::ledger::{Copy, KEY};
use super::step::{Kind, Step};
use super::{Chaos, repeat};
use crate::pilot::follow::follow;
use crate::pilot::outcome::{Verdict, export};
use crate::pilot::stage::Stage;
use crate::render::count;
use crate::render::style::Paint;

/// The whole ledger in the evidence.
const LEDGER: &str = "ledger.tar";

/// Follow the job to its end, run the tests, and verify the whole ledger.
pub(super) async fn finish(chaos: &mut Chaos<'_, '_>, verdict: &mut Verdict) -> Result<Step, Problem> {
    let run = &mut *chaos.run;
    *verdict = follow(&mut chaos.following, run.cast, run.params, run.show, run.outcome, run.child).await?;
    let tests = tests(run.stage).await?;
    let said = format!("{} pass and {} fail on the branch, run by this process", tests.0, tests.1);
    chaos.tell("tests", Paint::Bold, &said);
    if let Some(fault) = repeat::broken(chaos).await? {
        chaos.refute(Kind::AgentsRepeat, &fault);
    }
    let copy = Copy::of(export(&chaos.run.cast.client).await?);
    copy.write(&chaos.run.stage.evidence(), LEDGER)?;
    let facts = judge::Job {
        is_resolved: *verdict == Verdict::Resolved,
        tests,
        commits: chaos.commits().await?,
        ledger: copy.verify(&chaos.run.stage.vkey()?),
        before: chaos.head.clone().map(|head| (head.clone(), copy.root_of(head.size))),
    };
    let size = facts.ledger.as_ref().map_or(0, |head| head.size);
    let happened = format!(
        "resolved: {}, {} of the branch pass, and the whole ledger verifies with {size} entries",
        count(facts.commits.made.len(), "commit"),
        count(usize::try_from(tests.0).unwrap_or(usize::MAX), "test"),
    );
    let proof = format!("interlock verify {LEDGER} --key {KEY}");
    Ok(Step::judged(Kind::JobDone, &facts.faults(), happened, proof))
}

impl Chaos<'_, '_> {
    /// Something seen now speaks against a step before.
    fn refute(&mut self, kind: Kind, fault: &str) {
        self.tell("NOT SHOWN", Paint::Red, fault);
        let steps = self.run.outcome.chaos.iter_mut().flatten();
        steps.filter(|step| step.kind() == kind).for_each(|step| step.refute(fault));
    }
}

/// Run the tests of the branch where the executor worked, and count those that pass and fail.
async fn tests(stage: &Stage) -> Result<(u64, u64), Problem> {
    let wrong = |detail: String| Problem::new(Reason::CheckNotRunnable, &detail, "");
    let bench =
        Bench::open(&stage.executor, None, Limits::default()).map_err(|error| wrong(error.to_string()))?;
    let output = Command::new("cargo")
        .args(["test", "--no-fail-fast"])
        .current_dir(&bench.root)
        .envs(bench.environment())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| wrong(format!("cargo cannot be started: {error}")))?;
    let (passed, failed) = tally(&String::from_utf8_lossy(&output.stdout));
    // What does not even build has no tests that could fail.
    let is_silent = !output.status.success() && failed == 0;
    Ok((passed, failed + u64::from(is_silent)))
}

/// The tests that pass and fail, of every line with a result.
fn tally(said: &str) -> (u64, u64) {
    let results = said.lines().filter(|line| line.starts_with("test result: "));
    results.fold((0, 0), |(passed, failed), line| {
        let number = |word: &str| {
            let part = line.split([';', '.']).map(str::trim).find_map(|part| part.strip_suffix(word));
            part.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        (passed + number("passed"), failed + number("failed"))
    })
}

#[cfg(test)]
mod tests_of_tally {
    use super::tally;

    #[test]
    fn every_result_counts() {
        let said = "running 3 tests\ntest a ... ok\n\
                    test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(tally(said), (5, 4));
        assert_eq!(tally("error: could not compile\n"), (0, 0));
    }
}
