//! The keys of an instance: one issues tokens, one signs the ledger, and the latter's public half lies beside it.

use std::path::Path;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::id::WorkspaceId;
use interlock_engine::Issuer;
use interlock_ledger::{LedgerError, LogKey, Zeroizing};

use super::{Instance, create, path};
use crate::random::random;

const ISSUER: &str = "issuer.pem";
const LEDGER: &str = "ledger.pem";
const LEDGER_PUBLIC: &str = "ledger.vkey";
const RESTORE: &str = "restore the key from a backup; no other key will do";

impl Instance {
    /// What issues and verifies this instance's tokens.
    ///
    /// # Errors
    /// `INSTANCE_INVALID`, `CONFIG_INVALID`.
    pub(crate) fn issuer(&self) -> Result<Issuer, Problem> {
        let pem = self.read_key(ISSUER)?;
        let issuer = Issuer::from_pem(&pem).map_err(|refusal| Problem::of(&refusal, "").hint(RESTORE))?;
        Ok(issuer.without(self.config.tokens_revoked.clone()))
    }

    /// What signs this instance's ledger.
    ///
    /// # Errors
    /// `INSTANCE_INVALID`, `CONFIG_INVALID`.
    pub(crate) fn ledger_key(&self) -> Result<LogKey, Problem> {
        LogKey::from_pem(&self.read_key(LEDGER)?).map_err(|error| {
            let detail = format!("the ledger key {LEDGER}: {error}");
            Problem::new(Reason::ConfigInvalid, &detail, "").hint(RESTORE)
        })
    }

    /// The ledger's name, which its keys and checkpoints carry.
    pub(crate) fn ledger_origin(&self) -> String {
        origin(self.config.workspace_id)
    }

    /// The file with the key that verifies this instance's ledger.
    pub(crate) fn ledger_vkey(&self) -> std::path::PathBuf {
        self.keys().join(LEDGER_PUBLIC)
    }

    fn read_key(&self, name: &str) -> Result<Zeroizing<String>, Problem> {
        let file = self.keys().join(name);
        std::fs::read_to_string(&file)
            .map(Zeroizing::new)
            .map_err(|error| path::unusable(&file, &error).hint(RESTORE))
    }
}

fn origin(workspace_id: WorkspaceId) -> String {
    format!("interlock/{workspace_id}")
}

/// Make the keys of a new instance.
///
/// # Errors
/// `PATH_UNWRITABLE`, or `INTERNAL` when the system has no randomness.
pub(super) fn create(keys: &Path, workspace_id: WorkspaceId) -> Result<(), Problem> {
    let broken = |error: LedgerError| Problem::new(Reason::Defect, &error.to_string(), "");
    let issuer = Zeroizing::new(Issuer::generate_pem().map_err(|refusal| Problem::of(&refusal, ""))?);
    create::write(&keys.join(ISSUER), &issuer)?;
    let ledger = LogKey::from_seed(random::<32>()?);
    create::write(&keys.join(LEDGER), &ledger.to_pem().map_err(broken)?)?;
    let vkey = ledger.vkey(&origin(workspace_id)).map_err(broken)?;
    create::write(&keys.join(LEDGER_PUBLIC), &format!("{vkey}\n"))
}
