//! Denials: remembered beside the ledger, the newest of each workspace.

use std::sync::Arc;

use interlock_core::actor::{AgentName, Role};
use interlock_core::denial::Denial;
use interlock_core::id::{DenialId, ThreadId, WorkspaceId};
use interlock_core::{Reason, Timestamp};
use interlock_store::{DenialFilter, Page, Store, StoreError, Workspace};

use crate::Database;

const FIRST_MS: i64 = 1_767_323_045_000;

/// The `n`th denial: a second after the one before.
fn denial(n: u32, request: &str, actor: &str, operation: &str) -> Denial {
    let at = Timestamp::from_millis(FIRST_MS + i64::from(n) * 1_000);
    Denial {
        denial_id: DenialId::derive(at, &[7; 32], n),
        request_id: request.into(),
        at,
        actor: AgentName::parse(actor).unwrap(),
        role: Role::Participant,
        session_id: None,
        operation: operation.into(),
        reason: Reason::ThreadNotFound,
        object: Some(ThreadId::from_u128(n.into()).to_string()),
        trace_id: Some(format!("{n:032x}")),
    }
}

async fn make(store: &Arc<dyn Store>, number: u128) -> WorkspaceId {
    let workspace_id = WorkspaceId::from_u128(number);
    let origin = format!("interlock.test/{workspace_id}");
    store.create_workspace(Workspace { workspace_id, origin }).await.unwrap();
    workspace_id
}

fn whole() -> Page<DenialId> {
    Page { after: None, limit: 200 }
}

async fn all(store: &Arc<dyn Store>, ws: WorkspaceId, filter: DenialFilter) -> Vec<Denial> {
    store.denials(ws, filter, whole()).await.unwrap()
}

/// They are found by request, caller, operation and time, page by page, also after the store was opened again.
pub async fn denials_are_found_by_what_is_known_of_them(database: Arc<dyn Database>) {
    let store = database.open().await;
    let ws = make(&store, 1).await;
    let mut denials = vec![
        denial(1, "r-1", "eve", "get_thread"),
        denial(2, "r-2", "eve", "ack_read"),
        denial(3, "r-3", "mallory", "get_thread"),
        // Chosen by its caller, who chose the same before.
        denial(4, "r-1", "mallory", "ack_read"),
    ];
    store.add_denials(ws, denials[..2].to_vec(), 100).await.unwrap();
    // The group before came back as failed and was written all the same.
    store.add_denials(ws, denials[1..].to_vec(), 100).await.unwrap();
    drop(store);
    let store = database.open().await;
    denials.reverse();
    let [fourth, third, second, first] = &denials[..] else { panic!() };
    assert_eq!(all(&store, ws, DenialFilter::default()).await, denials);
    let of_request = |id: &str| DenialFilter { request_id: Some(id.into()), ..DenialFilter::default() };
    assert_eq!(all(&store, ws, of_request("r-1")).await, [fourth.clone(), first.clone()]);
    assert_eq!(all(&store, ws, of_request("r-9")).await, []);
    let by_eve = DenialFilter { actor: Some(first.actor.clone()), ..DenialFilter::default() };
    assert_eq!(all(&store, ws, by_eve.clone()).await, [second.clone(), first.clone()]);
    let reads = DenialFilter { operation: Some("get_thread".into()), ..DenialFilter::default() };
    assert_eq!(all(&store, ws, reads.clone()).await, [third.clone(), first.clone()]);
    let since = DenialFilter { since: Some(third.at), ..DenialFilter::default() };
    assert_eq!(all(&store, ws, since.clone()).await, [fourth.clone(), third.clone()]);
    let after = DenialFilter { since: Some(fourth.at.plus_ms(1)), ..DenialFilter::default() };
    assert_eq!(all(&store, ws, after).await, []);
    let every = DenialFilter { actor: by_eve.actor, operation: reads.operation, ..since };
    assert_eq!(all(&store, ws, every).await, []);
    let mut page = Page { after: None, limit: 3 };
    assert_eq!(store.denials(ws, DenialFilter::default(), page.clone()).await.unwrap(), denials[..3]);
    page.after = Some(second.denial_id);
    assert_eq!(store.denials(ws, DenialFilter::default(), page).await.unwrap(), denials[3..]);
}

/// So many are kept of each workspace, whatever happens in another one; and they are no part of what is replayed.
pub async fn the_newest_denials_of_each_workspace_are_kept(database: Arc<dyn Database>) {
    let store = database.open().await;
    let (here, there) = (make(&store, 1).await, make(&store, 2).await);
    let before = store.dump(here).await.unwrap();
    store.add_denials(there, vec![denial(0, "r-0", "eve", "get_thread")], 3).await.unwrap();
    let denials: Vec<_> = (1..=7).map(|n| denial(n, &format!("r-{n}"), "eve", "get_thread")).collect();
    // Three fit exactly, then each group pushes the oldest out.
    store.add_denials(here, denials[..3].to_vec(), 3).await.unwrap();
    assert_eq!(all(&store, here, DenialFilter::default()).await.len(), 3);
    store.add_denials(here, denials[3..].to_vec(), 3).await.unwrap();
    let kept = all(&store, here, DenialFilter::default()).await;
    assert_eq!(kept, [denials[6].clone(), denials[5].clone(), denials[4].clone()]);
    let elsewhere = all(&store, there, DenialFilter::default()).await;
    assert_eq!(elsewhere.iter().map(|denial| denial.request_id.as_str()).collect::<Vec<_>>(), ["r-0"]);
    assert_eq!(store.dump(here).await.unwrap(), before);
    let nobody = WorkspaceId::from_u128(9);
    let refused = store.add_denials(nobody, denials, 3).await;
    assert_eq!(refused, Err(StoreError::NoWorkspace));
    assert_eq!(all(&store, here, DenialFilter::default()).await, kept);
}
