//! What the server answers, up to the moment at which the turn runs.

use interlock_core::id::SessionId;
use serde_json::{Value, json};

use super::{Act, HISTORY_TURNS_MAX, LOOK_MS_MAX, Stage, Turn};
use crate::attempt::Input;
use crate::codex_server::history::{self, Found};
use crate::codex_server::message::{Refused, notification};
use crate::runtime::text::{cut, member};

impl Turn {
    pub(super) fn on_answer(&mut self, at_ms: u64, id: u64, result: Result<Value, Refused>) -> Vec<Act> {
        if self.awaited != Some(id) {
            return self.on_told(id, result.err().as_ref());
        }
        self.awaited = None;
        match self.stage {
            Stage::Greeting => match result {
                Ok(_) => {
                    let mut acts = vec![Act::Send(notification("initialized"))];
                    acts.extend(self.look(at_ms));
                    acts
                }
                Err(refused) => self.refused(&refused),
            },
            Stage::Looking => self.on_looked(at_ms, result.as_ref().ok()),
            Stage::Recalling => self.on_recalled(at_ms, result.as_ref().ok()),
            Stage::Searching => self.on_page(at_ms, result),
            Stage::Loading => self.on_loaded(at_ms, result),
            Stage::Asking => self.on_tools(result),
            Stage::Starting => self.on_started(at_ms, result),
            Stage::Restoring => self.restored(),
            Stage::Heeding | Stage::Running | Stage::Away | Stage::Ready | Stage::Over => Vec::new(),
        }
    }

    /// The server does not do what was asked, and nothing was sent that could run.
    pub(super) fn refused(&mut self, refused: &Refused) -> Vec<Act> {
        if refused.is_busy() {
            return self.over(Input::SessionBusy);
        }
        // What was found, or may be there, is not given up for what is said of it now.
        if refused.is_gone() && !self.is_told && !self.is_sent {
            return self.over(Input::SessionGone);
        }
        let why = cut(&self.wanted.hide, &refused.message);
        self.unavailable(&why)
    }

    /// That it refuses says that it has not loaded the thread, and nothing else.
    pub(super) fn on_looked(&mut self, at_ms: u64, answer: Option<&Value>) -> Vec<Act> {
        let thread = answer.and_then(|answer| answer.get("thread")).unwrap_or(&Value::Null);
        let is_active = member(thread, "/status/type") == "active";
        self.is_active = is_active;
        self.is_loaded = is_active || matches!(member(thread, "/status/type"), "idle" | "systemError");
        if self.is_sent {
            return self.search(at_ms, None);
        }
        if is_active {
            return self.over(Input::SessionBusy);
        }
        // What it is set to is told when it is loaded again, which changes nothing.
        self.before = self.is_loaded.then_some(Value::Null);
        // Nobody can sit in front of what is not loaded.
        if self.is_loaded && !self.wanted.is_override { self.recall(at_ms) } else { self.load(at_ms) }
    }

    /// The person may have sent something a moment ago, and be about to go on.
    fn on_recalled(&mut self, at_ms: u64, page: Option<&Value>) -> Vec<Act> {
        let newest = page.and_then(history::newest);
        if newest.is_some_and(|newest| newest.is_running) {
            return self.over(Input::SessionBusy);
        }
        let Some(person_at_ms) = newest.and_then(|newest| newest.person_at_ms) else {
            return self.load(at_ms);
        };
        (self.stage, self.until_ms) = (Stage::Heeding, None);
        vec![Act::Heed { person_at_ms }]
    }

    pub(super) fn on_heeded(&mut self, at_ms: u64, is_held: bool) -> Vec<Act> {
        match (self.stage, is_held) {
            (Stage::Heeding, true) => self.over(Input::SessionBusy),
            (Stage::Heeding, false) => self.load(at_ms),
            _ => Vec::new(),
        }
    }

