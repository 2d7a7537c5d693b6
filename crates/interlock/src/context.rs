//! What every command is given: the global options, the environment, and where its words go.

use std::path::Path;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::time::Timestamp;

use crate::cli::Global;
use crate::connection::Connection;
use crate::environment::Environment;
use crate::identity;
use crate::instance::Instance;
use crate::output::Output;

/// One run of the binary.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) environment: Environment,
    pub(crate) output: Output,
}

impl Context {
    /// The instance that was named, or the nearest one upwards.
    ///
    /// # Errors
    /// `INSTANCE_INVALID`, `CONFIG_INVALID`.
    pub(crate) fn instance(&self) -> Result<Instance, Problem> {
        Instance::find(self.folder()?)
    }

    /// The folder that was named for the instance: by `--instance`, else by INTERLOCK_INSTANCE.
    ///
    /// # Errors
    /// `INSTANCE_INVALID` for a variable that means another folder in every working directory.
    pub(crate) fn folder(&self) -> Result<Option<&Path>, Problem> {
        match (&self.global.instance, &self.environment.instance) {
            (Some(given), _) => Ok(Some(given)),
            (None, Some(set)) if set.is_relative() => {
                let detail = format!("INTERLOCK_INSTANCE is `{}`, which is not absolute", set.display());
                Err(Problem::new(Reason::InstanceInvalid, &detail, "")
                    .hint("set it to an absolute path, or unset it"))
            }
            (None, set) => Ok(set.as_deref()),
        }
    }

    /// A way to the server that was named, or to the one that runs on the instance.
    ///
    /// # Errors
    /// Those of [`Context::instance`], `SERVER_NOT_RUNNING`, `TOKEN_MISSING`.
    pub(crate) fn connect(&self) -> Result<Connection, Problem> {
        match self.remote() {
            Some(url) => Connection::remote(&url, self.environment.token.as_deref()),
            None => Connection::local(self.own_instance()?, &self.name()?),
        }
    }

    /// The instance, for whoever acts with its keys as a person. An agent in a wake of its server does not: it has a token of
    /// its own, and would be a person by one more word. That keeps honest agents honest; it is no boundary for others,
    /// which run as the same user (SECURITY.md).
    ///
    /// # Errors
    /// Those of [`Context::instance`], `OWN_TOKEN_REQUIRED`.
    pub(crate) fn own_instance(&self) -> Result<Instance, Problem> {
        let instance = self.instance()?;
        let Environment { url: Some(given), token: Some(_), is_wake: true, .. } = &self.environment else {
            return Ok(instance);
        };
        if instance.run()?.is_some_and(|run| run.url == *given) {
            let detail = "this runs within a wake, whose agent acts with the token of the wake only";
            return Err(Problem::new(Reason::OwnTokenRequired, detail, "")
                .hint("leave out --as and --instance; what the agent may not do, a person does"));
        }
        Ok(instance)
    }

    /// The server's address, when the command is not about the local instance. A woken agent finds itself with
    /// an address and a token, and must act with that token alone.
    pub(crate) fn remote(&self) -> Option<String> {
        let given = || {
            let unsaid = self.global.instance.is_none() && self.global.acting.is_none();
            self.environment.url.clone().filter(|_| unsaid && self.environment.token.is_some())
        };
        self.global.server.clone().or_else(given)
    }

    /// Who acts on the local instance.
    ///
    /// # Errors
    /// `PARAMETER_INVALID` when INTERLOCK_AGENT is no agent name.
    pub(crate) fn name(&self) -> Result<AgentName, Problem> {
        match &self.global.acting {
            Some(name) => Ok(name.clone()),
            None => identity::name(&self.environment),
        }
    }

    /// The wall clock.
    pub(crate) fn now() -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}
