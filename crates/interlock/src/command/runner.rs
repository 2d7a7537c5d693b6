//! What a supervisor is started with by a person, inside `up` or alone, and where its token comes from.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::agent::Label;
use interlock_core::limits::{LABEL_CHARS_MAX, LABELS_MAX, TOKEN_RENEWED_MS};
use interlock_supervisor::{CONCURRENCY_MAX, Credential, SupervisorConfig};

use crate::instance::{Instance, unwritable};
use crate::{identity, usage};

/// The file with the token of a supervisor that runs alone, in its folder `state`.
const TOKEN_FILE: &str = "token";
/// Agents at once unless said otherwise.
const AT_ONCE: u8 = 8;

/// What can be said of a supervisor.
#[derive(Debug, Args)]
pub(crate) struct RunnerParams {
    /// What agents may ask for with `agent add --on`; may be repeated. The machine's own name is one of them.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Label>,
    /// Agents that run at once.
    #[arg(long, value_name = "N", default_value_t = AT_ONCE, value_parser = clap::value_parser!(u8).range(1..=64))]
    at_once: u8,
}

impl RunnerParams {
    /// A supervisor as it was asked for.
    ///
    /// # Errors
    /// `USAGE_INVALID` for too many labels.
    pub(crate) fn apply(&self, config: &mut SupervisorConfig) -> Result<(), Problem> {
        config.concurrency_max = usize::from(self.at_once).min(CONCURRENCY_MAX);
        config.labels = self.labels.iter().cloned().chain(machine()).collect::<BTreeSet<_>>();
        if config.labels.len() > LABELS_MAX {
            return Err(usage::invalid(&format!("a supervisor has at most {LABELS_MAX} labels")));
        }
        Ok(())
    }
}

/// The machine's name as a label; what labels do not have is left out of it.
fn machine() -> Option<Label> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    label_of(&name)
}

fn label_of(name: &str) -> Option<Label> {
    let kept = name.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(*c));
    let kept: String = kept.skip_while(|c| !c.is_ascii_alphanumeric()).take(LABEL_CHARS_MAX).collect();
    Label::parse(&kept).ok()
}

/// The token in a file of the supervisor's folder, for its owner alone.
#[derive(Debug)]
pub(crate) struct TokenFile(PathBuf);

impl TokenFile {
    pub(crate) fn in_state(state: &Path) -> Self {
        Self(state.join(TOKEN_FILE))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Credential for TokenFile {
    fn read(&self) -> Result<String, Problem> {
        let text = std::fs::read_to_string(&self.0).map_err(|error| unwritable(&self.0, &error))?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = format!("`{}` holds no token", self.0.display());
            return Err(Problem::new(Reason::TokenInvalid, &detail, ""));
        }
        Ok(token.to_owned())
    }

    fn keep(&self, token: &str) -> Result<(), Problem> {
        let fresh = self.0.with_extension("new");
        let written = std::fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(token.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&fresh, &self.0));
        written.map_err(|error| unwritable(&self.0, &error))
    }
}

/// The supervisor inside `up` is where the instance's keys are: it makes its tokens itself.
#[derive(Debug)]
pub(crate) struct OwnKeys(pub(crate) Instance);

impl Credential for OwnKeys {
    fn read(&self) -> Result<String, Problem> {
        let ttl_ms = TOKEN_RENEWED_MS.unsigned_abs();
        identity::issue_token(&self.0, &identity::supervisor_name()?, Role::Supervisor, ttl_ms)
    }

    fn keep(&self, _token: &str) -> Result<(), Problem> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_machines_name_becomes_a_label() {
        let label = |name: &str| label_of(name).map(|label| label.to_string());
        assert_eq!(label("build-3.example.org").as_deref(), Some("build-3.example.org"));
        assert_eq!(label("-_x y").as_deref(), Some("xy"));
        assert_eq!(label("(none)").as_deref(), Some("none"));
        assert_eq!(label("---"), None);
    }

    #[test]
    fn a_kept_token_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::in_state(folder.path());
        assert_eq!(file.read().unwrap_err().known_reason(), Some(Reason::PathUnwritable));
        file.keep("ilk_abc").unwrap();
        assert_eq!(file.read().unwrap(), "ilk_abc");
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        // As an editor leaves it, and as nobody should.
        std::fs::write(file.path(), "ilk_def\n").unwrap();
        assert_eq!(file.read().unwrap(), "ilk_def");
        std::fs::write(file.path(), "two words").unwrap();
        assert_eq!(file.read().unwrap_err().known_reason(), Some(Reason::TokenInvalid));
    }
}
