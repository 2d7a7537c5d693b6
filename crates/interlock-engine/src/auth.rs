//! Authorization: the only maker of permits. Deny by default.

use std::marker::PhantomData;

use interlock_core::actor::{Actor, Guarded};
use interlock_core::{Reason, Refusal};

/// Proof that an actor's role may do an operation; every handler takes one, so that forgetting the check does
/// not compile. Membership and state are checked again where the command is decided.
#[derive(Debug)]
pub struct Permit<G: Guarded> {
    actor: Actor,
    operation: PhantomData<fn() -> G>,
}

impl<G: Guarded> Permit<G> {
    /// Who was permitted.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }
}

/// A permit for this operation, when the actor's role has its permission.
///
/// # Errors
/// `ROLE_MISSING`.
pub fn authorize<G: Guarded>(actor: &Actor) -> Result<Permit<G>, Refusal> {
    if actor.role.may(G::PERMISSION) {
        return Ok(Permit { actor: actor.clone(), operation: PhantomData });
    }
    Err(Refusal::new(
        Reason::RoleMissing,
        format!("the role `{}` lacks `{}`, which `{}` needs", actor.role, G::PERMISSION, G::OPERATION),
    )
    .hint("use a token of a role that has it"))
}
