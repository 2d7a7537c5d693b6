//! What supervisors do: claim, renew, report, and whole turns of agents.

use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::Label;
use interlock_core::command::{ClaimWakes, NoteSupervisor, RenewWakes, Report, ReportWake};
use interlock_core::facts::Kept;
use interlock_core::id::{SessionId, WakeId};
use interlock_core::wake::{Evidence, Lane, Lease, Outcome, Urgent, Usage, Wake};
use interlock_core::{Command, Refusal, Reply};

use super::{Done, Post, World, name};

/// A wake as a supervisor holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    pub(crate) wake_id: WakeId,
    pub(crate) agent: AgentName,
    pub(crate) lease: Lease,
}

/// What a supervisor that asks for wakes is answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) claims: Vec<Claim>,
    pub(crate) stop: Vec<WakeId>,
    pub(crate) tell: Vec<Urgent>,
}

impl World {
    /// A supervisor with these labels calls, at whichever server; says whether that was written down.
    pub(crate) fn calls(&mut self, supervisor: &str, labels: &[&str]) -> bool {
        let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        let before = self.rows.supervisors.clone();
        let command = NoteSupervisor { supervisor: supervisor.into(), labels };
        let done = self.give_as(supervisor, Role::Supervisor, Command::NoteSupervisor(command)).unwrap();
        assert!(done.events.is_empty(), "operational");
        self.rows.supervisors != before
    }

    /// Everything due that supervisor `sup` may have, in its first life.
    pub(crate) fn claim(&mut self, sup: &str) -> Vec<Claim> {
        self.claim_in(sup, "life-1", 32)
    }

    pub(crate) fn claim_in(&mut self, sup: &str, incarnation: &str, limit: u32) -> Vec<Claim> {
        self.asks(sup, incarnation, limit).claims
    }

    /// A supervisor asks, and hears what it may start, has to stop, and has to tell.
    pub(crate) fn asks(&mut self, sup: &str, incarnation: &str, limit: u32) -> Answer {
        let command = self.claiming(sup, incarnation, limit);
        let done = self.give_as(sup, Role::Supervisor, Command::ClaimWakes(command)).unwrap();
        let mut answer = Answer::default();
        match done.reply {
            Reply::Claimed(claimed) => {
                let claim =
                    |(wake, lease): (Wake, Lease)| Claim { wake_id: wake.wake_id, agent: wake.agent, lease };
                answer.claims = claimed.into_iter().map(claim).collect();
            }
            Reply::ToStop(wakes) => answer.stop = wakes,
            Reply::ToTell(urgent) => answer.tell = urgent,
            Reply::Halted(_) => {}
            _ => panic!("no claim: {done:?}"),
        }
        answer
    }

    fn claiming(&self, sup: &str, incarnation: &str, limit: u32) -> ClaimWakes {
        ClaimWakes {
            supervisor: sup.into(),
            incarnation: incarnation.into(),
            limit,
            lane: Lane::Trigger,
            claimant: self.claimants.get(sup).cloned().unwrap_or_default(),
            doors: self.doors.clone(),
        }
    }

    /// The one wake that is due.
    pub(crate) fn claim_one(&mut self, sup: &str) -> Claim {
        let mut claims = self.claim(sup);
        assert_eq!(claims.len(), 1, "{claims:?}");
        claims.remove(0)
    }

    pub(crate) fn renew(&mut self, claim: &Claim) -> Vec<(WakeId, bool)> {
        self.renewed(claim).into_iter().map(|kept| (kept.wake_id, kept.is_accepted)).collect()
    }

    /// The same, with all that the answer says.
    pub(crate) fn renewed(&mut self, claim: &Claim) -> Vec<Kept> {
        let command = RenewWakes {
            supervisor: claim.lease.supervisor.clone(),
            incarnation: claim.lease.incarnation.clone(),
            wakes: vec![(claim.wake_id, claim.lease.fence)],
        };
        let by = claim.lease.supervisor.clone();
        let done = self.give_as(&by, Role::Supervisor, Command::RenewWakes(command)).unwrap();
        let Reply::Renewed(kept) = done.reply else { panic!("not renewed: {done:?}") };
        kept
    }

    /// The processes that supervisor `sup` is told to stop by its next claim.
    pub(crate) fn told_to_stop(&mut self, sup: &str) -> Vec<WakeId> {
        let command = self.claiming(sup, "life-1", 32);
        match self.give_as(sup, Role::Supervisor, Command::ClaimWakes(command)).unwrap().reply {
            Reply::ToStop(wakes) => wakes,
            Reply::Claimed(claimed) => {
                assert_eq!(claimed, [], "there is something to start");
                Vec::new()
            }
            other => panic!("no claim: {other:?}"),
        }
    }

