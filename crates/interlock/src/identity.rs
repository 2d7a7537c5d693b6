//! Who the command line is: on its own instance a person with an operator's token, minted from the instance's keys.

use interlock_api::Problem;
use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::id::WorkspaceId;
use interlock_core::{Reason, Refusal};
use interlock_engine::Issuer;
use interlock_ledger::LogKey;

use crate::context::Context;
use crate::environment::Environment;
use crate::instance::{self, Instance};

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

/// The file of the key that signs tokens.
pub(crate) const ISSUER_KEY: &str = "issuer.pem";
/// The file of the key that signs the ledger's checkpoints.
pub(crate) const LEDGER_KEY: &str = "ledger.pem";

/// The origin line of a workspace's ledger.
pub(crate) fn origin(workspace_id: WorkspaceId) -> String {
    format!("interlock/{workspace_id}")
}

/// Whom the supervisor inside `up` is.
///
/// # Errors
/// Never: the name is a good one.
pub(crate) fn supervisor_name() -> Result<AgentName, Problem> {
    parse_fallback("supervisor")
}

/// The text of one of the instance's keys.
///
/// # Errors
/// `CONFIG_INVALID` when it cannot be read.
pub(crate) fn key_text(instance: &Instance, name: &str) -> Result<String, Problem> {
    let file = instance.keys().join(name);
    std::fs::read_to_string(&file).map_err(|error| {
        let detail = format!("`{}` cannot be read: {}", file.display(), crate::instance::cause(&error));
        Problem::new(Reason::ConfigInvalid, &detail, "")
            .hint("restore the instance's keys folder from a backup")
    })
}

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
    let refused = |refusal: Refusal| Problem::of(&refusal, "");
    let issuer = Issuer::from_pem(&key_text(instance, ISSUER_KEY)?).map_err(refused)?;
    let actor = Actor {
        name: name.clone(),
        role,
        workspace_id: instance.config.workspace_id,
        session_id: None,
        wake_id: None,
    };
    issuer.mint(&actor, Context::now(), i64::try_from(ttl_ms).unwrap_or(i64::MAX)).map_err(refused)
}

/// Make the keys of a new instance in its `keys/` folder.
///
/// # Errors
/// A problem when they cannot be made or written.
pub(crate) fn create_keys(keys: &std::path::Path, workspace_id: WorkspaceId) -> Result<(), Problem> {
    let defect = |error: &dyn std::fmt::Display| Problem::new(Reason::Defect, &error.to_string(), "");
    let issuer = Issuer::generate_pem().map_err(|refusal| Problem::of(&refusal, ""))?;
    instance::write(&keys.join(ISSUER_KEY), &issuer)?;
    let ledger = LogKey::from_seed(crate::connection::random::<32>()?);
    instance::write(&keys.join(LEDGER_KEY), &ledger.to_pem().map_err(|error| defect(&error))?)?;
    let vkey = ledger.vkey(&origin(workspace_id)).map_err(|error| defect(&error))?;
    instance::write(&keys.join("ledger.vkey"), &format!("{vkey}\n"))
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
