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
use interlock_core::thread::{MessageKind, ThreadKind, ThreadRole};
use serde_json::json;

use super::options::{Params, Player};
use super::stage::Stage;
use crate::child::Child;
use crate::context::Context;
use crate::{environment, identity};

/// How long our own token holds: longer than any leash.
const TOKEN_MS: u64 = 2 * 86_400_000;

/// Who plays, and our way to the server.
pub(crate) struct Cast {
    pub(crate) client: Client,
    pub(crate) me: AgentName,
    pub(crate) executor: Option<AgentName>,
    pub(crate) reviewer: AgentName,
    pub(crate) thread_id: ThreadId,
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
        child: &Child,
    ) -> Result<Self, Problem> {
        let (executor, reviewer) = (name("executor")?, name("reviewer")?);
        let me = match cx.name()? {
            taken if taken == executor || taken == reviewer => name("operator")?,
            free => free,
        };
        let token = identity::issue_token(&stage.instance, &me, Role::Operator, TOKEN_MS)?;
        let client = Client::new(&child.url, Some(token))?;
        let executor = (!params.review_only).then_some(executor);
        if let Some(executor) = &executor {
            let launch = launch(&params.executor, "executor", &stage.executor, stage)?;
            register(&client, executor, launch).await?;
        }
        let launch = launch(&params.reviewer, "reviewer", &stage.reviewer, stage)?;
        register(&client, &reviewer, launch).await?;
        let thread_id = open_thread(&client, params, executor.as_ref(), &reviewer).await?;
        let cast = Self { client, me, executor, reviewer, thread_id };
        cast.post_task(params, stage).await?;
        Ok(cast)
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
            thread_id: self.thread_id,
            kind: MessageKind::Chat,
            event_type: None,
            event_version: 1,
            schema_version: 1,
            body: params.task.clone().unwrap_or_else(|| self.task(stage)),
            data: data.as_object().cloned(),
            to: vec![self.executor.clone().unwrap_or_else(|| self.reviewer.clone())],
            to_role: None,
            in_reply_to: None,
        };
        self.client.call::<op::PostMessage>(&request, Some("pilot-task")).await.map(|_| ())
    }

    fn task(&self, stage: &Stage) -> String {
        match &stage.branch {
            Some(branch) => format!(
                "Make the checks pass on `{branch}`: mend, commit, and ask `{}` for a review until nothing is left.",
                self.reviewer
            ),
            None => "Run the checks on HEAD and report what you find; change nothing.".to_owned(),
        }
    }
}

async fn register(client: &Client, name: &AgentName, launch: Launch) -> Result<(), Problem> {
    let request = RegisterAgentParams {
        name: name.clone(),
        role: Role::Participant,
        runtime: Runtime::Command,
        launch,
    };
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

fn launch(
    player: &Player,
    part: &str,
    directory: &std::path::Path,
    stage: &Stage,
) -> Result<Launch, Problem> {
    let command = match player {
        Player::Builtin => {
            let program = environment::program()?.display().to_string();
            vec![program, "__agent".into(), part.into()]
        }
        Player::Command(words) => words.clone(),
    };
    Ok(Launch {
        command,
        directory: Some(directory.display().to_string()),
        repository: Some(stage.repository().display().to_string()),
        ..Launch::default()
    })
}

fn name(text: &str) -> Result<AgentName, Problem> {
    AgentName::parse(text).map_err(|error| Problem::new(Reason::Defect, &error.to_string(), ""))
}