    /// The wakes that turns run by supervisor `sup` are to be told of by its next claim.
    pub(crate) fn told_of(&mut self, sup: &str) -> Vec<(WakeId, u64)> {
        let command = self.claiming(sup, "life-1", 32);
        match self.give_as(sup, Role::Supervisor, Command::ClaimWakes(command)).unwrap().reply {
            Reply::ToTell(told) => told.iter().map(|one| (one.wake.wake_id, one.wake.seq)).collect(),
            Reply::Claimed(claimed) => {
                assert_eq!(claimed, [], "there is something to start");
                Vec::new()
            }
            other => panic!("no claim: {other:?}"),
        }
    }

    pub(crate) fn report(&mut self, claim: &Claim, report: Report) -> Result<Done, Refusal> {
        let command = ReportWake {
            wake_id: claim.wake_id,
            incarnation: claim.lease.incarnation.clone(),
            fence: claim.lease.fence,
            report,
        };
        let by = claim.lease.supervisor.clone();
        self.give_as(&by, Role::Supervisor, Command::ReportWake(command))
    }

    pub(crate) fn started(&mut self, claim: &Claim) -> Result<Done, Refusal> {
        self.report(claim, Report::Started { lane: Lane::Trigger, door: None })
    }

    pub(crate) fn accepted(&mut self, claim: &Claim, evidence: Evidence) -> Result<Done, Refusal> {
        self.report(claim, Report::Accepted { evidence, session_id: None })
    }

    /// The runtime's events say that the turn began in this session.
    pub(crate) fn in_session(&mut self, claim: &Claim, session_id: SessionId) -> Result<Done, Refusal> {
        self.report(claim, Report::Accepted { evidence: Evidence::Event, session_id: Some(session_id) })
    }

    pub(crate) fn ended_with(
        &mut self,
        claim: &Claim,
        outcome: Outcome,
        usage: Usage,
    ) -> Result<Done, Refusal> {
        self.report(
            claim,
            Report::Ended { outcome, usage: Some(usage), is_session_total: false, last_message: None },
        )
    }

    /// The agent's last words are these.
    pub(crate) fn ended_saying(
        &mut self,
        claim: &Claim,
        outcome: Outcome,
        words: &str,
    ) -> Result<Done, Refusal> {
        let usage = Some(Usage { input_tokens: 9, ..Usage::NONE });
        let last_message = Some(words.to_owned());
        self.report(claim, Report::Ended { outcome, usage, is_session_total: false, last_message })
    }

    /// The runtime counts what it used from the beginning of its session.
    pub(crate) fn ended_at_total(&mut self, claim: &Claim, usage: Usage) -> Result<Done, Refusal> {
        let outcome = Outcome::Exited { code: 0 };
        self.report(
            claim,
            Report::Ended { outcome, usage: Some(usage), is_session_total: true, last_message: None },
        )
    }

    /// The session that the next wake of this agent resumes in the thread.
    pub(crate) fn session(&self, agent: &str) -> Option<SessionId> {
        self.thread().members[&name(agent)].session
    }

    pub(crate) fn ended(&mut self, claim: &Claim, outcome: Outcome) -> Result<Done, Refusal> {
        self.report(
            claim,
            Report::Ended { outcome, usage: None, is_session_total: false, last_message: None },
        )
    }

    pub(crate) fn exits(&mut self, claim: &Claim, code: i32) -> Done {
        self.ended(claim, Outcome::Exited { code }).unwrap()
    }

    /// A claim of the one due wake, its process started.
    pub(crate) fn run_one(&mut self, sup: &str) -> Claim {
        let claim = self.claim_one(sup);
        self.started(&claim).unwrap();
        claim
    }

    /// The agent of this claim reads everything and its process ends well.
    pub(crate) fn does_its_turn(&mut self, claim: &Claim) -> Done {
        let seq = self.thread().seq;
        let agent = claim.agent.as_str().to_owned();
        self.ack(&agent, seq).unwrap();
        self.exits(claim, 0)
    }

    /// `from` says something, and the one agent that it wakes does its turn; not oftener than ten times a minute.
    pub(crate) fn turn(&mut self, from: &str, to: &str) -> Done {
        self.advance_ms(6_000);
        self.post(from, Post::chat("go on").to(&[to])).unwrap();
        let claim = self.run_one("sup");
        self.does_its_turn(&claim)
    }
}
