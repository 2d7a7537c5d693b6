//! Closed loops: every client sends its next request when it has the answer to the one before.
//!
//! Anchor and product are driven by the same code on the same single thread, so that what the driving costs is the
//! same for both, and little: both cores belong to what is measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_store::StoreError;
use interlock_store_postgres::Anchors;
use interlock_store_sqlite::Anchor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stage::Address;

/// Bytes of a message's body.
const BODY_BYTES: usize = 300;
/// Bytes of an answer that are read at most.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How long to drive: a start that is not counted, then what is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) warm: Duration,
    pub(crate) counted: Duration,
}

/// What a run gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Done per second.
    pub(crate) per_s: f64,
    /// How long each took, in milliseconds.
    pub(crate) took_ms: Vec<f64>,
}

/// What a client does again and again.
trait Client: Send + 'static {
    fn once(&mut self, key: &str) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// The barest writer of the same durability.
#[derive(Clone)]
pub(crate) enum Bare {
    File(Arc<Anchor>),
    Database(Arc<Anchors>),
}

impl Bare {
    async fn write(&self, key: String, body: String) -> Result<u64, StoreError> {
        match self {
            Self::File(anchor) => anchor.write(key, body).await,
            Self::Database(anchors) => anchors.write(key, body).await,
        }
    }
}

/// Drive the anchor with this many clients.
///
/// # Errors
/// When it cannot write.
pub(crate) async fn anchor(bare: &Bare, clients: u32, span: Span) -> Result<Sample, Problem> {
    let body = body();
    let client = || Row { bare: bare.clone(), body: body.clone() };
    drive((0..clients).map(|_| client()).collect(), span).await
}

/// Drive a queue made of a table with this many clients.
///
/// # Errors
/// When it cannot be used.
pub(crate) async fn cycles(anchors: &Arc<Anchors>, clients: u32, span: Span) -> Result<Sample, Problem> {
    let client = || Cycle { anchors: Arc::clone(anchors), body: body() };
    drive((0..clients).map(|_| client()).collect(), span).await
}

/// Drive the server with this many connections.
///
/// # Errors
/// When it does not answer, or refuses.
pub(crate) async fn posts(address: &Address, clients: u32, span: Span) -> Result<Sample, Problem> {
    posts_to(std::slice::from_ref(address), clients, span).await
}

/// Drive several servers in turn with this many connections.
///
/// # Errors
/// When one does not answer, or refuses.
pub(crate) async fn posts_to(addresses: &[Address], clients: u32, span: Span) -> Result<Sample, Problem> {
    let places =
        addresses.iter().flat_map(|address| address.tokens.iter().map(move |token| (address, token)));
    let mut posters = Vec::new();
    for (_, (address, token)) in (0..clients).zip(places.cycle()) {
        posters.push(Post::connect(address, token).await?);
    }
    drive(posters, span).await
}

/// Drive so many connections that send the same request again and again.
///
/// # Errors
/// When the server does not answer, or refuses.
pub(crate) async fn repeat(
    host: &str,
    request: Vec<u8>,
    clients: u32,
    span: Span,
) -> Result<Sample, Problem> {
    let mut same = Vec::new();
    for _ in 0..clients {
        same.push(Same { connection: Connection::open(host).await?, request: request.clone() });
    }
    drive(same, span).await
}

async fn drive<C: Client>(clients: Vec<C>, span: Span) -> Result<Sample, Problem> {
    let counted = Instant::now() + span.warm;
    let end = counted + span.counted;
    let seed = u64::from_be_bytes(crate::random::random()?);
    let running: Vec<_> = (0_u64..)
        .zip(clients)
        .map(|(n, client)| tokio::spawn(turns(client, seed ^ (n << 40), counted, end)))
        .collect();
    let mut sample = Sample::default();
    for client in running {
        let ended = client.await.map_err(|error| Problem::new(Reason::Defect, &error.to_string(), ""))?;
        sample.took_ms.extend(ended?);
    }
    let count = u32::try_from(sample.took_ms.len()).unwrap_or(u32::MAX);
    sample.per_s = f64::from(count) / span.counted.as_secs_f64();
    Ok(sample)
}

/// One client's turns; gives how long each took that ended within the counted time.
async fn turns<C: Client>(
    mut client: C,
    seed: u64,
    counted: Instant,
    end: Instant,
) -> Result<Vec<f64>, Problem> {
    let mut took = Vec::new();
    let mut before = Instant::now();
    for n in 0_u64.. {
        client.once(&key(seed.wrapping_add(n))).await?;
        let now = Instant::now();
        if now >= end {
            break;
        }
        if now >= counted {
            took.push((now - before).as_secs_f64() * 1_000.0);
        }
        before = now;
    }
    Ok(took)
}

/// A key that looks like a random one: 32 hex digits.
fn key(n: u64) -> String {
    // The finalizer of SplitMix64: a bijection, so no two are alike.
    let mut mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    format!("{:016x}{n:016x}", mixed ^ (mixed >> 31))
}

/// Words for a message.
fn body() -> String {
    "the check of the last commit is green and the next one waits for its review "
        .chars()
        .cycle()
        .take(BODY_BYTES)
        .collect()
}

/// A client of the anchor.
struct Row {
    bare: Bare,
    body: String,
}

impl Client for Row {
    async fn once(&mut self, key: &str) -> Result<(), Problem> {
        let written = self.bare.write(key.to_owned(), self.body.clone()).await;
        written.map(|_| ()).map_err(|error| away(&error))
    }
}

