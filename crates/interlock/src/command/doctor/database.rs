//! Where everything is kept: the file in the folder, or a PostgreSQL database.

use std::path::Path;

use interlock_store::StoreError;
use interlock_store_postgres::{Looked, Options, look};
use interlock_store_sqlite::LOG_BYTES_MAX;

use super::Check;
use crate::database::away;
use crate::environment::Secret;
use crate::instance::{Instance, cause};
use crate::node::same_keys;

/// The first version of PostgreSQL that is supported.
const VERSION_MIN: u32 = 15;
/// Of a database that is not made yet.
const FIRST_START: &str = "the first start makes it: interlock up";

/// Look at it without changing anything.
pub(super) async fn check(database: Option<&Secret>, instance: &Instance) -> Check {
    match database {
        Some(url) => judge(instance, look(&Options::at(&url.0), instance.config.workspace_id).await),
        None => file(instance),
    }
}

fn judge(instance: &Instance, looked: Result<Looked, StoreError>) -> Check {
    let looked = match looked {
        Ok(looked) => looked,
        Err(error) => return Check::failed("database", &away(&error)),
    };
    let server = format!("PostgreSQL {}", looked.server);
    let major = looked.server.split(|c: char| !c.is_ascii_digit()).next().and_then(|text| text.parse().ok());
    if major.is_none_or(|major: u32| major < VERSION_MIN) {
        let hint = format!("use PostgreSQL {VERSION_MIN} or later");
        return Check::fail("database", format!("{server} is not supported"), hint);
    }
    let Some(ledger) = looked.ledger else {
        return Check::warn("database", format!("{server}, nothing of this instance in it yet"), FIRST_START);
    };
    match same_keys(instance, ledger.checkpoint.as_deref()) {
        Ok(()) => Check::ok("database", format!("{server}, a ledger of {} entries", ledger.size)),
        Err(problem) => Check::failed("database", &problem),
    }
}

fn file(instance: &Instance) -> Check {
    let file = instance.database();
    match std::fs::metadata(&file) {
        Ok(metadata) if metadata.is_file() => sizes(metadata.len(), log_bytes(&file)),
        Ok(_) => Check::fail("database", format!("{} is no file", file.display()), "move it away"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::warn("database", "there is none yet", FIRST_START)
        }
        Err(error) => Check::fail("database", format!("{} {}", file.display(), cause(&error)), "restore it"),
    }
}

/// Bytes of the log beside the file; it is gone after a stop.
fn log_bytes(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}

fn sizes(file: u64, log: u64) -> Check {
    let detail = match log {
        0 => format!("{file} bytes"),
        log => format!("{file} bytes, and {log} in its write-ahead log"),
    };
    if log <= LOG_BYTES_MAX {
        return Check::ok("database", detail);
    }
    let hint =
        "look for database.log_not_copied in logs/server.log, and for programs that read the file for long";
    Check::warn("database", format!("{detail}, which is not copied into it"), hint)
}
