//! What the process environment says, read once: every other module is told.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use interlock_api::Problem;
use interlock_core::Reason;

/// The variables this binary looks at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `INTERLOCK_AGENT`: who acts, unless `--as` says otherwise.
    pub(crate) agent: Option<String>,
    /// `INTERLOCK_TOKEN`: the bearer token for a server named by its address. Never taken from arguments, which
    /// every user of the machine can read.
    pub(crate) token: Option<String>,
    /// `INTERLOCK_URL`: the server that a woken agent was given together with its token.
    pub(crate) url: Option<String>,
    /// Whether this runs within a wake: `INTERLOCK_WAKE` names it.
    pub(crate) is_wake: bool,
    /// `INTERLOCK_INSTANCE`: the folder with the instance, absolute, unless `--instance` says otherwise.
    pub(crate) instance: Option<PathBuf>,
    /// `INTERLOCK_DATABASE_URL`: the PostgreSQL database of the instance, unless `--database-url` says otherwise.
    pub(crate) database_url: Option<Secret>,
    /// The login name, as `USER` or `LOGNAME` say.
    pub(crate) login: Option<String>,
    /// `NO_COLOR` is set, or the terminal is a dumb one.
    pub(crate) no_color: bool,
    /// The folders of `PATH`.
    pub(crate) path: Vec<PathBuf>,
}

/// A text that is never shown: a database's URL may hold a password.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Environment {
    /// The environment of this process. Variables that are empty or no UTF-8 count as absent.
    pub(crate) fn read() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            agent: text("INTERLOCK_AGENT"),
            token: text("INTERLOCK_TOKEN"),
            url: text("INTERLOCK_URL"),
            is_wake: text("INTERLOCK_WAKE").is_some(),
            instance: env::var_os("INTERLOCK_INSTANCE").filter(|value| !value.is_empty()).map(PathBuf::from),
            database_url: text("INTERLOCK_DATABASE_URL").map(Secret),
            login: text("USER").or_else(|| text("LOGNAME")),
            no_color: text("NO_COLOR").is_some() || text("TERM").as_deref() == Some("dumb"),
            path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
        }
    }
}

/// One variable; absent when empty or no UTF-8.
pub(crate) fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Everything: what a supervisor takes its agents' variables from.
pub(crate) fn all() -> BTreeMap<OsString, OsString> {
    env::vars_os().collect()
}

/// `INTERLOCK_LOG`: what the server's log holds, as a tracing filter.
pub(crate) fn log_filter() -> Option<String> {
    text("INTERLOCK_LOG")
}

/// This program's own file.
///
/// # Errors
/// `INTERNAL` when the system does not say.
pub(crate) fn program() -> Result<PathBuf, Problem> {
    env::current_exe().map_err(|error| {
        Problem::new(Reason::Defect, &format!("this program cannot find itself: {error}"), "")
    })
}