/// A client of the queue.
struct Cycle {
    anchors: Arc<Anchors>,
    body: String,
}

impl Client for Cycle {
    async fn once(&mut self, _key: &str) -> Result<(), Problem> {
        self.anchors.cycle(&self.body).await.map_err(|error| away(&error))
    }
}

fn away(error: &StoreError) -> Problem {
    Problem::new(Reason::StoreUnavailable, &error.to_string(), "")
}

/// A connection to the server, with one request at a time on it.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// To the server at this address.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(crate) async fn open(host: &str) -> Result<Self, Problem> {
        let stream = TcpStream::connect(host).await.map_err(|error| lost(&error))?;
        stream.set_nodelay(true).map_err(|error| lost(&error))?;
        Ok(Self { stream, answer: Vec::with_capacity(1_024) })
    }

    /// Send a request; gives the body of the answer.
    ///
    /// # Errors
    /// The problem that was answered, or that no answer came.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Problem> {
        self.exchange(request).await?;
        let head = self.answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_default();
        Ok(self.answer.get(head + 4..).unwrap_or_default().to_vec())
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<(), Problem> {
        self.stream.write_all(request).await.map_err(|error| lost(&error))?;
        self.answer.clear();
        while !is_whole(&self.answer) {
            let read = self.stream.read_buf(&mut self.answer).await.map_err(|error| lost(&error))?;
            if read == 0 || self.answer.len() > ANSWER_BYTES_MAX {
                return Err(lost(&std::io::Error::from(std::io::ErrorKind::UnexpectedEof)));
            }
        }
        if self.answer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.answer);
        let problem = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
        Err(problem
            .unwrap_or_else(|| Problem::new(Reason::Defect, "the server's answer is not understood", "")))
    }
}

/// A client of the server that posts: a request of which only the key changes.
struct Post {
    connection: Connection,
    before_key: Vec<u8>,
    after_key: Vec<u8>,
    request: Vec<u8>,
}

impl Post {
    async fn connect(address: &Address, token: &str) -> Result<Self, Problem> {
        let Address { host, path, .. } = address;
        let body = serde_json::json!({ "body": body() }).to_string();
        let length = body.len();
        let before_key = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nIdempotency-Key: "
        );
        let after_key = format!("\r\n\r\n{body}");
        Ok(Self {
            connection: Connection::open(host).await?,
            before_key: before_key.into_bytes(),
            after_key: after_key.into_bytes(),
            request: Vec::new(),
        })
    }

    fn fill_in(&mut self, key: &str) {
        self.request.clear();
        for part in [&self.before_key, key.as_bytes(), &self.after_key] {
            self.request.extend_from_slice(part);
        }
    }
}

impl Client for Post {
    async fn once(&mut self, key: &str) -> Result<(), Problem> {
        self.fill_in(key);
        self.connection.exchange(&self.request).await
    }
}

/// Posts one message after the other, each with a key of its own.
pub(crate) struct Poster {
    post: Post,
    next: u64,
}

impl Poster {
    /// As the first who talks.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(crate) async fn connect(address: &Address) -> Result<Self, Problem> {
        let token = address.tokens.first().map_or("", String::as_str);
        let next = u64::from_be_bytes(crate::random::random()?);
        Ok(Self { post: Post::connect(address, token).await?, next })
    }

    /// One more; gives the answer.
    ///
    /// # Errors
    /// The problem that was answered, or that no answer came.
    pub(crate) async fn post(&mut self) -> Result<Vec<u8>, Problem> {
        self.next = self.next.wrapping_add(1);
        self.post.fill_in(&key(self.next));
        self.post.connection.ask(&self.post.request).await
    }
}

/// Post so many messages, one after the other.
///
/// # Errors
/// When the server does not answer, or refuses.
pub(crate) async fn post_some(address: &Address, count: u64) -> Result<(), Problem> {
    let mut poster = Poster::connect(address).await?;
    for _ in 0..count {
        poster.post().await?;
    }
    Ok(())
}

/// A client whose requests are all alike.
struct Same {
    connection: Connection,
    request: Vec<u8>,
}

impl Client for Same {
    async fn once(&mut self, _key: &str) -> Result<(), Problem> {
        self.connection.exchange(&self.request).await
    }
}

/// Whether an answer has arrived to its end, as its length says.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let lines = answer.get(..head).unwrap_or_default().split(|byte| *byte == b'\n');
    let length = lines.filter_map(|line| line.split_at_checked(15)).find_map(|(name, value)| {
        let is_length = name.eq_ignore_ascii_case(b"content-length:");
        is_length.then(|| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok()).flatten()
    });
    length.is_some_and(|length| answer.len() >= head + 4 + length)
}

fn lost(error: &std::io::Error) -> Problem {
    Problem::new(
        Reason::ServerUnreachable,
        &format!("the connection to the measured server broke: {error}"),
        "",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nx: y\r\nContent-Length: 2\r\n\r\n{}";
        assert!(is_whole(answer));
        for cut in 0..answer.len() {
            assert!(!is_whole(&answer[..cut]), "{cut}");
        }
    }

    #[test]
    fn keys_differ_and_bodies_have_their_size() {
        assert_eq!(body().len(), BODY_BYTES);
        let keys: std::collections::BTreeSet<String> = (0..1_000).map(key).collect();
        assert_eq!(keys.len(), 1_000);
    }
}
