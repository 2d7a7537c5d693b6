//! An agent's environment: exactly what the command contract says, and nothing else of the supervisor's own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::agent::Launch;

use crate::protocol::Failure;
use crate::runtime::Start;

/// What an agent is given of the supervisor's environment without being asked for.
const PASSED: [&str; 8] =
    ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "TRACEPARENT", "RUSTUP_HOME", "CARGO_HOME"];

/// An agent's variables, and those values among them that its log must not show.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Name and value.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// The wake's token and whatever the launch description names.
    pub(crate) secrets: Vec<OsString>,
}

/// The environment of this wake's agent. The contract's variables win over the launch description's.
pub(crate) fn environment(
    claimed: &ClaimedWake,
    url: &str,
    own: &BTreeMap<OsString, OsString>,
    start: &Start,
) -> Result<Environment, Failure> {
    let (mut variables, mut secrets) = described(&claimed.launch, own, start.passed, start.set)?;
    secrets.push(OsString::from(&claimed.token));
    for (name, value) in contract(claimed, url) {
        variables.insert(name.into(), value.into());
    }
    Ok(Environment { variables: variables.into_iter().collect(), secrets })
}

/// The environment of what runs for this agent over many wakes: nothing of any of them.
pub(crate) fn standing(
    launch: &Launch,
    own: &BTreeMap<OsString, OsString>,
    passed: &[&str],
) -> Result<Environment, Failure> {
    let (variables, secrets) = described(launch, own, passed, &[])?;
    Ok(Environment { variables: variables.into_iter().collect(), secrets })
}

/// What is passed on, what is set, and what the launch description names; with the values of the last.
fn described(
    launch: &Launch,
    own: &BTreeMap<OsString, OsString>,
    passed: &[&str],
    set: &[(&str, &str)],
) -> Result<(BTreeMap<OsString, OsString>, Vec<OsString>), Failure> {
    let mut variables: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut secrets = Vec::new();
    variables.extend(set.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
    for name in PASSED.iter().chain(passed) {
        if let Some(value) = own.get(OsStr::new(name)) {
            variables.insert(name.into(), value.clone());
        }
    }
    for variable in &launch.environment {
        let name = OsString::from(&variable.name);
        let value = variable.value.as_ref().map(OsString::from).or_else(|| own.get(&name).cloned());
        // A name without a value anywhere is not set, as for a shell's child.
        let Some(value) = value else { continue };
        if !is_valid(&name, &value) {
            return Err(Failure {
                detail: format!("the agent's variable `{}` cannot be set", variable.name),
                hint: "a name is not empty and has no `=`; neither name nor value has a NUL character".into(),
            });
        }
        secrets.push(value.clone());
        variables.insert(name, value);
    }
    Ok((variables, secrets))
}

fn is_valid(name: &OsStr, value: &OsStr) -> bool {
    let name = name.as_bytes();
    !name.is_empty() && !name.contains(&b'=') && !name.contains(&0) && !value.as_bytes().contains(&0)
}

fn contract(claimed: &ClaimedWake, url: &str) -> Vec<(&'static str, String)> {
    let wake = &claimed.wake;
    let mut variables = vec![
        ("INTERLOCK_CONTRACT", "1".to_owned()),
        ("INTERLOCK_URL", url.to_owned()),
        ("INTERLOCK_TOKEN", claimed.token.clone()),
        ("INTERLOCK_DEADLINE", claimed.deadline.to_string()),
        ("INTERLOCK_WORKSPACE", claimed.workspace_id.to_string()),
        ("INTERLOCK_AGENT", wake.agent.to_string()),
        ("INTERLOCK_SESSION", claimed.session_id.to_string()),
        ("INTERLOCK_THREAD", wake.thread_id.to_string()),
        ("INTERLOCK_WAKE", wake.wake_id.to_string()),
        ("INTERLOCK_WAKE_SEQ", wake.seq.to_string()),
        ("INTERLOCK_PROMPT", claimed.prompt.clone()),
    ];
    if let Some(repository) = &claimed.launch.repository {
        variables.push(("INTERLOCK_REPO", repository.clone()));
    }
    variables
}
