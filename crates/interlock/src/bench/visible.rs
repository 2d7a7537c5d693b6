//! How soon a post is visible: somebody posts, somebody else has an open read in the thread; counted is the time from
//! sending the post to the end of the other's answer.
//!
//! The anchor is what nobody can do without: a synced page on the same disk, then a push of as many bytes over an open
//! loopback connection to a task that waits for them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use interlock_api::Problem;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::drive::{self, Connection};
use super::reads;
use super::stage::{Address, defect};

/// Bytes of the page that is synced.
const PAGE: usize = 4_096;
/// Bytes that are pushed: about what an answer with one message has.
const PUSH: usize = 1_024;
/// How long an open read waits: longer than anything here takes.
const WAIT_MS: u64 = 50_000;
/// Between opening a read and the post, so that the read is open.
const OPEN: Duration = Duration::from_millis(2);

/// Milliseconds, of the anchor and of ours.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) anchor: Vec<f64>,
    pub(crate) ours: Vec<f64>,
}

/// So many rounds of the anchor, then of ours.
///
/// # Errors
/// When the disk cannot be written or the server does not answer.
pub(crate) async fn measure(dir: &Path, address: &Address, rounds: usize) -> Result<Rounds, Problem> {
    Ok(Rounds { anchor: bare(dir, rounds).await?, ours: ours(address, rounds).await? })
}

async fn bare(dir: &Path, rounds: usize) -> Result<Vec<f64>, Problem> {
    let file = File::create(dir.join("visible")).map_err(|error| defect(&error))?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| defect(&error))?;
    let to = listener.local_addr().map_err(|error| defect(&error))?;
    let mut pushing = TcpStream::connect(to).await.map_err(|error| defect(&error))?;
    pushing.set_nodelay(true).map_err(|error| defect(&error))?;
    let (mut waiting, _) = listener.accept().await.map_err(|error| defect(&error))?;
    let mut took = Vec::new();
    for _ in 0..rounds {
        let open = tokio::spawn(async move {
            let mut bytes = [0; PUSH];
            let read = waiting.read_exact(&mut bytes).await.map(|_| Instant::now());
            (waiting, read)
        });
        tokio::time::sleep(OPEN).await;
        let before = Instant::now();
        let synced = file.write_all_at(&[0x5A; PAGE], 0).and_then(|()| file.sync_data());
        synced.map_err(|error| defect(&error))?;
        pushing.write_all(&[0x5A; PUSH]).await.map_err(|error| defect(&error))?;
        let (stream, read) = open.await.map_err(|error| defect(&error))?;
        waiting = stream;
        took.push(ms(read.map_err(|error| defect(&error))? - before));
    }
    Ok(took)
}

async fn ours(address: &Address, rounds: usize) -> Result<Vec<f64>, Problem> {
    let mut poster = drive::Poster::connect(address).await?;
    let mut watcher = Connection::open(&address.host).await?;
    let mut seq = seq_of(&poster.post().await?, "/seq")?;
    let mut took = Vec::new();
    for _ in 0..rounds {
        let request = reads::request(address, seq, WAIT_MS);
        let open = tokio::spawn(async move {
            let answer = watcher.ask(&request).await.map(|answer| (Instant::now(), answer));
            (watcher, answer)
        });
        tokio::time::sleep(OPEN).await;
        let before = Instant::now();
        let answered = poster.post().await?;
        let (connection, answer) = open.await.map_err(|error| defect(&error))?;
        watcher = connection;
        let (at, answer) = answer?;
        let seen = seq_of(&answer, "/messages/0/seq")?;
        seq = seq_of(&answered, "/seq")?;
        if seen != seq {
            return Err(defect(&format!("the open read saw message {seen} and not {seq}")));
        }
        took.push(ms(at - before));
    }
    Ok(took)
}

fn seq_of(answer: &[u8], pointer: &str) -> Result<u64, Problem> {
    let value: Value = serde_json::from_slice(answer).map_err(|error| defect(&error))?;
    let seq = value.pointer(pointer).and_then(Value::as_u64);
    seq.ok_or_else(|| defect(&format!("an answer has no `{pointer}`: {value}")))
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
