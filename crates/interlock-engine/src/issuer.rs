//! The embedded token issuer and the one strict verifier: Ed25519 JSON Web Tokens with every claim required.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use hmac::{Hmac, Mac as _};
use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::id::{SessionId, WakeId, WorkspaceId};
use interlock_core::{Reason, Refusal, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use sha2::{Digest as _, Sha256};

/// What our tokens begin with, so that redactors know them.
const PREFIX: &str = "ilk_";
/// The `iss` of embedded tokens.
const ISSUER: &str = "interlock";
/// Seconds that clocks may differ.
const LEEWAY_S: u64 = 30;
/// Bytes of a token that are looked at.
const TOKEN_BYTES_MAX: usize = 4096;

/// What a token says: all of it required but session and wake.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for: `interlock:` and the workspace.
    pub aud: String,
    /// The agent or person.
    pub sub: String,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The access role.
    pub role: Role,
    /// Names the token.
    pub jti: String,
    /// Seconds since 1970: issued.
    pub iat: i64,
    /// Seconds since 1970: not before.
    pub nbf: i64,
    /// Seconds since 1970: not after.
    pub exp: i64,
    /// The runtime's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The wake whose process holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// The fence of the claim that it was started on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}

/// Tokens remembered as verified; beyond that all are forgotten.
const VERIFIED_MAX: usize = 1_024;

/// A token whose signature and claims hold, for as long as its times do.
struct Verified {
    actor: Actor,
    nbf: i64,
    exp: i64,
}

/// Issues and verifies tokens with one key.
pub struct Issuer {
    /// By digest, so that no token is kept. A signature costs more to check than the rest of a post.
    verified: RwLock<BTreeMap<[u8; 32], Verified>>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    kid: String,
    public: [u8; 32],
    /// What other secrets are derived from.
    root: Hmac<Sha256>,
    /// Names whose tokens are no longer taken.
    revoked: BTreeSet<AgentName>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Issuer {
    /// A fresh key as PKCS#8 PEM, for the key folder.
    ///
    /// # Errors
    /// `INTERNAL` when the system has no randomness.
    pub fn generate_pem() -> Result<String, Refusal> {
        let seed = crate::random_bytes::<32>().map_err(defect)?;
        let key = SigningKey::from_bytes(&seed);
        let pem = key.to_pkcs8_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF).map_err(defect)?;
        Ok(pem.to_string())
    }

    /// The issuer with this key.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the text is no Ed25519 key in PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, Refusal> {
        let wrong = |error: &dyn std::fmt::Display| {
            Refusal::new(
                Reason::ConfigInvalid,
                format!("the issuer key is no Ed25519 key in PKCS#8 PEM: {error}"),
            )
        };
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|error| wrong(&error))?;
        let public = key.verifying_key().to_bytes();
        let root = Hmac::new_from_slice(key.as_bytes()).map_err(defect)?;
        let der = key.to_pkcs8_der().map_err(|error| wrong(&error))?;
        Ok(Self {
            verified: RwLock::default(),
            encoding: EncodingKey::from_ed_der(der.as_bytes()),
            decoding: DecodingKey::from_ed_der(&public),
            kid: URL_SAFE_NO_PAD.encode(Sha256::digest(public)),
            public,
            root,
            revoked: BTreeSet::new(),
        })
    }

    /// The same, but tokens of these names are no longer taken, however long they would hold.
    #[must_use]
    pub fn without(self, revoked: BTreeSet<AgentName>) -> Self {
        Self { revoked, ..self }
    }

    /// A token for this actor from `now` for `ttl_ms`.
    ///
    /// # Errors
    /// `INTERNAL` when signing fails.
    pub fn mint(&self, actor: &Actor, now: Timestamp, ttl_ms: i64) -> Result<String, Refusal> {
        let seconds = now.as_millis() / 1_000;
        let claims = Claims {
            iss: ISSUER.into(),
            aud: audience(actor.workspace_id),
            sub: actor.name.to_string(),
            workspace: actor.workspace_id,
            role: actor.role,
            jti: crate::random_token().map_err(defect)?,
            iat: seconds,
            nbf: seconds,
            // Rounded up: a token must not end before its deadline.
            exp: (now.as_millis() + ttl_ms + 999) / 1_000,
            session_id: actor.session_id,
            wake_id: actor.wake_id,
            fence: actor.fence,
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(defect)?;
        Ok(format!("{PREFIX}{token}"))
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// `TOKEN_EXPIRED`, `TOKEN_REVOKED`, or `TOKEN_INVALID` for everything else that does not hold; never says which part.
    pub fn verify(&self, token: &str) -> Result<Actor, Refusal> {
        let actor = self.holder(token)?;
        if self.revoked.contains(&actor.name) {
            let detail = format!("tokens of `{}` are no longer taken", actor.name);
            return Err(Refusal::new(Reason::TokenRevoked, detail).hint("get a token of another name"));
        }
        Ok(actor)
    }

    fn holder(&self, token: &str) -> Result<Actor, Refusal> {
        let invalid = || Refusal::new(Reason::TokenInvalid, "the bearer token does not hold");
        let token = token.strip_prefix(PREFIX).filter(|t| t.len() <= TOKEN_BYTES_MAX).ok_or_else(invalid)?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(actor) = self.remembered(&digest) {
            return Ok(actor);
        }
        let claims = self.check(token)?;
        let actor = Actor {
            name: AgentName::parse(&claims.sub).map_err(|_| invalid())?,
            role: claims.role,
            workspace_id: claims.workspace,
            session_id: claims.session_id,
            wake_id: claims.wake_id,
            fence: claims.fence,
        };
        self.remember(digest, Verified { actor: actor.clone(), nbf: claims.nbf, exp: claims.exp });
        Ok(actor)
    }

    /// The actor of a token that was verified before, while its times hold; else it is verified again, which says why.
    fn remembered(&self, digest: &[u8; 32]) -> Option<Actor> {
        let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap_or(i64::MAX);
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        let known = verified.get(digest)?;
        (known.nbf <= now && now < known.exp).then(|| known.actor.clone())
    }

    fn remember(&self, digest: [u8; 32], known: Verified) {
        let mut verified = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= VERIFIED_MAX {
            verified.clear();
        }
        verified.insert(digest, known);
    }

    /// For how long this token is still taken, for what goes on after it was verified.
    ///
    /// # Errors
    /// Those of [`Self::verify`].
    pub fn time_left(&self, token: &str) -> Result<Duration, Refusal> {
        self.verify(token)?;
        let claims = self.check(token.strip_prefix(PREFIX).unwrap_or(token))?;
        let seconds = u64::try_from(claims.exp).unwrap_or(0).saturating_add(LEEWAY_S);
        // It is taken up to the end of its last second.
        let end = seconds.saturating_add(1);
        Ok(Duration::from_secs(end.saturating_sub(jsonwebtoken::get_current_timestamp())))
    }

    /// Every claim of a token, its signature first.
    fn check(&self, token: &str) -> Result<Claims, Refusal> {
        let invalid = || Refusal::new(Reason::TokenInvalid, "the bearer token does not hold");
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        if header.alg != Algorithm::EdDSA || header.kid.as_deref() != Some(self.kid.as_str()) {
            return Err(invalid());
        }
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY_S;
        // The audience depends on the workspace claim, which the library does not know: checked below.
        rules.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                    Refusal::new(Reason::TokenExpired, "the bearer token has expired").hint("get a new token")
                }
                _ => invalid(),
            })?
            .claims;
        if claims.aud != audience(claims.workspace) || claims.jti.is_empty() || claims.iat > claims.exp {
            return Err(invalid());
        }
        Ok(claims)
    }

    /// A secret of its own for what these parts name, from the private key, which it does not tell. The same parts give the
    /// same secret on every server with this key.
    pub(crate) fn derive(&self, domain: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.root.clone();
        // Lengths keep ("ab","c") and ("a","bc") apart.
        for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The public key as a JSON Web Key Set.
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "kid": self.kid, "x": URL_SAFE_NO_PAD.encode(self.public),
        }]})
    }
}

fn audience(workspace: WorkspaceId) -> String {
    format!("interlock:{workspace}")
}

fn defect(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Reason::Defect, error.to_string())
}

#[cfg(test)]
mod tests;
