use std::collections::BTreeSet;

use interlock_agents::repair::{Order, Outcome, Wanted, Workshop};
use interlock_agents::sample::Sample;

use crate::place::{BRANCH, Place, git, wanted};

/// Mends everything and gives the outcomes.
fn mend(workshop: &Workshop, open: &[Wanted]) -> Vec<Outcome> {
    open.iter().map(|one| workshop.mend(one, open).unwrap()).collect()
}

fn commit_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Mended { commit } => commit,
        other => panic!("not mended: {other:?}"),
    }
}

#[test]
fn a_sample_is_mended_and_the_culprit_found() {
    for seed in [5, 42] {
        let place = Place::new(seed, |_| {});
        let workshop = place.workshop(None);
        let formatted = workshop.format(None).unwrap().expect("the sample is untidy");
        let open = wanted(&place.findings(&formatted, None));
        assert_eq!(open.len(), 2, "seed {seed}: {open:#?}");
        let outcomes = mend(&workshop, &open);
        for (one, outcome) in open.iter().zip(&outcomes) {
            let message = git(&place.executor, &["show", "-s", "--format=%B", commit_of(outcome)]);
            assert!(message.contains(&format!("Interlock-Finding: {}", one.finding_id)), "{message}");
            if one.finding.rule.starts_with("test:") {
                let reverts = format!("This reverts commit {}.", place.sample.culprit.commit);
                assert!(message.contains(&reverts), "seed {seed}: {message}");
            }
        }
        let head = workshop.head().unwrap();
        assert_eq!(place.findings(&head, None), []);
        assert_eq!(
            git(&place.sample.dir, &["rev-parse", "main"]),
            place.sample.head,
            "the owner's branch stays"
        );
        assert_eq!(git(&place.executor, &["status", "--porcelain"]), "");
        let mine = workshop.unannounced(Some(&place.sample.head), &BTreeSet::new()).unwrap();
        assert_eq!(mine.len(), 3, "{mine:?}");
        assert_eq!(workshop.unannounced(None, &BTreeSet::from([formatted])).unwrap(), mine[1..]);
    }
}

#[test]
fn a_random_function_broken_in_a_random_file_is_mended_as_well() {
    for seed in [101, 202] {
        let mut broken = None;
        let place = Place::new(seed, |sample| {
            let others: Vec<_> = sample
                .functions
                .iter()
                .filter(|one| one.sound != one.broken && one.name != sample.culprit.function)
                .collect();
            let one = others[usize::try_from(seed).unwrap() % others.len()];
            let path = sample.dir.join(&one.path);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(&one.sound), "{one:?}");
            std::fs::write(&path, text.replacen(&one.sound, &one.broken, 1)).unwrap();
            git(&sample.dir, &["commit", "-qam", "Simplify a little"]);
            let culprit = git(&sample.dir, &["rev-parse", "HEAD"]);
            git(&sample.dir, &["commit", "-q", "--allow-empty", "-m", "Trigger the build"]);
            broken = Some((format!("test:{}", one.test), culprit));
        });
        let (rule, culprit) = broken.unwrap();
        let workshop = place.workshop(None);
        workshop.format(None).unwrap();
        let open = wanted(&place.findings(&workshop.head().unwrap(), None));
        assert_eq!(open.len(), 3, "seed {seed}: {open:#?}");
        let outcomes = mend(&workshop, &open);
        let at = open.iter().position(|one| one.finding.rule == rule).expect("the broken test is found");
        let message = git(&place.executor, &["show", "-s", "--format=%B", commit_of(&outcomes[at])]);
        assert!(message.contains(&culprit), "seed {seed}: {message}");
        assert_eq!(place.findings(&workshop.head().unwrap(), None), [], "seed {seed}: {outcomes:#?}");
    }
}

#[test]
fn what_nobody_can_mend_is_said() {
    let place = Place::new(9, |sample| {
        // Fails since it was written, and warns without a suggestion.
        let path = sample.dir.join("src/lib.rs");
        let text = std::fs::read_to_string(&path).unwrap();
        let more = "\nfn unused() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn never_passed() {\n        \
                    assert_eq!(1, 2);\n    }\n}\n";
        std::fs::write(&path, text + more).unwrap();
        git(&sample.dir, &["commit", "-qam", "Expect the impossible"]);
    });
    let workshop = place.workshop(Some(&["cargo check", "cargo test"]));
    let before = workshop.head().unwrap();
    let open: Vec<_> = wanted(&place.findings(&before, Some(&["cargo check", "cargo test"])))
        .into_iter()
        .filter(|one| one.finding.path == "src/lib.rs")
        .collect();
    assert_eq!(open.len(), 2, "{open:#?}");
    for outcome in mend(&workshop, &open) {
        let Outcome::Unresolved(why) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("suggests nothing") || why.contains("it passed in none of the"), "{why}");
    }
    assert_eq!(workshop.head().unwrap(), before);
}

