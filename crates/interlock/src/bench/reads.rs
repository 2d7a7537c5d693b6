//! Reading: pages of 50 messages with eight clients, and the newest page of a thread however long it is.

use std::time::Duration;

use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_api::operations::GetThread;
use interlock_api::v1::thread::GetThreadParams;
use interlock_core::limits::PAGE_ROWS_MAX;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::drive::{self, Sample, Span};
use super::report::Pair;
use super::stage::{Address, Stage, defect};
use super::stats::Spread;

/// Messages of one page.
const PAGE: u64 = 50;
/// Clients that fill a thread.
const FILLERS: u32 = 256;
/// How long they fill between two looks.
const FILL: Span = Span { warm: Duration::ZERO, counted: Duration::from_secs(2) };
/// Looks at most: a thread that is not full by then never will be.
const FILL_LOOKS_MAX: usize = 600;
/// How long an open read waits: longer than anything here takes.
const WAIT_MS: u64 = 50_000;
/// What settles before resident memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// Read the first page again and again with this many clients.
///
/// # Errors
/// When the server does not answer, or refuses.
pub(crate) async fn pages(
    client: &Client,
    address: &Address,
    clients: u32,
    span: Span,
) -> Result<Sample, Problem> {
    fill(client, address, PAGE).await?;
    drive::repeat(&address.host, request(address, 0, 0), clients, span).await
}

/// Medians of reading the newest page, of the short thread as the anchor and of the long one as ours, in turns.
///
/// # Errors
/// When the server does not answer, or refuses.
pub(crate) async fn newest(
    client: &Client,
    [short, long]: [&Address; 2],
    pairs: usize,
    span: Span,
) -> Result<(Vec<Pair>, Spread), Problem> {
    let newest = |last: u64| last.saturating_sub(PAGE);
    let short_request = request(short, newest(last_seq(client, short).await?), 0);
    let long_request = request(long, newest(last_seq(client, long).await?), 0);
    let (mut measured, mut all) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        let anchor = drive::repeat(&short.host, short_request.clone(), 1, span).await?;
        let ours = drive::repeat(&long.host, long_request.clone(), 1, span).await?;
        all.extend(ours.took_ms.iter().copied());
        measured.push(Pair { anchor: Spread::of(anchor.took_ms).p50, ours: Spread::of(ours.took_ms).p50 });
    }
    Ok((measured, Spread::of(all)))
}

/// Post until the thread has so many messages.
///
/// # Errors
/// When the server refuses, or takes no end of time.
pub(crate) async fn fill(client: &Client, address: &Address, count: u64) -> Result<(), Problem> {
    for _ in 0..FILL_LOOKS_MAX {
        let left = count.saturating_sub(last_seq(client, address).await?);
        match left {
            0 => return Ok(()),
            // A few are written one by one, so that a short thread stays short.
            1..=2_000 => drive::post_some(address, left).await?,
            _ => drive::posts(address, FILLERS, FILL).await.map(|_| ())?,
        }
    }
    Err(defect(&format!("the thread did not come to {count} messages")))
}

/// Resident memory while so many reads wait for the next message.
///
/// # Errors
/// When the server does not take them.
pub(crate) async fn resident_mb_with_waiting(
    stage: &Stage,
    client: &Client,
    address: &Address,
    count: usize,
) -> Result<f64, Problem> {
    let waiting = request(address, last_seq(client, address).await?, WAIT_MS);
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(&address.host).await.map_err(|error| defect(&error))?;
        stream.write_all(&waiting).await.map_err(|error| defect(&error))?;
        open.push(stream);
    }
    tokio::time::sleep(SETTLE).await;
    let resident = stage.resident_now_mb();
    drop(open);
    resident
}

async fn last_seq(client: &Client, address: &Address) -> Result<u64, Problem> {
    let thread_id = address.thread.parse().map_err(|error| defect(&error))?;
    Ok(client.call::<GetThread>(&GetThreadParams::now(thread_id), None).await?.last_seq)
}

/// A read of the messages after this one, a page at most.
pub(crate) fn request(address: &Address, after: u64, wait_ms: u64) -> Vec<u8> {
    request_of(address, after, PAGE, wait_ms)
}

/// The same with the longest page that there is, as whoever is behind asks for it.
pub(crate) fn catching_up(address: &Address, after: u64, wait_ms: u64) -> Vec<u8> {
    request_of(address, after, u64::from(PAGE_ROWS_MAX), wait_ms)
}

fn request_of(address: &Address, after: u64, limit: u64, wait_ms: u64) -> Vec<u8> {
    let Address { host, path, tokens, .. } = address;
    let token = tokens.first().map_or("", String::as_str);
    let query = format!("after_seq={after}&limit={limit}&wait_ms={wait_ms}");
    format!("GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}
