//! `interlock token issue`.

use clap::{Args, Subcommand};
use interlock_core::actor::{AgentName, Role};

use crate::context::Context;
use crate::exit::{Answer, End};
use crate::{argument, identity, usage};

/// The longest a token may hold.
const TTL_MS_MAX: u64 = 90 * 86_400_000;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Issue a token, signed with this instance's key.
    Issue(IssueParams),
}

/// What `token issue` takes.
#[derive(Debug, Args)]
pub(crate) struct IssueParams {
    /// Whom it is for.
    #[arg(long, value_name = "NAME")]
    name: AgentName,
    /// What it allows.
    #[arg(long, value_name = "ROLE", value_parser = argument::role())]
    role: Role,
    /// How long it holds, such as 90s, 15m, 12h or 7d.
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = argument::duration_ms)]
    ttl: u64,
}

/// Do it.
pub(crate) fn run(cx: &Context, verb: &Verb) -> End {
    let Verb::Issue(params) = verb;
    if cx.global.server.is_some() {
        return Err(usage::invalid("tokens are issued where the instance's keys are, not over the network")
            .hint("leave out --server")
            .into());
    }
    if params.ttl > TTL_MS_MAX {
        return Err(usage::invalid("a token holds for 90d at most").hint("issue a new one in time").into());
    }
    let instance = cx.own_instance()?;
    let token = identity::issue_token(&instance, &params.name, params.role, params.ttl)?;
    let ttl_ms = i64::try_from(params.ttl).unwrap_or(i64::MAX);
    let json = serde_json::json!({
        "token": token,
        "name": params.name,
        "role": params.role,
        "workspace_id": instance.config.workspace_id,
        "expires_at": Context::now().plus_ms(ttl_ms),
    });
    Ok(Answer::new(&json, format!("{token}\n"))?)
}