#[test]
fn a_command_is_mended_and_a_killed_bisection_is_cleaned_up() {
    let place = Place::new(12, |sample| {
        std::fs::write(sample.dir.join("LIMITS"), "max 10\n").unwrap();
        git(&sample.dir, &["add", "LIMITS"]);
        git(&sample.dir, &["commit", "-qm", "State the limit"]);
        git(&sample.dir, &["commit", "-q", "--allow-empty", "-m", "Trigger the build"]);
        std::fs::write(sample.dir.join("LIMITS"), "max 99\n").unwrap();
        git(&sample.dir, &["commit", "-qam", "Raise the limit"]);
        git(&sample.dir, &["commit", "-q", "--allow-empty", "-m", "Trigger the build again"]);
    });
    // A predecessor was killed in the middle of everything.
    git(&place.executor, &["bisect", "start", "HEAD", "HEAD~6"]);
    std::fs::write(place.executor.join("LIMITS"), "half written").unwrap();
    std::fs::write(place.executor.join("left_behind"), "").unwrap();
    place.leave_locked(&["index.lock", "refs/bisect/bad.lock"]);

    let command = ["grep -q 'max 10' LIMITS"];
    let workshop = place.workshop(Some(&command));
    assert_eq!(git(&place.executor, &["symbolic-ref", "--short", "HEAD"]), BRANCH);
    assert_eq!(git(&place.executor, &["status", "--porcelain"]), "");
    let open = wanted(&place.findings(&workshop.head().unwrap(), Some(&command)));
    assert_eq!(open.len(), 1, "{open:?}");
    let outcomes = mend(&workshop, &open);
    let said = workshop.announcement(commit_of(&outcomes[0])).unwrap();
    assert!(said.contains("fails since") && said.contains("Raise the limit"), "{said}");
    assert_eq!(place.findings(&workshop.head().unwrap(), Some(&command)), []);
}

/// Killed while it moved the branch that is checked out: whoever comes next knows it only by that.
#[test]
fn the_locks_of_a_killed_predecessor_are_removed_and_nobody_elses() {
    let place = Place::new(12, |_| ());
    let other = "refs/heads/somebody-elses.lock";
    place.leave_locked(&["HEAD.lock", "ORIG_HEAD.lock", "index.lock", other]);
    place.leave_locked(&[&format!("refs/heads/{BRANCH}.lock")]);
    // What everybody shares is theirs who live, until it is so old that nobody can be at it (see `repair::tidy`).
    place.leave_locked(&["packed-refs.lock", "AUTO_MERGE.lock"]);
    let shared = place.lock("packed-refs.lock");
    let file = std::fs::File::options().write(true).open(&shared).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_mins(1)).unwrap();
    let order = Order { branch: None, thread: "thr_1".to_owned(), ..Order::default() };
    let workshop = Workshop::open(&place.executor, order).unwrap();
    assert!(place.lock(other).exists() && !shared.exists());
    git(&place.executor, &["commit", "-q", "--allow-empty", "-m", "Go on"]);
    assert_eq!(git(&place.sample.dir, &["rev-parse", BRANCH]), workshop.head().unwrap());
}

/// Changes a line of a function that is not the culprit's and commits.
fn alter(sample: &Sample, change: impl Fn(&str) -> String) -> (String, String) {
    let mut others = sample.functions.iter();
    let one = others.find(|one| one.sound != one.broken && one.name != sample.culprit.function).unwrap();
    let path = sample.dir.join(&one.path);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen(&one.sound, &change(&one.broken), 1)).unwrap();
    git(&sample.dir, &["commit", "-qam", "Simplify in a hurry"]);
    (one.test.clone(), git(&sample.dir, &["rev-parse", "HEAD"]))
}

#[test]
fn a_culprit_is_reverted_although_the_formatter_touched_its_lines() {
    let mut broken = None;
    let place = Place::new(31, |sample| {
        broken = Some(alter(sample, |line| format!("        {}", line.replace(' ', "  "))));
    });
    let (test, culprit) = broken.unwrap();
    let workshop = place.workshop(None);
    workshop.format(None).unwrap().unwrap();
    let open = wanted(&place.findings(&workshop.head().unwrap(), None));
    let one = open.iter().find(|one| one.finding.rule == format!("test:{test}")).unwrap();
    let outcome = workshop.mend(one, &open).unwrap();
    let message = git(&place.executor, &["show", "-s", "--format=%B", commit_of(&outcome)]);
    assert!(message.contains(&culprit), "{message}");
    let left = place.findings(&workshop.head().unwrap(), None);
    assert!(left.iter().all(|finding| finding.rule != "rustfmt"), "{left:#?}");
}

#[test]
fn code_that_stopped_compiling_is_mended_by_history() {
    let mut broken = None;
    let place = Place::new(32, |sample| broken = Some(alter(sample, |_| "no_such_name".to_owned())));
    let (_, culprit) = broken.unwrap();
    let workshop = place.workshop(None);
    let open = wanted(&place.findings(&workshop.head().unwrap(), None));
    let one = open.iter().find(|one| one.finding.rule == "E0425").expect("the compiler complains");
    let outcome = workshop.mend(one, &open).unwrap();
    let message = git(&place.executor, &["show", "-s", "--format=%B", commit_of(&outcome)]);
    assert!(message.contains(&culprit), "{message}");
}
