//! The cast: two registered agents, a thread between them, and the task posted.

use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::agent::RegisterAgentParams;
use interlock_api::v1::message::PostMessageParams;
use interlock_api::v1::thread::{CreateThreadParams, ParticipantParams};
use interlock_api::{Op, Problem};
use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::id::ThreadId;
use interlock_core::thread::{ThreadKind, ThreadRole};
use interlock_scripted_model::ScriptedModel;
use serde_json::json;

use super::launch::{Part, launch};
use super::options::Params;
use super::stage::Stage;
use crate::child::Child;
use crate::context::Context;
use crate::identity;

/// How long our own token holds: longer than any leash.
const TOKEN_MS: u64 = 2 * 86_400_000;

/// The names that agents play under.
const NAMES: [&str; 4] = ["executor", "reviewer", super::chaos::FIRST, super::chaos::SECOND];

/// Who plays, and our way to the server.
pub(crate) struct Cast {
    pub(crate) client: Client,
    pub(crate) me: AgentName,
    pub(crate) executor: Option<AgentName>,
    pub(crate) reviewer: AgentName,
    pub(crate) thread_id: ThreadId,
    token: String,
}

impl Cast {
    /// Register the agents, open the thread, post the task: from here on nobody has to do anything.
    ///
    /// # Errors
    /// The server's problems.
    pub(crate) async fn assemble(
        cx: &Context,
        params: &Params,
        stage: &Stage,
        model: Option<&ScriptedModel>,
        child: &Child,
    ) -> Result<Self, Problem> {
        let (executor, reviewer) = (name("executor")?, name("reviewer")?);
        let me = match cx.name()? {
            taken if NAMES.contains(&taken.as_str()) => name("operator")?,
            free => free,
        };
        let token = identity::issue_token(&stage.instance, &me, Role::Operator, TOKEN_MS)?;
        let client = Client::new(&child.url, Some(token.clone()))?;
        let executor = (!params.review_only).then_some(executor);
        if let Some(executor) = &executor {
            register(&client, executor, launch(params, Part::Executor, stage, model)?).await?;
        }
        register(&client, &reviewer, launch(params, Part::Reviewer, stage, model)?).await?;
        let thread_id = open_thread(&client, params, executor.as_ref(), &reviewer).await?;
        let cast = Self { client, me, executor, reviewer, thread_id, token };
        cast.post_task(params, stage).await?;
        Ok(cast)
    }

    /// Go on with the server at this address.
    ///
    /// # Errors
    /// `PARAMETER_INVALID` for what is no address.
    pub(crate) fn move_to(&mut self, url: &str) -> Result<(), Problem> {
        self.client = Client::new(url, Some(self.token.clone()))?;
        Ok(())
    }

    /// Call an operation that reads.
    ///
    /// # Errors
    /// The server's problem.
    pub(crate) async fn read<O: Op>(&self, params: &O::Params) -> Result<O::Response, Problem> {
        self.client.call::<O>(params, None).await
    }

    async fn post_task(&self, params: &Params, stage: &Stage) -> Result<(), Problem> {
        let mut data = json!({"review_only": params.review_only, "base": stage.base, "commit": stage.base});
        if let Some(fields) = data.as_object_mut() {
            if let Some(branch) = &stage.branch {
                fields.insert("branch".into(), json!(branch));
            }
            if !params.checks.is_empty() {
                fields.insert("checks".into(), json!(params.checks));
            }
        }
        let request = PostMessageParams {
            body: params.task.clone().unwrap_or_else(|| self.task(params, stage)),
            data: data.as_object().cloned(),
            to: vec![self.executor.clone().unwrap_or_else(|| self.reviewer.clone())],
            ..PostMessageParams::to_all(self.thread_id)
        };
        self.client.call::<op::PostMessage>(&request, Some("pilot-task")).await.map(|_| ())
    }

    fn task(&self, params: &Params, stage: &Stage) -> String {
        match &stage.branch {
            Some(branch) => format!(
                "Make the checks pass on `{branch}`: mend, commit, and ask `{}` for a review until nothing is left.{}",
                self.reviewer,
                if params.players().iter().any(|player| player.is_cli()) {
                    self.job(params)
                } else {
                    String::new()
                }
            ),
            None => "Run the checks on HEAD and report what you find; change nothing.".to_owned(),
        }
    }
}

impl Cast {
    /// The job in words, for agents that read them.
    fn job(&self, params: &Params) -> String {
        let checks = if params.checks.is_empty() {
            "`cargo fmt --check`, `cargo check --all-targets` without a warning, and `cargo test`".to_owned()
        } else {
            params.checks.iter().map(|check| format!("`{check}`")).collect::<Vec<_>>().join(", ")
        };
        let (me, reviewer) = (&self.me, &self.reviewer);
        format!(
            "\n\nThe checks: {checks}.\n\n\
             Whoever this is for works in its own work tree, on that branch: run the checks, mend what fails in small commits, \
             post `fix_pushed` to `{me}` for each, then `re_review_requested` with the head commit to `{reviewer}`. What you \
             cannot mend is `finding_unresolved`, to `{me}`.\n\n\
             `{reviewer}` works in a work tree of its own: check out the commit you are asked about (`git checkout --detach`), \
             run the checks, post each problem as `finding_reported` to whoever mends, earlier ones as `finding_verified` to \
             `{me}` or `finding_rejected` to whoever mends. When all checks are clean, resolve the thread with \
             update_thread_status. Change no file."
        )
    }
}

/// Register an agent.
///
/// # Errors
/// The server's problems.
pub(crate) async fn register(
    client: &Client,
    name: &AgentName,
    (runtime, launch): (Runtime, Launch),
) -> Result<(), Problem> {
    let request =
        RegisterAgentParams { name: name.clone(), role: Role::Participant, runtime, launch, on: None };
    client.call::<op::RegisterAgent>(&request, Some(&format!("pilot-{name}"))).await.map(|_| ())
}

async fn open_thread(
    client: &Client,
    params: &Params,
    executor: Option<&AgentName>,
    reviewer: &AgentName,
) -> Result<ThreadId, Problem> {
    let part = |agent: &AgentName, role| ParticipantParams { agent: agent.clone(), role };
    let mut participants = vec![part(reviewer, ThreadRole::Coordinator)];
    participants.extend(executor.map(|executor| part(executor, ThreadRole::Participant)));
    let title = if params.review_only { "Review" } else { "Make the checks pass" };
    let request = CreateThreadParams { title: title.into(), kind: ThreadKind::Workflow, participants };
    client.call::<op::CreateThread>(&request, Some("pilot-thread")).await.map(|thread| thread.thread_id)
}

/// A name that is known to be one.
///
/// # Errors
/// Never: the name is a good one.
pub(crate) fn name(text: &str) -> Result<AgentName, Problem> {
    AgentName::parse(text).map_err(|error| Problem::new(Reason::Defect, &error.to_string(), ""))
}