    pub(super) fn on_page(&mut self, at_ms: u64, result: Result<Value, Refused>) -> Vec<Act> {
        let page = match result {
            Ok(page) => page,
            // A thread that was never written down holds nothing of ours, unless something begins in it just now.
            Err(refused) if refused.is_unwritten() && !self.has_begun && !self.is_active => {
                let why = cut(&self.wanted.hide, &refused.message);
                return self.not_found(&why);
            }
            Err(refused) => {
                let why = cut(&self.wanted.hide, &refused.message);
                return self.not_seen(at_ms, &why);
            }
        };
        match history::find(&page, &self.wanted.client_id) {
            Some(Found::Running { turn, is_first }) => {
                self.owners.insert(turn.clone(), is_first);
                self.ours = Some(turn);
                self.load(at_ms)
            }
            Some(Found::Over { turn }) => self.on_found_over(at_ms, &turn),
            // Its words are not there yet, and may be ours.
            None if self.pages == 1 && history::newest(&page).is_some_and(history::Newest::is_wordless) => {
                self.not_seen(at_ms, "the turn that runs has no words yet")
            }
            None => match history::next(&page) {
                // What is further back may be ours: only the end of the history proves that nothing was sent.
                Some(_) if self.pages >= HISTORY_TURNS_MAX => self.unknown("its thread goes on for too long"),
                Some(cursor) => self.search(at_ms, Some(&cursor)),
                None => self.not_found("it is not in the thread's history"),
            },
        }
    }

    /// Our message is not there. What was sent and is lost has failed; what an earlier life never sent is given back, so
    /// that it is begun by the rules that hold for whoever may be at work there by now.
    pub(super) fn not_found(&mut self, why: &str) -> Vec<Act> {
        if self.is_told {
            return self.lost(why);
        }
        self.not_running(why)
    }

    /// What the thread holds cannot be told now. Who has begun it looks again for a while, then nobody can tell; for an
    /// earlier life's the next claim looks again.
    fn not_seen(&mut self, at_ms: u64, why: &str) -> Vec<Act> {
        if !self.is_told {
            return self.unavailable(why);
        }
        if self.has_begun {
            return self.unknown("its thread cannot be looked at");
        }
        self.on_gone(at_ms)
    }

    /// A turn with our message ended while nobody listened.
    pub(super) fn on_found_over(&mut self, at_ms: u64, turn: &Value) -> Vec<Act> {
        let is_interrupted = !matches!(member(turn, "/status"), "completed" | "failed");
        if self.is_told {
            if is_interrupted && !self.is_stopping {
                return self.lost("it was cut off");
            }
            let (end, text) = self.judge(turn);
            let mut acts: Vec<_> = text.map(Act::Log).into_iter().collect();
            acts.extend(self.began());
            acts.extend(self.ended(at_ms, end));
            return acts;
        }
        if is_interrupted && self.is_loaded && !self.is_stopping && !self.wanted.is_cut {
            // Its server lives: somebody ended it, and does not want it begun again.
            return self.unknown("somebody cut it off while no supervisor listened");
        }
        if is_interrupted {
            // Its server died with the former life, or we have ended it with our lease: the work is still to be done.
            return self.not_running("it was cut off");
        }
        let (end, text) = self.judge(turn);
        self.end = Some(end);
        let mut acts: Vec<_> = text.map(Act::Log).into_iter().collect();
        acts.push(Act::Log("the turn had ended while no supervisor listened".into()));
        acts.extend(self.ready());
        acts
    }

    pub(super) fn found_over(&mut self, end: Input) -> Vec<Act> {
        let mut acts = self.began();
        acts.extend(self.over_with_word(end));
        acts
    }

