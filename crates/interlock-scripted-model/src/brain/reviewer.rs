//! The part that reviews: runs the checks on the commit it is asked about, and says what it finds.

use serde_json::json;

use super::checks::{Problem, complaints, failures, formatting};
use super::executor::post;
use super::hand::{Hand, Pause, Turn, Wake};
use super::mend::short_sha;
use super::thread::{Finding, State, Thread, text};

/// One turn.
pub(super) fn turn(hand: &mut Hand<'_>, wake: &Wake, thread: &Thread) -> Turn<String> {
    let is_review_only = thread.task().pointer("/data/review_only") == Some(&true.into());
    let asked = thread.asked_commit().or_else(|| {
        let base = text(thread.task(), "/data/commit").to_owned();
        (is_review_only && !base.is_empty()).then_some(base)
    });
    let Some(commit) = asked else {
        hand.ack(wake, thread.last_seq)?;
        return Ok("Nobody has asked me to look at anything yet.".into());
    };
    let problems = look(hand, thread, &commit)?;
    let findings = thread.findings();
    let is_known =
        |problem: &&Problem| findings.iter().any(|one| one.state != State::Verified && same(one, problem));
    judge_known(hand, wake, thread, &commit, &problems)?;
    let news: Vec<&Problem> = problems.iter().filter(|problem| !is_known(problem)).collect();
    let mender = thread.mender().unwrap_or_else(|| thread.author());
    for problem in &news {
        report(hand, wake, &mender, problem)?;
    }
    let hopeless =
        findings.iter().find(|one| one.state == State::Unresolved && problems.iter().any(|p| same(one, p)));
    hand.ack(wake, thread.last_seq)?;
    let ending = match (problems.as_slice(), hopeless) {
        ([], _) => {
            Some(("resolved", "BY_REQUEST", format!("All checks are clean at {}.", short_sha(&commit))))
        }
        (_, Some(one)) => {
            let text = format!("`{}` in {} could not be mended.", one.rule, one.path);
            Some(("blocked", "FINDING_UNRESOLVED", text))
        }
        _ if is_review_only => {
            Some(("blocked", "OPEN_FINDINGS", format!("{} problems were found.", problems.len())))
        }
        _ => None,
    };
    if let Some((status, reason, text)) = ending {
        let change = json!({"thread_id": wake.thread, "status": status, "reason": reason, "text": text});
        hand.change("That decides it.", wake, "update_thread_status", change)?;
    }
    let turn = hand.talk.asked.len();
    Ok(format!(
        "I looked at {}: {} problems, {} of them new. (My turn {turn} here.)",
        short_sha(&commit),
        problems.len(),
        news.len()
    ))
}

/// What was found before: is it gone?
fn judge_known(
    hand: &mut Hand<'_>,
    wake: &Wake,
    thread: &Thread,
    commit: &str,
    problems: &[Problem],
) -> Turn<()> {
    let mender = thread.mender().unwrap_or_else(|| thread.author());
    for finding in thread.findings().iter().filter(|finding| finding.state != State::Verified) {
        let (rule, path) = (&finding.rule, &finding.path);
        match problems.iter().find(|problem| same(finding, problem)) {
            None => {
                let body = format!("`{rule}` in {path} is mended at {}.", short_sha(commit));
                let data = json!({"finding_id": finding.id, "commit": commit});
                post(hand, wake, &thread.author(), "finding_verified", &body, &data)?;
            }
            Some(problem) if finding.state == State::Open => {
                let body = format!("`{rule}` in {path} is still there at {}.", short_sha(commit));
                let data = json!({"finding_id": finding.id, "commit": commit, "message": problem.message});
                post(hand, wake, &mender, "finding_rejected", &body, &data)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn report(hand: &mut Hand<'_>, wake: &Wake, mender: &str, problem: &Problem) -> Turn<()> {
    let Problem { path, line, rule, severity, message } = problem;
    let data = json!({
        "finding_id": finding_id(&wake.id, problem), "path": path, "line": line, "rule": rule,
        "severity": severity, "message": message,
    });
    let body = format!("{path}:{line}: {message} ({rule}).");
    post(hand, wake, mender, "finding_reported", &body, &data)
}

/// Whether a problem is what was found before. Lines move.
fn same(finding: &Finding, problem: &Problem) -> bool {
    finding.path == problem.path && finding.rule == problem.rule && finding.message == problem.message
}

/// Check the commit out and run the checks: those that the task names, or those of a Rust repository.
fn look(hand: &mut Hand<'_>, thread: &Thread, commit: &str) -> Turn<Vec<Problem>> {
    let out =
        hand.shell("I look at what I am asked about.", &format!("git checkout --quiet --detach {commit}"))?;
    if !out.is_ok() {
        return Err(Pause::GiveUp(format!("{commit} cannot be checked out: {}", out.text)));
    }
    let root = hand.root()?;
    let named = thread.task().pointer("/data/checks").and_then(serde_json::Value::as_array).cloned();
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let mut found = Vec::new();
        for check in named.iter().filter_map(serde_json::Value::as_str) {
            let ran = hand.shell("This must pass.", check)?;
            if !ran.is_ok() {
                found.push(failed_check(check, &ran.text));
            }
        }
        return Ok(found);
    }
    rust(hand, &root)
}

/// Reads problems from what a check prints, with the top of the work tree.
type Understand = fn(&str, &str) -> Vec<Problem>;

/// The checks of a Rust repository. One that fails without a word that is understood has not passed either.
fn rust(hand: &mut Hand<'_>, root: &str) -> Turn<Vec<Problem>> {
    let checks: [(&str, &str, Understand); 3] = [
        ("Is it formatted?", "cargo fmt --all --check", formatting),
        ("What does the compiler say?", "cargo check --all-targets --message-format=json", complaints),
        ("Do the tests pass?", "cargo test --no-fail-fast", failures),
    ];
    let (mut found, mut failed) = (Vec::new(), None);
    for (why, check, understand) in checks {
        let ran = hand.shell(why, check)?;
        found.extend(understand(&ran.text, root));
        if !ran.is_ok() {
            failed.get_or_insert_with(|| failed_check(check, &ran.text));
        }
    }
    if found.is_empty() {
        found.extend(failed);
    }
    Ok(found)
}

fn failed_check(check: &str, output: &str) -> Problem {
    let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Problem {
        path: ".".into(),
        line: 0,
        rule: format!("check:{check}"),
        severity: "high",
        message: last.chars().take(200).collect(),
    }
}

/// An id of the form that findings have, the same for the same problem of the same wake.
fn finding_id(wake: &str, problem: &Problem) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let text = format!("{wake}\n{}\n{}\n{}\n{}", problem.path, problem.line, problem.rule, problem.message);
    // FNV-1a of 128 bits.
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in text.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let digit = |place: u32| {
        let index = usize::try_from((hash >> (5 * place)) & 31).unwrap_or(0);
        ALPHABET.get(index).copied().map_or('0', char::from)
    };
    // 26 characters carry 130 bits; the first has three of its own.
    format!("fnd_{}", (0..26).rev().map(digit).collect::<String>())
}
