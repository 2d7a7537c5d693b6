//! Which PostgreSQL database, where one is named: an argument wins over a variable, a variable over the configuration.
//!
//! Its URL may hold a password. It is never shown, and handed on through the environment only: arguments are read by every
//! user of the machine.

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_store::StoreError;

use crate::context::Context;
use crate::environment::Secret;
use crate::instance::Instance;

/// The variable that names the database.
pub(crate) const VARIABLE: &str = "INTERLOCK_DATABASE_URL";

/// What every command takes that may use a database.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DatabaseParams {
    /// The PostgreSQL database; INTERLOCK_DATABASE_URL, or `database_url` of the configuration unless said otherwise. Where
    /// none is named, everything is in the file in the instance's folder.
    #[arg(long, value_name = "URL")]
    database_url: Option<Secret>,
}

impl DatabaseParams {
    /// The database that was named by argument.
    pub(crate) const fn argument(&self) -> Option<&Secret> {
        self.database_url.as_ref()
    }

    /// The database that was named by argument or variable.
    pub(crate) fn given<'a>(&'a self, cx: &'a Context) -> Option<&'a Secret> {
        self.argument().or(cx.environment.database_url.as_ref())
    }

    /// The database of an instance; none for the file in its folder.
    pub(crate) fn of<'a>(&'a self, cx: &'a Context, instance: &'a Instance) -> Option<&'a Secret> {
        self.given(cx).or(instance.config.database_url.as_ref())
    }
}

/// What a database that cannot be opened means.
pub(crate) fn away(error: &StoreError) -> Problem {
    let reason = match error {
        StoreError::Foreign(_) => Reason::DatabaseForeign,
        StoreError::TooNew { .. } => Reason::SchemaTooNew,
        StoreError::Corrupt(_) => Reason::DatabaseBroken,
        StoreError::Address(_) => Reason::ConfigInvalid,
        _ => Reason::StoreUnavailable,
    };
    let hint = match error {
        StoreError::Address(_) => "see docs/postgresql.md for what a database's URL may say",
        _ => "check the database URL, and that the server runs and lets this user in",
    };
    Problem::new(reason, &format!("the PostgreSQL database: {error}"), "").hint(hint)
}
