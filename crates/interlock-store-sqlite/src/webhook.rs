//! Webhooks: who is told of events over HTTP.

use interlock_core::RowChange;
use interlock_core::text::Salt;
use interlock_core::webhook::Webhook;
use interlock_store::StoreError;
use rusqlite::{Connection, params};

use crate::apply::run;
use crate::error::{document, text};
use crate::load::all;

/// All of them, oldest first.
pub(crate) fn webhooks(connection: &Connection, ws: i64) -> Result<Vec<Webhook>, StoreError> {
    let sql = "SELECT doc, url, salt, seeds, progress FROM webhook WHERE ws = ? ORDER BY id";
    let columns = all(connection, sql, params![ws], |row| {
        let texts: [String; 4] = [row.get(0)?, row.get(1)?, row.get(3)?, row.get(4)?];
        Ok((texts, row.get::<_, [u8; 16]>(2)?))
    })?;
    let webhook = |([doc, url, seeds, progress], salt): ([String; 4], [u8; 16])| {
        let mut webhook: Webhook = document("webhook", &doc)?;
        (webhook.url, webhook.url_salt) = (url, Salt(salt));
        webhook.seeds = document("webhook", &seeds)?;
        webhook.progress = document("webhook", &progress)?;
        Ok(webhook)
    };
    columns.into_iter().map(webhook).collect()
}

/// Write a webhook's row, or remove it.
pub(crate) fn change(connection: &Connection, ws: i64, row: &RowChange) -> Result<(), StoreError> {
    match row {
        RowChange::Webhook(webhook) => {
            let sql =
                "INSERT INTO webhook (ws, id, doc, url, salt, seeds, progress) VALUES (?, ?, ?, ?, ?, ?, ?)
                       ON CONFLICT (ws, id) DO UPDATE SET doc = excluded.doc, url = excluded.url,
                       salt = excluded.salt, seeds = excluded.seeds, progress = excluded.progress";
            let (id, doc) = (webhook.webhook_id.to_bytes(), text("webhook", webhook)?);
            let (seeds, progress) = (text("webhook", &webhook.seeds)?, text("webhook", &webhook.progress)?);
            run(connection, sql, params![ws, id, doc, webhook.url, webhook.url_salt.0, seeds, progress])
        }
        RowChange::Unwebhook(id) => {
            run(connection, "DELETE FROM webhook WHERE ws = ? AND id = ?", params![ws, id.to_bytes()])
        }
        _ => Ok(()),
    }
}
