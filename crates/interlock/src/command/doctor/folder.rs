//! The instance folder: permissions and keys.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Check;
use crate::instance::{Instance, cause};

/// The permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Every check of the folder.
pub(super) fn all(instance: &Instance) -> Vec<Check> {
    let config = &instance.config;
    vec![
        closed("instance", instance.folder(), "700"),
        Check::ok("config", format!("{}, listens on {}", config.workspace_id, config.listen)),
        keys(instance),
    ]
}

/// A folder that nobody else may look into.
fn closed(name: &'static str, folder: &Path, mode: &str) -> Check {
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.permissions().mode() & OTHERS == 0 => {
            Check::ok(name, folder.display().to_string())
        }
        Ok(metadata) => {
            let mode_now = metadata.permissions().mode() & 0o7777;
            let detail = format!("{} is open to others (mode {mode_now:o})", folder.display());
            Check::fail(name, detail, format!("chmod {mode} {}", folder.display()))
        }
        Err(error) => Check::fail(name, format!("{} {}", folder.display(), cause(&error)), "restore it"),
    }
}

fn keys(instance: &Instance) -> Check {
    let folder = instance.keys();
    let check = closed("keys", &folder, "700");
    if check.verdict != super::Verdict::Ok {
        return check;
    }
    match files(&folder) {
        Err(error) => Check::fail("keys", format!("{} {}", folder.display(), cause(&error)), "restore it"),
        Ok(files) if files.is_empty() => {
            Check::fail("keys", "there are no keys", "restore keys/ from a backup, or make a new instance")
        }
        Ok(files) => {
            let open = files.iter().map(|file| closed("keys", file, "600"));
            open.into_iter()
                .find(|check| check.verdict != super::Verdict::Ok)
                .unwrap_or_else(|| usable(instance))
        }
    }
}

/// Whether the keys can do their work, and the public half belongs to the private one.
fn usable(instance: &Instance) -> Check {
    if let Err(problem) = instance.issuer() {
        return Check::failed("keys", &problem);
    }
    let origin = instance.ledger_origin();
    let vkey = match instance.ledger_key() {
        Ok(key) => key.vkey(&origin).unwrap_or_default(),
        Err(problem) => return Check::failed("keys", &problem),
    };
    let file = instance.ledger_vkey();
    if std::fs::read_to_string(&file).is_ok_and(|text| text.trim() == vkey) {
        return Check::ok("keys", format!("closed to others; the ledger is signed as {origin}"));
    }
    let detail = format!("{} does not belong to the ledger's private key", file.display());
    Check::fail("keys", detail, format!("restore it from a backup, or write into it: {vkey}"))
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
