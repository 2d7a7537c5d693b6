//! The supervisor's token: short-lived, and renewed for as long as the supervisor lives.
//!
//! A token is renewed at half of its time, which the server tells as a duration: this machine's clock may be wrong. Who
//! was away for longer, asleep or cut off, asks where the token came from for another one.

use std::time::Duration;

use interlock_api::Problem;
use interlock_api::operations::RenewToken;
use interlock_api::v1::token::RenewTokenParams;
use interlock_core::Code;

use crate::config::Standing;
use crate::shared::Shared;

/// The pause after a renewal that failed; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between tries, and between looks whether there is another token.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Between two looks for another token once the server refuses the one there is.
const LOOK: Duration = Duration::from_secs(1);

/// Where a supervisor's token is kept.
pub trait Credential: std::fmt::Debug + Send + Sync {
    /// The token as it is kept now: perhaps another one than was read before.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn read(&self) -> Result<String, Problem>;

    /// Keep a renewed one for the next start.
    ///
    /// # Errors
    /// When it cannot be written; the supervisor goes on with it all the same.
    fn keep(&self, token: &str) -> Result<(), Problem>;
}

/// What came of asking for a fresh token.
enum Renewed {
    /// There is one, good for so long.
    For(Duration),
    /// The server does not take the one there is.
    Refused(Problem),
    /// It could not be asked, or knows of no renewal.
    Away(Problem),
}

/// Before the first claim: a token that is refused is exchanged for the one that is kept, if that is another.
///
/// # Errors
/// The server's refusal, when neither is taken.
pub(crate) async fn begin(shared: &Shared) -> Result<(), Problem> {
    let Some(credential) = &shared.config.credential else { return Ok(()) };
    if let Renewed::Refused(problem) = renew(shared).await {
        match credential.read() {
            Ok(token) if Some(&token) != shared.config.client.token().as_ref() => {
                shared.config.client.set_token(token);
                if let Renewed::Refused(problem) = renew(shared).await {
                    return Err(problem);
                }
            }
            _ => return Err(problem),
        }
    }
    Ok(())
}

/// For as long as the supervisor lives.
pub(crate) async fn keep_fresh(shared: std::sync::Arc<Shared>) {
    let Some(credential) = shared.config.credential.clone() else { return std::future::pending().await };
    let mut pause = PAUSE;
    loop {
        let wait = match renew(&shared).await {
            Renewed::For(ttl) => {
                pause = PAUSE;
                ttl / 2
            }
            Renewed::Refused(problem) => {
                let hint = "give the supervisor a new token; it looks for it by itself";
                tracing::error!(%problem, hint, "token.refused");
                let refused = shared.config.client.token();
                shared.config.client.set_token(another(&*credential, refused.as_deref()).await);
                tracing::info!("token.exchanged");
                continue;
            }
            Renewed::Away(problem) => {
                tracing::debug!(%problem, "token.not_renewed");
                pause = (pause * 2).min(PAUSE_MAX);
                pause
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // Some call was refused before its time: this machine was asleep, or the key was changed.
            () = shared.token_refused.notified() => {}
        }
    }
}

/// Wait until another token is kept than the one that is refused.
async fn another(credential: &dyn Credential, refused: Option<&str>) -> String {
    loop {
        match credential.read() {
            Ok(token) if Some(token.as_str()) != refused => return token,
            Ok(_) => {}
            Err(problem) => tracing::debug!(%problem, "token.absent"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn renew(shared: &Shared) -> Renewed {
    let client = &shared.config.client;
    match client.call::<RenewToken>(&RenewTokenParams::default(), None).await {
        Ok(answer) => {
            shared.note_standing(Standing::Taken);
            client.set_token(answer.token.clone());
            if let Some(Err(problem)) = shared.config.credential.as_ref().map(|kept| kept.keep(&answer.token))
            {
                tracing::warn!(%problem, "token.not_kept");
            }
            tracing::info!(ttl_ms = answer.ttl_ms, "token.renewed");
            Renewed::For(Duration::from_millis(answer.ttl_ms))
        }
        Err(problem) if matches!(problem.code, Code::Unauthorized | Code::Forbidden) => {
            Renewed::Refused(problem)
        }
        Err(problem) => {
            shared.note_standing(Standing::Away);
            Renewed::Away(problem)
        }
    }
}