    pub(super) fn on_loaded(&mut self, at_ms: u64, result: Result<Value, Refused>) -> Vec<Act> {
        let answer = match result {
            Ok(answer) => answer,
            Err(_) if self.is_told => return self.unknown("its thread cannot be loaded"),
            Err(refused) => return self.refused(&refused),
        };
        let Some(thread) = SessionId::from_uuid_text(member(&answer, "/thread/id")) else {
            return self.unavailable("it names no thread");
        };
        if self.thread.is_some_and(|wanted| wanted != thread) {
            return self.unavailable("it loaded another thread");
        }
        self.thread = Some(thread);
        if self.ours.is_some() {
            // Its person's settings were noted by the life that began the turn.
            self.before = None;
            if member(&answer, "/thread/status/type") != "active" {
                // It ended between the two looks.
                return self.search(at_ms, None);
            }
            return if self.is_told { self.begun(at_ms) } else { self.found(at_ms) };
        }
        if member(&answer, "/thread/status/type") == "active" {
            return self.over(Input::SessionBusy);
        }
        if self.before.is_none() {
            return self.ready();
        }
        self.before = Some(settings(&answer, thread));
        let params = json!({"threadId": self.thread_text(), "detail": "toolsAndAuthOnly"});
        self.send(Stage::Asking, Some(at_ms + LOOK_MS_MAX), "mcpServerStatus/list", &params)
    }

    /// A thread that somebody else loaded keeps the tools that it was loaded with.
    pub(super) fn on_tools(&mut self, result: Result<Value, Refused>) -> Vec<Act> {
        let servers = result.unwrap_or_default();
        let servers = servers.get("data").and_then(Value::as_array);
        let has = |server: &Value| {
            let tools = server.get("tools").and_then(Value::as_object);
            self.wanted.tools.contains(&member(server, "/name"))
                && tools.is_some_and(|tools| !tools.is_empty())
        };
        if servers.is_some_and(|servers| servers.iter().any(has)) {
            return self.ready();
        }
        self.unavailable("somebody has the thread loaded there, without our tools for this agent")
    }

    pub(super) fn ready(&mut self) -> Vec<Act> {
        (self.stage, self.until_ms) = (Stage::Ready, None);
        self.is_told = true;
        vec![Act::Say(Input::Spawned)]
    }

    /// It runs, and an earlier life began it. Who has ordered its end by now gets that without another word.
    pub(super) fn found(&mut self, at_ms: u64) -> Vec<Act> {
        let mut acts = self.ready();
        if self.is_stopping {
            acts.extend(self.begun(at_ms));
        }
        acts
    }

    pub(super) fn on_started(&mut self, at_ms: u64, result: Result<Value, Refused>) -> Vec<Act> {
        match result {
            Ok(answer) => {
                self.ours = Some(member(&answer, "/turn/id").to_owned());
                (self.stage, self.until_ms) = (Stage::Running, None);
                if self.is_stopping { self.interrupt(at_ms) } else { Vec::new() }
            }
            Err(refused) => {
                self.is_sent = false;
                self.refused(&refused)
            }
        }
    }

    /// It runs already, and has our message.
    pub(super) fn begun(&mut self, at_ms: u64) -> Vec<Act> {
        (self.stage, self.until_ms, self.rejoin_until_ms) = (Stage::Running, None, None);
        let mut acts = self.began();
        if self.is_stopping {
            acts.extend(self.interrupt(at_ms));
        }
        acts
    }

    /// The runtime has taken our message in.
    pub(super) fn began(&mut self) -> Vec<Act> {
        let Some(session_id) = self.thread.filter(|_| !self.has_begun) else { return Vec::new() };
        self.has_begun = true;
        vec![Act::Say(Input::Began { session_id })]
    }
}

/// What a turn of ours changes for those after it, as it was before.
fn settings(answer: &Value, thread: SessionId) -> Value {
    let mut settings = json!({"threadId": thread.to_uuid_text()});
    for (from, to) in [
        ("approvalPolicy", "approvalPolicy"),
        ("sandbox", "sandboxPolicy"),
        ("cwd", "cwd"),
        ("model", "model"),
    ] {
        if let (Some(value), Some(settings)) = (answer.get(from), settings.as_object_mut()) {
            settings.insert(to.into(), value.clone());
        }
    }
    settings
}
