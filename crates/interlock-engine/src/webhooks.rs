//! Webhooks, as the server itself deals with them: their secrets, how they move on, and their end.
//!
//! A secret is never kept. It is derived from the key that issues tokens, which lies in the instance's folder, and a
//! seed in the webhook's row: whoever reads the database or a copy of it has half of what it takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::command::{AdvanceWebhook, Command};
use interlock_core::facts::Reply;
use interlock_core::id::{WebhookId, WorkspaceId};
use interlock_core::text::Digest;
use interlock_core::webhook::Webhook;
use interlock_core::{Reason, Refusal, Timestamp};

use crate::engine::{Engine, Request};

/// What secrets begin with in the Standard Webhooks specification.
const PREFIX: &str = "whsec_";
/// Who acts in the ledger where the server does so by itself.
const NAME: &str = "interlock";

/// A webhook's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; 32]);

impl WebhookSecret {
    /// The secret with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes that sign.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As receivers are told it, once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl Engine {
    /// The secret that grows from a seed.
    pub fn webhook_secret(&self, workspace_id: WorkspaceId, id: WebhookId, seed: &Digest) -> WebhookSecret {
        let parts = [&workspace_id.to_bytes()[..], &id.to_bytes()[..], &seed.as_bytes()[..]];
        WebhookSecret(self.issuer().derive("interlock webhook secret 1", &parts))
    }

    /// The secrets that sign for a webhook at this time, the newest first.
    pub fn webhook_secrets(
        &self,
        workspace_id: WorkspaceId,
        webhook: &Webhook,
        now: Timestamp,
    ) -> Vec<WebhookSecret> {
        let secret = |seed| self.webhook_secret(workspace_id, webhook.webhook_id, seed);
        webhook.seeds.valid(now).map(secret).collect()
    }

    /// Move a webhook on in the ledger; says whether it moved.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, or what the store cannot do now.
    pub async fn advance_webhook(
        &self,
        workspace_id: WorkspaceId,
        command: AdvanceWebhook,
    ) -> Result<bool, Refusal> {
        let reply = self.by_itself(workspace_id, "advance_webhook", Command::AdvanceWebhook(command)).await?;
        Ok(matches!(reply, Reply::Webhook(_)))
    }

    /// Stop telling a webhook whose receiver is gone.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, or what the store cannot do now.
    pub async fn pause_webhook(
        &self,
        workspace_id: WorkspaceId,
        webhook_id: WebhookId,
        reason: Reason,
    ) -> Result<(), Refusal> {
        let command = Command::PauseWebhook { webhook_id, reason };
        self.by_itself(workspace_id, "pause_webhook", command).await.map(|_| ())
    }

    async fn by_itself(
        &self,
        workspace_id: WorkspaceId,
        operation: &'static str,
        command: Command,
    ) -> Result<Reply, Refusal> {
        let name = AgentName::parse(NAME).map_err(|error| Refusal::new(Reason::Defect, error.to_string()))?;
        let actor = Actor {
            name,
            role: Role::Supervisor,
            workspace_id,
            session_id: None,
            wake_id: None,
            fence: None,
        };
        let request = Request { request_id: NAME.to_owned(), ..Request::default() };
        self.submit(actor, operation, &request, command).await.map(|outcome| outcome.reply)
    }
}
