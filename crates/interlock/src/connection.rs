//! A way to a running server: the one of the local instance, or one named by its address.

use interlock_api::client::{Client, Heard};
use interlock_api::v1::event::FollowEventsParams;
use interlock_api::{Op, Problem};
use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};

use crate::identity;
use crate::instance::{Instance, Run};
use crate::random::random;

/// What to do when no server runs.
const START: &str = "start it with: interlock up";

/// A server and who we are to it.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    /// What the local instance says of its server.
    local: Option<(Instance, Run)>,
}

impl Connection {
    /// The server that runs on this instance, as this operator.
    ///
    /// # Errors
    /// `SERVER_NOT_RUNNING`, or a problem with the instance's files.
    pub(crate) fn local(instance: Instance, name: &AgentName) -> Result<Self, Problem> {
        let run = instance.run()?.ok_or_else(|| {
            let detail = format!("no server runs on {}", instance.folder().display());
            Problem::new(Reason::ServerNotRunning, &detail, "").hint(START)
        })?;
        let token = identity::local_token(&instance, name, Role::Operator)?;
        Ok(Self { client: Client::new(&run.url, Some(token))?, local: Some((instance, run)) })
    }

    /// The server at this address, with this token.
    ///
    /// # Errors
    /// `TOKEN_MISSING`, `TOKEN_INVALID`, `PARAMETER_INVALID` for the address.
    pub(crate) fn remote(url: &str, token: Option<&str>) -> Result<Self, Problem> {
        let token = token.ok_or_else(|| {
            Problem::new(Reason::TokenMissing, "a server named by its address needs a token", "")
                .hint("put it into the environment variable INTERLOCK_TOKEN")
        })?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = "INTERLOCK_TOKEN holds characters that no token has";
            return Err(Problem::new(Reason::TokenInvalid, detail, ""));
        }
        Ok(Self { client: Client::new(url, Some(token.to_owned()))?, local: None })
    }

    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        self.client.url()
    }

    /// Call an operation that only reads.
    ///
    /// # Errors
    /// The server's problem, `SERVER_UNREACHABLE`, `SERVER_NOT_RUNNING`.
    pub(crate) async fn read<O: Op>(&self, params: &O::Params) -> Result<O::Response, Problem> {
        self.client.call::<O>(params, None).await.map_err(|problem| self.explain(problem))
    }

    /// Call an operation that changes something, once per key: the one given, or a fresh one.
    ///
    /// # Errors
    /// As [`Connection::read`]; when the outcome is open, the hint has the key to repeat it with.
    pub(crate) async fn change<O: Op>(
        &self,
        params: &O::Params,
        key: Option<&str>,
    ) -> Result<O::Response, Problem> {
        let key = match key {
            Some(key) => key.to_owned(),
            None => fresh_key()?,
        };
        self.client.call::<O>(params, Some(&key)).await.map_err(|problem| {
            let problem = self.explain(problem);
            if !problem.retryable {
                return problem;
            }
            let before = problem.hint.as_ref().map_or_else(String::new, |hint| format!("{hint}; "));
            problem.hint(format!("{before}repeat it with --key {key}: it is done once at most"))
        })
    }

    /// Call an operation and hand on its bytes as they come.
    ///
    /// # Errors
    /// As [`Connection::read`], or what `sink` says.
    pub(crate) async fn stream<O: Op>(
        &self,
        params: &O::Params,
        sink: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.client.stream::<O>(params, sink).await.map_err(|problem| self.explain(problem))
    }

    /// Follow the workspace's events until the server ends the stream.
    ///
    /// # Errors
    /// As [`Connection::read`], or what `sink` says.
    pub(crate) async fn follow(
        &self,
        params: &FollowEventsParams,
        sink: impl FnMut(Heard) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.client.follow(params, sink).await.map_err(|problem| self.explain(problem))
    }

    /// Tell a server that is gone from one that does not answer.
    fn explain(&self, problem: Problem) -> Problem {
        match &self.local {
            Some((instance, run))
                if problem.known_reason() == Some(Reason::ServerUnreachable) && !run.is_alive() =>
            {
                let detail = format!(
                    "the server on {} (process {}) is gone without having said so",
                    instance.folder().display(),
                    run.pid
                );
                Problem::new(Reason::ServerNotRunning, &detail, "").hint(START)
            }
            _ => problem,
        }
    }
}

/// A fresh idempotency key.
pub(crate) fn fresh_key() -> Result<String, Problem> {
    use std::fmt::Write as _;
    let mut text = String::from("cli-");
    for byte in random::<16>()? {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    Ok(text)
}
