//! The agents: what each does when it is woken.

use interlock_core::wake::{Outcome, TurnFault};

use super::dice::Dice;

/// How an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Character {
    /// Reads, now and then answers somebody, ends well.
    Diligent,
    /// Reads, and always has something to say to everybody.
    Chatty,
    /// Reads and commits.
    Fixer,
    /// Reads and reports, now and then what it has reported before.
    Finder,
    /// Reads and verifies what was found, again and again.
    Verifier,
    /// Changes statuses, names who must act, wakes others, where it may and where it may not.
    Leader,
    /// Opens threads, speaks in all of them, gives orders.
    Opener,
    /// Breaks in every way there is.
    Fragile,
    /// Ends well without having read.
    Careless,
}

impl Character {
    pub(super) const ALL: [Self; 9] = [
        Self::Diligent,
        Self::Chatty,
        Self::Fixer,
        Self::Finder,
        Self::Verifier,
        Self::Leader,
        Self::Opener,
        Self::Fragile,
        Self::Careless,
    ];
}

/// One step of a process, or of a turn in a runtime's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It prints, or its runtime tells that the turn began: the runtime has accepted.
    Print,
    /// It calls the server with its wake's token.
    Call,
    /// It acknowledges everything there is.
    Ack,
    /// It says something to everybody.
    SayToAll,
    /// It says to everybody what it has said before.
    SayAgain,
    /// It says something to one participant.
    SayToOne,
    /// It says in another thread that it takes part in what it found out here.
    SayElsewhere,
    /// It orders somebody: at once, for a while, or in the place of an order before.
    Order,
    /// It announces a commit, a new one mostly.
    Fix,
    /// It reports a finding, one that is known now and then.
    Find,
    /// It verifies a finding, verified before or not.
    Verify,
    /// It changes the status of a thread.
    SetStatus,
    /// It lets a blocked thread go on over whatever blocked it.
    Override,
    /// It names who must act in a blocked thread.
    Assign,
    /// It wakes somebody without a message.
    Wake,
    /// It opens a thread with others, and says something there.
    Open,
    /// Its process ends so.
    End(Outcome),
    /// It does nothing any more, and does not end.
    Hang,
}

const WELL: Step = Step::End(Outcome::Exited { code: 0 });

/// What a process of this character does.
pub(super) fn steps(character: Character, dice: &mut Dice) -> Vec<Step> {
    match character {
        Character::Diligent => {
            let answer = dice.one(&[Step::SayToOne, Step::SayElsewhere, Step::Call, Step::Call]);
            vec![Step::Print, Step::Ack, answer, WELL]
        }
        Character::Chatty => {
            let says = if dice.chance(30) { Step::SayAgain } else { Step::SayToAll };
            vec![Step::Call, Step::Ack, says, WELL]
        }
        Character::Fixer => vec![Step::Ack, Step::Fix, WELL],
        Character::Finder => vec![Step::Print, Step::Ack, Step::Find, WELL],
        Character::Verifier => {
            let after = dice.one(&[Step::SayToAll, Step::SayToOne, Step::Call]);
            vec![Step::Print, Step::Ack, Step::Verify, after, WELL]
        }
        Character::Leader => {
            let leads = [Step::SetStatus, Step::SetStatus, Step::Override, Step::Assign, Step::Wake];
            let then = dice.one(&[Step::SayToAll, Step::SayElsewhere, Step::Call]);
            vec![Step::Print, Step::Ack, dice.one(&leads), then, WELL]
        }
        Character::Opener => {
            let does = dice.one(&[Step::Open, Step::SayElsewhere, Step::SayElsewhere, Step::Order]);
            vec![Step::Call, Step::Ack, does, WELL]
        }
        Character::Fragile => breaks(dice),
        Character::Careless if dice.chance(50) => vec![Step::Print, WELL],
        Character::Careless => vec![Step::Ack, WELL],
    }
}

fn breaks(dice: &mut Dice) -> Vec<Step> {
    let fault = |fault, reset_in_ms| Step::End(Outcome::TurnFailed { fault, reset_in_ms });
    let end = dice.one(&[
        Step::End(Outcome::Exited { code: 1 }),
        Step::End(Outcome::Exited { code: 75 }),
        Step::End(Outcome::Signalled { signal: 9 }),
        Step::End(Outcome::SpawnFailed),
        Step::End(Outcome::NotStarted),
        Step::End(Outcome::SessionGone),
        Step::End(Outcome::SessionBusy),
        Step::End(Outcome::SessionBusy),
        fault(TurnFault::ModelUnavailable, None),
        fault(TurnFault::ModelRateLimited, None),
        fault(TurnFault::ModelRateLimited, Some(20_000)),
        fault(TurnFault::ModelUnauthorized, None),
        fault(TurnFault::ToolsUnavailable, None),
        Step::Hang,
        WELL,
        WELL,
        WELL,
    ]);
    match dice.below(4) {
        0 => vec![end],
        1 => vec![Step::Print, end],
        2 => vec![Step::Call, Step::Ack, end],
        _ => vec![Step::Print, Step::Ack, Step::SayToOne, end],
    }
}

/// Whether it is said before anything was started.
pub(super) const fn is_before_start(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::SpawnFailed | Outcome::NotStarted | Outcome::SessionBusy | Outcome::SessionGone)
}
