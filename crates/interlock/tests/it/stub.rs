//! A server that answers what a test tells it to, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) key: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) webhook_id: Option<String>,
    pub(crate) body: Value,
}

/// What to answer.
pub(crate) enum Reply {
    Json(u16, Value),
    /// JSON below these header lines.
    Said(&'static str, Value),
    /// JSON that names an MCP session in its headers.
    InSession(&'static str, Value),
    /// Bytes, of which more were announced than are sent when the flag is set.
    Bytes(Vec<u8>, bool),
    /// Close the connection without a word.
    Nothing,
}

/// The server; it stops listening when it is dropped.
pub(crate) struct Stub {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    listener: TcpListener,
    is_over: Arc<Mutex<bool>>,
}

impl Stub {
    pub(crate) fn new(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(false)));
        let stub = Self {
            url,
            asked: asked.clone(),
            listener: listener.try_clone().unwrap(),
            is_over: is_over.clone(),
        };
        std::thread::spawn(move || serve(&listener, &asked, &is_over, answer));
        stub
    }

    /// A server that gives everybody the same answer.
    pub(crate) fn always(status: u16, value: Value) -> Self {
        Self::new(move |_| Reply::Json(status, value.clone()))
    }

    /// The variables that name it as the proxy for everything.
    pub(crate) fn as_proxy(&self) -> [(&'static str, String); 3] {
        ["http_proxy", "HTTP_PROXY", "ALL_PROXY"].map(|name| (name, self.url.clone()))
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        *self.is_over.lock().unwrap() = true;
        // Wakes the thread out of `accept`.
        let _woken = TcpStream::connect(self.listener.local_addr().unwrap());
    }
}

fn serve(
    listener: &TcpListener,
    asked: &Mutex<Vec<Asked>>,
    is_over: &Mutex<bool>,
    mut answer: impl FnMut(&Asked) -> Reply,
) {
    for stream in listener.incoming() {
        if *is_over.lock().unwrap() {
            return;
        }
        let mut stream = stream.unwrap();
        let Some(request) = read(&stream) else { continue };
        asked.lock().unwrap().push(request.clone());
        let sent = match answer(&request) {
            Reply::Json(status, value) => send(&mut stream, status, "", value.to_string().as_bytes(), 0),
            Reply::Said(header, value) => send(&mut stream, 200, header, value.to_string().as_bytes(), 0),
            Reply::InSession(id, value) => {
                let header = format!("mcp-session-id: {id}\r\n");
                send(&mut stream, 200, &header, value.to_string().as_bytes(), 0)
            }
            Reply::Bytes(bytes, is_cut) => send(&mut stream, 200, "", &bytes, usize::from(is_cut)),
            Reply::Nothing => Ok(()),
        };
        // The caller may be gone already.
        drop(sent);
    }
}

fn send(
    stream: &mut TcpStream,
    status: u16,
    header: &str,
    bytes: &[u8],
    missing: usize,
) -> std::io::Result<()> {
    let length = bytes.len() + missing;
    write!(stream, "HTTP/1.1 {status} X\r\n{header}content-length: {length}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(bytes)
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut key, mut authorization, mut session, mut webhook_id, mut length) = (None, None, None, None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = Some(value.to_owned()),
            "authorization" => authorization = Some(value.to_owned()),
            "mcp-session-id" => session = Some(value.to_owned()),
            "webhook-id" => webhook_id = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Asked { method, target, key, authorization, session, webhook_id, body })
}
