//! Going on after a failure that a restart of the server explains.

use std::time::Duration;

use interlock_api::Problem;
use interlock_core::{Code, Reason};

use crate::connection::Connection;
use crate::context::Context;
use crate::output::Output;

/// The pause before the first attempt to reconnect; doubles up to [`PAUSE_MS_MAX`].
pub(super) const PAUSE_MS: u64 = 50;
/// The longest pause between attempts to reconnect.
const PAUSE_MS_MAX: u64 = 1_000;

/// Wait until the server answers again, wherever it listens now.
///
/// # Errors
/// The problem itself when waiting does not help, or the one that replaced it.
pub(super) async fn again(
    cx: &Context,
    problem: Problem,
    answers: impl AsyncFn(&Connection) -> Result<(), Problem>,
) -> Result<Connection, Problem> {
    if !may_pass(&problem) {
        return Err(problem);
    }
    if problem.code != Code::Unauthorized {
        Output::note(&format!("note: {}; trying again", problem.detail));
    }
    let mut problem = problem;
    let mut pause_ms = PAUSE_MS;
    loop {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms = (pause_ms * 2).min(PAUSE_MS_MAX);
        let attempt = async {
            let connection = cx.connect()?;
            answers(&connection).await.map(|()| connection)
        };
        match attempt.await {
            Ok(connection) => {
                Output::note("note: connected again");
                return Ok(connection);
            }
            // A token that the same server refuses twice will not get better.
            Err(next) if next.code == Code::Unauthorized && problem.code == Code::Unauthorized => {
                return Err(next);
            }
            Err(next) if may_pass(&next) => problem = next,
            Err(next) => return Err(next),
        }
    }
}

/// Whether a restart, an overload or the end of a token explains it.
fn may_pass(problem: &Problem) -> bool {
    problem.retryable
        || matches!(problem.known_reason(), Some(Reason::ServerNotRunning | Reason::TokenExpired))
}
