//! Who the command line is: on its own instance a person with an operator's token, minted from the instance's keys.

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::actor::{Actor, AgentName, Role};

use crate::context::Context;
use crate::environment::Environment;
use crate::instance::Instance;

/// The name when the machine knows none.
const FALLBACK: &str = "operator";

/// Who acts: INTERLOCK_AGENT, else the login name made into an agent name.
///
/// # Errors
/// `PARAMETER_INVALID` when INTERLOCK_AGENT is no agent name.
pub(crate) fn name(environment: &Environment) -> Result<AgentName, Problem> {
    if let Some(agent) = &environment.agent {
        return AgentName::parse(agent).map_err(|error| {
            Problem::new(Reason::ParameterInvalid, &format!("INTERLOCK_AGENT: {error}"), "")
                .hint("set it to a name, or unset it")
        });
    }
    let login = environment.login.clone().or_else(login_of_user).unwrap_or_default();
    parse_fallback(&as_name(&login))
}

/// The login name that the system's own list has for the user of this process.
fn login_of_user() -> Option<String> {
    let user = rustix::process::getuid().as_raw().to_string();
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == user).then(|| name.to_owned())
    })
}

/// A login name with what agent names do not have left out.
fn as_name(login: &str) -> String {
    let kept = login.chars().map(|c| c.to_ascii_lowercase());
    let kept: String = kept.filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).collect();
    kept.trim_start_matches(['_', '-', '.'])
        .chars()
        .take(interlock_core::limits::AGENT_NAME_CHARS_MAX)
        .collect()
}

fn parse_fallback(text: &str) -> Result<AgentName, Problem> {
    AgentName::parse(text)
        .or_else(|_| AgentName::parse(FALLBACK))
        .map_err(|error| Problem::new(Reason::Defect, &error.to_string(), ""))
}

/// A token for the server of this instance.
///
/// # Errors
/// A problem when the instance's keys cannot be used.
pub(crate) fn local_token(instance: &Instance, name: &AgentName, role: Role) -> Result<String, Problem> {
    issue_token(instance, name, role, LOCAL_TOKEN_MS)
}

/// How long a token for one command holds; a stream mints a new one when it ends.
const LOCAL_TOKEN_MS: u64 = 15 * 60_000;

/// A token that holds for `ttl_ms`.
///
/// # Errors
/// A problem when the instance's keys cannot be used.
pub(crate) fn issue_token(
    instance: &Instance,
    name: &AgentName,
    role: Role,
    ttl_ms: u64,
) -> Result<String, Problem> {
    let workspace_id = instance.config.workspace_id;
    let actor =
        Actor { name: name.clone(), role, workspace_id, session_id: None, wake_id: None, fence: None };
    let ttl_ms = i64::try_from(ttl_ms).unwrap_or(i64::MAX);
    instance.issuer()?.mint(&actor, Context::now(), ttl_ms).map_err(|refusal| Problem::of(&refusal, ""))
}

/// Whom the supervisor inside `up` is.
///
/// # Errors
/// Never: the name is a good one.
pub(crate) fn supervisor_name() -> Result<AgentName, Problem> {
    parse_fallback("supervisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_names_become_agent_names() {
        for (login, name) in [
            ("Anna", "anna"),
            ("DOMAIN\\j.doe", "domainj.doe"),
            ("_apt", "apt"),
            ("", "operator"),
            ("---", "operator"),
            ("Ünal Öz", "nalz"),
        ] {
            assert_eq!(
                parse_fallback(&as_name(login)).map(|n| n.to_string()),
                Ok(name.to_owned()),
                "{login}"
            );
        }
    }
}
