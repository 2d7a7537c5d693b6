//! The constants that this server works with.

use interlock_api::operations as op;
use interlock_api::v1::policy::{GetPolicyParams, PolicyView};
use interlock_core::Refusal;
use interlock_engine::Permit;

use crate::context::Ctx;

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetPolicy>,
    _p: GetPolicyParams,
) -> Result<PolicyView, Refusal> {
    let engine = cx.engine();
    Ok(PolicyView::of(engine.policy(), |name| engine.is_policy_set(name)))
}
