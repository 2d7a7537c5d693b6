use super::generate;
use crate::git::Git;

fn made(seed: u64) -> (tempfile::TempDir, super::Sample) {
    let dir = tempfile::tempdir().unwrap();
    let sample = generate(&dir.path().join("sample"), seed).unwrap();
    (dir, sample)
}

#[test]
fn a_seed_names_one_sample() {
    let ((_a, first), (_b, again), (_c, other)) = (made(7), made(7), made(8));
    assert_eq!(first.head, again.head);
    assert_eq!(first.culprit, again.culprit);
    assert_ne!(first.head, other.head);
}

#[test]
fn a_history_looks_like_one_and_the_culprit_can_be_reverted() {
    for seed in 0..12 {
        let (_dir, sample) = made(seed);
        assert!((8..=20).contains(&sample.commits), "seed {seed}: {} commits", sample.commits);
        assert!(sample.warning.line > 0 && sample.formatting.line > 0, "seed {seed}: {sample:?}");
        assert_ne!(sample.culprit.commit, sample.head, "seed {seed}");
        let git = Git::isolated(&sample.dir).set("user.name=x").set("user.email=x@example.com");
        assert!(!git.is_changed().unwrap());
        let parent = git.text(&["rev-parse", &format!("{}^", sample.culprit.commit)]).unwrap();
        let tests = git.text(&["show", &format!("{parent}:{}", sample.culprit.path)]).unwrap();
        assert!(tests.contains(sample.culprit.test.rsplit("::").next().unwrap()), "seed {seed}");
        git.text(&["revert", "--no-edit", &sample.culprit.commit]).unwrap();
    }
}

#[test]
fn seeds_differ_in_what_they_break() {
    let samples: Vec<_> = (20..32).map(made).collect();
    let rules: std::collections::BTreeSet<_> = samples.iter().map(|(_, s)| s.warning.rule.clone()).collect();
    let names: std::collections::BTreeSet<_> = samples.iter().map(|(_, s)| s.name.clone()).collect();
    let culprits: std::collections::BTreeSet<_> =
        samples.iter().map(|(_, s)| s.culprit.function.clone()).collect();
    assert!(rules.len() >= 3 && names.len() >= 3 && culprits.len() >= 8, "{rules:?} {names:?} {culprits:?}");
}

#[test]
fn only_the_untidy_function_is_not_formatted() {
    for seed in 40..60 {
        let (_dir, sample) = made(seed);
        let root = sample.dir.join("src/lib.rs");
        let Ok(output) = std::process::Command::new("rustfmt")
            .args(["--check", "--color", "never", "--edition", "2021"])
            .arg(&root)
            .output()
        else {
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        let strangers: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("Diff in ") && !line.contains(&sample.formatting.path))
            .collect();
        assert!(strangers.is_empty(), "seed {seed}: {text}");
        assert!(text.contains(&sample.formatting.path), "seed {seed}: {text}");
    }
}
