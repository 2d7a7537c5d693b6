//! The part that mends: what was found, one commit each, then asks for a review.

use serde_json::{Value, json};

use super::hand::{Hand, Turn, Wake};
use super::mend::{Mended, format, head, mend, short_sha};
use super::thread::{State, Thread, text};

/// One turn.
pub(super) fn turn(hand: &mut Hand<'_>, wake: &Wake, thread: &Thread) -> Turn<String> {
    let root = hand.root()?;
    let mut fixes = 0;
    if !thread.has_spoken(&wake.agent)
        && let Mended::Commit(commit) = format(hand)?
    {
        pushed(hand, wake, thread, &commit, "rustfmt laid the code out")?;
        fixes += 1;
    }
    let mut given_up = 0;
    for finding in thread.findings().into_iter().filter(|finding| finding.state == State::Open) {
        match mend(hand, &finding, &root)? {
            Mended::Commit(commit) => {
                pushed(
                    hand,
                    wake,
                    thread,
                    &commit,
                    &format!("`{}` in {} is mended", finding.rule, finding.path),
                )?;
                fixes += 1;
            }
            Mended::Gone => {}
            Mended::Cannot(why) => {
                let data = json!({"finding_id": finding.id, "message": why});
                let body = format!("I cannot mend `{}` in {}: {why}.", finding.rule, finding.path);
                post(hand, wake, &thread.author(), "finding_unresolved", &body, &data)?;
                given_up += 1;
            }
        }
    }
    let commit = head(hand)?;
    let turn = hand.talk.asked.len();
    let body = format!(
        "Please look at {}: {fixes} fixes, {given_up} that I cannot mend. (My turn {turn} here.)",
        short_sha(&commit)
    );
    let lead = thread.lead().unwrap_or_else(|| thread.author());
    post(hand, wake, &lead, "re_review_requested", &body, &json!({"commit": commit}))?;
    hand.ack(wake, thread.last_seq)?;
    Ok(format!("I made {fixes} fixes and asked `{lead}` for a review of {}.", short_sha(&commit)))
}

fn pushed(hand: &mut Hand<'_>, wake: &Wake, thread: &Thread, commit: &str, what: &str) -> Turn<()> {
    let branch = text(thread.task(), "/data/branch");
    let body = format!("{what}. Pushed as {}.", short_sha(commit));
    post(hand, wake, &thread.author(), "fix_pushed", &body, &json!({"commit": commit, "branch": branch}))
}

/// Post an event to one participant.
pub(super) fn post(
    hand: &mut Hand<'_>,
    wake: &Wake,
    to: &str,
    kind: &str,
    body: &str,
    data: &Value,
) -> Turn<()> {
    let message = json!({
        "thread_id": wake.thread, "kind": "event", "event_type": kind, "body": body, "data": data, "to": [to],
    });
    hand.change("I tell the thread.", wake, "post_message", message).map(|_| ())
}
