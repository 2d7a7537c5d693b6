//! Where the server is, and who we are to it. Both may change while the bridge lives: a server that restarts may have
//! another address, and a token holds only for a while.

use std::path::{Path, PathBuf};

use interlock_api::Problem;
use interlock_api::operations::ListAgents;
use interlock_api::v1::agent::ListAgentsParams;
use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};

use crate::connection::Connection;
use crate::context::Context;
use crate::identity;
use crate::instance::Instance;

/// A server and a caller.
#[derive(Debug)]
pub(crate) enum Target {
    /// The server of this instance, as this participant.
    Local {
        /// Whose server.
        instance: Box<Instance>,
        /// Whose tools.
        name: AgentName,
        /// With which role.
        role: Role,
    },
    /// The server and the token of the wake that runs, as its supervisor lends them: other wakes come after it.
    Wake {
        /// Where they stand while it runs.
        file: PathBuf,
    },
    /// A server by its address, with a token.
    Remote {
        /// Its address.
        url: String,
        /// The token.
        token: String,
    },
}

impl Target {
    /// As the command line and the environment say.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND` for a participant that is not registered; those of a connection.
    pub(crate) async fn find(cx: &Context) -> Result<Self, Problem> {
        if let Some(url) = cx.remote() {
            let token = remote_token(cx)?;
            return Ok(Self::Remote { url, token });
        }
        let name = cx.name()?;
        let role = role_of(&cx.connect()?, &name).await?;
        Ok(Self::Local { instance: Box::new(cx.instance()?), name, role })
    }

    /// The address of the server that is meant, and a token of the caller's own.
    ///
    /// # Errors
    /// `SERVER_NOT_RUNNING`, `TOKEN_MISSING`, or a problem with the instance's keys.
    pub(crate) fn operator(cx: &Context) -> Result<(String, String), Problem> {
        if let Some(url) = cx.remote() {
            return Ok((url, remote_token(cx)?));
        }
        let (instance, name) = (Box::new(cx.instance()?), cx.name()?);
        Self::Local { instance, name, role: Role::Operator }.now()
    }

    /// The address and a token that holds now.
    ///
    /// # Errors
    /// `SERVER_NOT_RUNNING`, or a problem with the instance's keys.
    pub(super) fn now(&self) -> Result<(String, String), Problem> {
        match self {
            Self::Wake { file } => lent(file),
            Self::Remote { url, token } => Ok((url.trim_end_matches('/').to_owned(), token.clone())),
            Self::Local { instance, name, role } => {
                let run = instance.run()?.ok_or_else(|| {
                    let detail = format!("no server runs on {}", instance.folder().display());
                    Problem::new(Reason::ServerNotRunning, &detail, "").hint("start it with: interlock up")
                })?;
                Ok((run.url, identity::local_token(instance, name, *role)?))
            }
        }
    }
}

/// What the supervisor has lent to the wake that runs.
#[derive(serde::Deserialize)]
struct Lent {
    url: String,
    token: String,
}

fn lent(file: &Path) -> Result<(String, String), Problem> {
    let missing = |detail: &str| {
        Problem::new(Reason::TokenMissing, detail, "")
            .hint("these tools are for wakes; for sessions of your own: interlock agent install codex NAME")
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing("no wake of this agent runs in this thread now"));
        }
        Err(error) => {
            return Err(missing(&format!(
                "the wake's token cannot be read: {}",
                crate::instance::cause(&error)
            )));
        }
    };
    let Lent { url, token } =
        serde_json::from_str(&text).map_err(|_| missing("the wake's token is unreadable"))?;
    Ok((url.trim_end_matches('/').to_owned(), token))
}

/// The role that this participant was registered with.
async fn role_of(connection: &Connection, name: &AgentName) -> Result<Role, Problem> {
    let mut cursor = None;
    loop {
        let request = ListAgentsParams { cursor, limit: 200, wait_ms: 0 };
        let page = connection.read::<ListAgents>(&request).await?;
        if let Some(agent) = page.agents.iter().find(|agent| agent.name == *name) {
            return Ok(agent.role);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            let detail = format!("there is no agent `{name}`");
            return Err(Problem::new(Reason::AgentNotFound, &detail, "")
                .hint(format!("register it with: interlock agent add {name}; or choose another with --as")));
        }
    }
}

/// The token for a server that is named by its address: no keys of its own are at hand.
fn remote_token(cx: &Context) -> Result<String, Problem> {
    cx.environment.token.clone().ok_or_else(|| {
        Problem::new(Reason::TokenMissing, "a server named by its address needs a token", "")
            .hint("put it into the environment variable INTERLOCK_TOKEN")
    })
}
