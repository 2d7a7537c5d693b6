//! A commit whose answer is lost is looked up: the truth is told, also when others have written since.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interlock_store::Store;
use interlock_store_postgres::{Options, PostgresStore};
use interlock_testkit::{Sequencer, Story};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream, UnixStream, tcp};

use crate::made::{Made, block_on};

/// What happens to a connection when COMMIT passes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    /// It is passed on, and its answer never comes.
    AfterIt,
    /// It is not passed on.
    BeforeIt,
}

/// Stands before the server; cuts a connection at the next COMMIT when armed.
async fn proxy(listener: TcpListener, socket: String, is_armed: Arc<AtomicBool>, cut: Cut) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = UnixStream::connect(&socket).await.unwrap();
        tokio::spawn(pass(client, server, Arc::clone(&is_armed), cut));
    }
}

async fn pass(client: TcpStream, server: UnixStream, is_armed: Arc<AtomicBool>, cut: Cut) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let is_cut = Arc::new(AtomicBool::new(false));
    tokio::spawn(pass_back(from_server, to_client, Arc::clone(&is_cut)));
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
        let sent = bytes.get(..read).unwrap_or_default();
        let commits = sent.windows(7).any(|window| window == b"COMMIT\0");
        if commits && is_armed.swap(false, Ordering::SeqCst) {
            is_cut.store(true, Ordering::SeqCst);
            if cut == Cut::AfterIt {
                to_server.write_all(sent).await.unwrap();
                // Then it may end, once it has done that.
                to_server.write_all(b"X\0\0\0\x04").await.unwrap();
            }
            return;
        }
        if to_server.write_all(sent).await.is_err() {
            return;
        }
    }
}

/// Passes answers on until the cut. Then the client hears nothing more, but the server is read to its end: one that
/// cannot send an answer may end before it commits.
async fn pass_back(mut from_server: OwnedReadHalf, to_client: tcp::OwnedWriteHalf, is_cut: Arc<AtomicBool>) {
    let mut to_client = Some(to_client);
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
        let said = bytes.get(..read).unwrap_or_default();
        let is_heard = !is_cut.load(Ordering::SeqCst);
        if let Some(client) = to_client.as_mut()
            && !(is_heard && client.write_all(said).await.is_ok())
        {
            to_client = None;
        }
    }
}

fn check(test: &str, cut: Cut) {
    let Some(made) = Made::new(test) else { return };
    let Some((socket, name)) = made.socket() else {
        eprintln!("SKIP {test}: the server is not ours");
        return;
    };
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_armed = Arc::new(AtomicBool::new(false));
        tokio::spawn(proxy(listener, socket, Arc::clone(&is_armed), cut));
        let url = format!("postgresql://interlock@127.0.0.1:{port}/{name}");
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&Options::at(url)).await.unwrap());
        let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
        let (thread, ws) = (tale.open("work").await, tale.sequencer.workspace_id);
        let other = Sequencer::new(Arc::new(made.try_open().await.unwrap()), 1).await;
        let mut other = Story { sequencer: other, told: 1_000_000 };
        for n in 0..20 {
            let body = format!("number {n}");
            let envelope = tale.say(thread, "ann", &body);
            is_armed.store(true, Ordering::SeqCst);
            // Another node writes all the time: before the commit, and between it and the look for it.
            let theirs = async {
                for _ in 0..10 {
                    let envelope = other.say(thread, "bob", "from elsewhere");
                    other.sequencer.run(vec![envelope]).await.1.unwrap();
                }
            };
            let ((_, result), ()) = tokio::join!(tale.sequencer.run(vec![envelope]), theirs);
            assert!(!is_armed.load(Ordering::SeqCst), "no connection was cut");
            let messages = store.messages(ws, thread, 0, u32::MAX).await.unwrap();
            let times = messages.iter().filter(|stored| stored.message.text.body == body).count();
            assert_eq!(times, usize::from(result.is_ok()), "{cut:?}: {result:?}");
            assert_eq!(result.is_ok(), cut == Cut::AfterIt, "{result:?}");
            if result.is_err() {
                tale.sequencer = tale.sequencer.reopened(store.clone());
            }
        }
        let messages = store.messages(ws, thread, 0, u32::MAX).await.unwrap();
        let ours = if cut == Cut::AfterIt { 20 } else { 0 };
        assert_eq!(messages.len(), 200 + ours, "each once");
        assert!((1..).zip(&messages).all(|(seq, stored)| stored.message.head.seq == seq), "without gaps");
    });
}

#[test]
fn a_commit_whose_answer_is_lost_is_there() {
    check("a_commit_whose_answer_is_lost_is_there", Cut::AfterIt);
}

#[test]
fn a_commit_that_never_arrived_is_not_there() {
    check("a_commit_that_never_arrived_is_not_there", Cut::BeforeIt);
}
