//! The agents: what each does when it is woken.

use interlock_core::wake::Outcome;
use interlock_core::wake::TurnFault;

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
    /// Breaks in every way there is.
    Fragile,
    /// Ends well without having read.
    Careless,
}

impl Character {
    pub(super) const ALL: [Self; 6] =
        [Self::Diligent, Self::Chatty, Self::Fixer, Self::Finder, Self::Fragile, Self::Careless];
}

/// One step of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It prints: the runtime has accepted.
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
    /// It announces a commit, a new one mostly.
    Fix,
    /// It reports a finding, one that is known now and then.
    Find,
    /// Its process ends so.
    End(Outcome),
    /// It does nothing any more, and does not end.
    Hang,
}

/// What a process of this character does.
pub(super) fn steps(character: Character, dice: &mut Dice) -> Vec<Step> {
    let well = Step::End(Outcome::Exited { code: 0 });
    match character {
        Character::Diligent => {
            let answer = [Step::SayToOne, Step::SayElsewhere, Step::Call, Step::Call][dice.below(4)];
            vec![Step::Print, Step::Ack, answer, well]
        }
        Character::Chatty => {
            let says = if dice.chance(30) { Step::SayAgain } else { Step::SayToAll };
            vec![Step::Call, Step::Ack, says, well]
        }
        Character::Fixer => vec![Step::Ack, Step::Fix, well],
        Character::Finder => vec![Step::Print, Step::Ack, Step::Find, well],
        Character::Fragile => breaks(dice),
        Character::Careless if dice.chance(50) => vec![Step::Print, well],
        Character::Careless => vec![Step::Ack, well],
    }
}

fn breaks(dice: &mut Dice) -> Vec<Step> {
    let fault = |fault| Step::End(Outcome::TurnFailed { fault, reset_in_ms: None });
    let end = dice.one(&[
        Step::End(Outcome::Exited { code: 1 }),
        Step::End(Outcome::Exited { code: 75 }),
        Step::End(Outcome::Signalled { signal: 9 }),
        Step::End(Outcome::SpawnFailed),
        Step::End(Outcome::NotStarted),
        Step::End(Outcome::SessionGone),
        Step::End(Outcome::SessionBusy),
        fault(TurnFault::ModelUnavailable),
        fault(TurnFault::ModelRateLimited),
        fault(TurnFault::ModelUnauthorized),
        Step::Hang,
        Step::End(Outcome::Exited { code: 0 }),
        Step::End(Outcome::Exited { code: 0 }),
        Step::End(Outcome::Exited { code: 0 }),
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
    matches!(outcome, Outcome::SpawnFailed | Outcome::NotStarted | Outcome::SessionBusy)
}
