//! Webhooks: who is told of events over HTTP.

use std::collections::BTreeMap;

use interlock_core::text::Salt;
use interlock_core::webhook::Webhook;
use interlock_store::StoreError;
use tokio_postgres::Row;

use crate::apply::{Values, boxed, some};
use crate::error::{document, text};
use crate::pool::Line;
use crate::row::{bytes, get};

/// What is written of a webhook besides its id.
pub(crate) struct Columns(String, String, Vec<u8>, String, String);

impl Columns {
    pub(crate) fn of(webhook: &Webhook) -> Result<Self, StoreError> {
        let (seeds, progress) = (text("webhook", &webhook.seeds)?, text("webhook", &webhook.progress)?);
        let salt = webhook.url_salt.0.to_vec();
        Ok(Self(text("webhook", webhook)?, webhook.url.clone(), salt, seeds, progress))
    }
}

/// The ids of webhooks to remove, and the others as columns.
pub(crate) fn columns(rows: BTreeMap<Vec<u8>, Option<Columns>>) -> (Option<Values>, Option<Values>) {
    let (mut gone, mut ids, mut docs, mut urls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut salts, mut seeds, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    for (id, columns) in rows {
        let Some(Columns(doc, url, salt, seed, progress)) = columns else {
            gone.push(id);
            continue;
        };
        ids.push(id);
        docs.push(doc);
        urls.push(url);
        salts.push(salt);
        seeds.push(seed);
        marks.push(progress);
    }
    let there = some(ids.is_empty(), || {
        vec![boxed(ids), boxed(docs), boxed(urls), boxed(salts), boxed(seeds), boxed(marks)]
    });
    (some(gone.is_empty(), || vec![boxed(gone)]), there)
}

/// A webhook from `doc, url, salt, seeds, progress`.
pub(crate) fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    let mut webhook: Webhook = document("webhook", get(row, 0)?)?;
    (webhook.url, webhook.url_salt) = (get(row, 1)?, Salt(bytes(row, 2)?));
    webhook.seeds = document("webhook", get(row, 3)?)?;
    webhook.progress = document("webhook", get(row, 4)?)?;
    Ok(webhook)
}

/// All of them, oldest first.
pub(crate) async fn webhooks(line: &Line, ws: i64) -> Result<Vec<Webhook>, StoreError> {
    let sql = "SELECT doc, url, salt, seeds, progress FROM webhook WHERE ws = $1 ORDER BY id";
    line.all(sql, &[&ws]).await?.iter().map(webhook).collect()
}
