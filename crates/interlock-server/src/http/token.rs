//! Tokens: a fresh one for a supervisor, as long as the one it has is taken.

use interlock_api::operations as op;
use interlock_api::v1::token::{RenewTokenParams, RenewTokenResponse};
use interlock_core::Refusal;
use interlock_core::limits::TOKEN_RENEWED_MS;
use interlock_engine::Permit;

use crate::context::Ctx;

pub(crate) async fn renew(
    cx: Ctx,
    _permit: Permit<op::RenewToken>,
    _p: RenewTokenParams,
) -> Result<RenewTokenResponse, Refusal> {
    let engine = cx.engine();
    let token = engine.issuer().mint(&cx.actor, engine.here(), TOKEN_RENEWED_MS)?;
    Ok(RenewTokenResponse { token, ttl_ms: TOKEN_RENEWED_MS.unsigned_abs() })
}
