//! `config.toml`: what an instance is told by people.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::WorkspaceId;
use interlock_core::policy::Policy;
use interlock_server::{RateLimits, WebhookOptions};

use crate::environment::Secret;

/// Bytes of a configuration.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// The configuration of an instance.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The workspace: the ledger's name, and what tokens are for.
    pub(crate) workspace_id: WorkspaceId,
    /// Where the server listens; port 0 takes a free one.
    #[serde(default = "free_loopback_port")]
    pub(crate) listen: SocketAddr,
    /// The PostgreSQL database; the file in the folder unless there is one.
    #[serde(default)]
    pub(crate) database_url: Option<Secret>,
    /// Names whose tokens are no longer taken.
    #[serde(default)]
    pub(crate) tokens_revoked: BTreeSet<AgentName>,
    /// The constants of waking, guarding and jobs.
    #[serde(default)]
    pub(crate) policy: Policy,
    /// The names of those that stand in the file.
    #[serde(skip)]
    pub(crate) policy_set: BTreeSet<String>,
    /// How many requests one caller may make, and of which size.
    #[serde(default)]
    pub(crate) rate: RateLimits,
    /// How webhooks are told.
    #[serde(default)]
    pub(crate) webhooks: WebhookOptions,
}

/// The key of the database.
const DATABASE_KEY: &str = "database_url";

/// The line that names the database, or shows how one is named.
fn database_line(database: Option<&Secret>) -> String {
    match database {
        Some(Secret(url)) => format!("{DATABASE_KEY} = {}", toml::Value::String(url.clone())),
        None => format!("# {DATABASE_KEY} = \"postgresql://USER:PASSWORD@HOST/DATABASE\""),
    }
}

fn free_loopback_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl Config {
    /// Read and check a configuration.
    ///
    /// # Errors
    /// `CONFIG_INVALID` with line and column where there is one.
    pub(crate) fn read(file: &Path) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        File::open(file)
            .and_then(|opened| opened.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error| wrong(file, "", &super::path::cause(&error)))?;
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(wrong(file, "", &format!("is larger than {CONFIG_BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            wrong(file, &place(valid), "holds bytes that are no UTF-8")
        })?;
        Self::parse(text, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, Problem> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map(|span| span.start);
            let before = start.and_then(|start| text.as_bytes().get(..start));
            wrong(file, &before.map(place).unwrap_or_default(), error.message())
        })?;
        config.policy_set = names(text, "policy");
        match config.policy.fault() {
            Some(fault) => Err(wrong(file, " [policy]", &fault)),
            None => Ok(config),
        }
    }

    /// The text of a new instance's configuration, with everything there is to set.
    pub(crate) fn template(workspace_id: WorkspaceId, database: Option<&Secret>) -> String {
        let policy = commented(&Policy::default());
        let rate = commented(&RateLimits::default());
        let webhooks = commented(&WebhookOptions::default());
        format!(
            "# An Interlock instance. The server reads this file when it starts.\n\n\
             # The name of this workspace in tokens and in the ledger; never change it.\n\
             workspace_id = \"{workspace_id}\"\n\n\
             # Where the server listens; port 0 takes a free one.\n\
             listen = \"{}\"\n\n\
             # A PostgreSQL database instead of the file in this folder.\n\
             {}\n\n\
             # Names whose tokens are no longer taken, such as that of a supervisor on a lost machine.\n\
             # tokens_revoked = [\"laptop\"]\n\n\
             # The constants of waking, guarding and jobs, with their defaults; durations in milliseconds.\n\
             [policy]\n{policy}\n\n\
             # How many requests one caller may make, further ones are told to wait, and bytes of the body of one.\n\
             [rate]\n{rate}\n\n\
             # How webhooks are told: networks they may reach besides public ones, how long a receiver may take, and how\n\
             # often it is tried; durations in milliseconds.\n\
             [webhooks]\n{webhooks}\n",
            free_loopback_port(),
            database_line(database),
        )
    }

    /// Change the text of a configuration so that it names this database, or none.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the result would say something else.
    pub(crate) fn with_database(
        text: &str,
        file: &Path,
        database: Option<&Secret>,
    ) -> Result<String, Problem> {
        let is_said = |line: &&str| line.trim_start().starts_with(DATABASE_KEY);
        let is_example = |line: &&str| line.starts_with(&format!("# {DATABASE_KEY}"));
        let place = text.lines().position(|line| is_said(&line));
        let place = place.or_else(|| text.lines().position(|line| is_example(&line)));
        let line = database_line(database);
        let changed = match place {
            Some(place) => {
                let lines = text.lines().enumerate();
                lines
                    .map(|(n, old)| if n == place { format!("{line}\n") } else { format!("{old}\n") })
                    .collect()
            }
            // Before every table: what follows one belongs to it.
            None => format!("{line}\n{text}"),
        };
        let (before, after) = (Self::parse(text, file)?, Self::parse(&changed, file)?);
        if after == (Self { database_url: database.cloned(), ..before }) {
            return Ok(changed);
        }
        Err(wrong(file, "", "the line with `database_url` is not found"))
    }

    /// Change the text of a configuration so that it sets these constants; gives what it says then.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the result would not say so.
    pub(crate) fn with_policy(
        text: &str,
        file: &Path,
        constants: &[(&str, i64)],
    ) -> Result<(String, Self), Problem> {
        let lines: String = constants.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let changed = text.replacen("[policy]\n", &format!("[policy]\n{lines}"), 1);
        let config = Self::parse(&changed, file)?;
        let is_said = |(name, value): &(&str, i64)| {
            config.policy.values().any(|(constant, is)| constant.name == *name && is == *value)
        };
        if constants.iter().all(is_said) {
            return Ok((changed, config));
        }
        Err(wrong(file, "", "the table `[policy]` is not found"))
    }
}

/// The names that stand in a table of the file; it was understood before.
fn names(text: &str, table: &str) -> BTreeSet<String> {
    let whole: toml::Table = toml::from_str(text).unwrap_or_default();
    let table = whole.get(table).and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys().cloned()).collect()
}

/// Defaults as a file may set them, each line commented out.
fn commented<T: serde::Serialize>(defaults: &T) -> String {
    let text = toml::to_string(defaults).unwrap_or_default();
    text.lines().map(|line| format!("# {line}")).collect::<Vec<_>>().join("\n")
}

/// Where the byte after these is.
fn place(before: &[u8]) -> String {
    let lines: Vec<&[u8]> = before.split(|byte| *byte == b'\n').collect();
    let last = lines.last().copied().unwrap_or_default();
    format!(" line {} column {}", lines.len(), String::from_utf8_lossy(last).chars().count() + 1)
}

fn wrong(file: &Path, place: &str, message: &str) -> Problem {
    let message = message.trim().replace('\n', ", ");
    let detail = format!("`{}`{place}: {message}", file.display());
    Problem::new(Reason::ConfigInvalid, &detail, "")
        .hint("correct the file; a new instance shows what it may hold")
}
