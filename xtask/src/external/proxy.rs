//! A proxy that adds a bearer token, for testers that can send none. Answers are passed on as they come; loopback only.
//!
//! Connections stay open from one request to the next: the client library of Node.js fails an assertion, and the tester
//! with it, when a connection ends while the body of its answer is not yet read.

use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};

/// Bytes of a request's head.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// Connections at once; further ones are closed.
const CONNECTIONS_MAX: usize = 256;

/// A running proxy; it serves until the program ends.
pub(super) struct Proxy(String);

impl Proxy {
    /// In front of this server, with this token.
    pub(super) fn start(host: &str, token: &str) -> Result<Self> {
        if token.bytes().any(|byte| byte.is_ascii_control()) {
            bail!("a token of control characters is none");
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (host, token, count) = (host.to_owned(), token.to_owned(), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (host, token, count) = (host.clone(), token.clone(), Arc::clone(&count));
                if count.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
                    count.fetch_sub(1, Ordering::SeqCst);
                    continue;
                }
                std::thread::spawn(move || {
                    // One that breaks concerns its client alone, who sees it.
                    drop(pass(client, &host, &token));
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self(address))
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.0
    }
}

fn pass(client: TcpStream, host: &str, token: &str) -> io::Result<()> {
    let server = TcpStream::connect(host)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let token = token.to_owned();
    let upward = std::thread::spawn(move || {
        let (mut from, mut to) = (BufReader::new(from_client), to_server);
        let sent = requests(&mut from, &mut to, &token);
        // A client that goes away cancels what it asked for: the server reads the end, and ends the answer.
        finish(&mut from, &to, sent)
    });
    let (mut from, mut to) = (server, client);
    let answered = io::copy(&mut from, &mut to).map(drop);
    let downward = finish(&mut from, &to, answered);
    let upward = upward.join().unwrap_or_else(|_| Err(io::Error::other("a copying thread panicked")));
    downward.and(upward)
}

/// The end of one direction is passed on as an end of this direction alone. What still comes when nobody takes it any more
/// is read to its end: closing a socket with unread bytes would reset it, and lose what the other side has not read.
fn finish(from: &mut impl io::Read, to: &TcpStream, end: io::Result<()>) -> io::Result<()> {
    // It fails when the other side has already gone, which is an end as well.
    drop(to.shutdown(Shutdown::Write));
    if end.is_err() {
        io::copy(from, &mut io::sink())?;
    }
    end
}

/// One request after the other, each with the token.
fn requests(from: &mut impl BufRead, to: &mut impl Write, token: &str) -> io::Result<()> {
    while let Some(head) = read_head(from)? {
        let length = body_length(&head)?;
        to.write_all(with_token(&head, token).as_bytes())?;
        if io::copy(&mut from.by_ref().take(length), to)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// The head of the next request, with its line ends; none when there is no next one.
fn read_head(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut from = from.take(HEAD_BYTES_MAX);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
    Ok(Some(head))
}

/// How long the body is. One of unknown length is refused: where the next request begins could not be told.
fn body_length(head: &str) -> io::Result<u64> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    if field(head, "transfer-encoding").is_some() {
        return Err(invalid());
    }
    field(head, "content-length").map_or(Ok(0), |length| length.parse().map_err(|_| invalid()))
}

fn field<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// The same head with our token in place of any other.
fn with_token(head: &str, token: &str) -> String {
    let is_kept =
        |line: &&str| !line.split(':').next().unwrap_or_default().eq_ignore_ascii_case("authorization");
    let lines: Vec<&str> = head.trim_end().split("\r\n").filter(is_kept).collect();
    format!("{}\r\nAuthorization: Bearer {token}\r\n\r\n", lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::{Proxy, body_length, requests, with_token};

    const FIRST: &str = "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
    const SECOND: &str = "GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n";

    #[test]
    fn a_head_gets_our_token_and_no_other() {
        let head = "POST /mcp HTTP/1.1\r\nHost: h\r\nauthorization: Bearer other\r\n\r\n";
        assert_eq!(with_token(head, "t"), "POST /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\n");
    }

    #[test]
    fn every_request_of_a_connection_gets_the_token_and_keeps_its_body() {
        let mut sent = Vec::new();
        requests(&mut format!("{FIRST}{SECOND}").as_bytes(), &mut sent, "t").unwrap();
        assert_eq!(
            String::from_utf8(sent).unwrap(),
            "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nAuthorization: Bearer t\r\n\r\nbody\
             GET /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\n"
        );
    }

    #[test]
    fn a_request_that_is_cut_off_or_has_no_length_is_an_error() {
        for wrong in [&FIRST[..20], &FIRST[..FIRST.len() - 1]] {
            requests(&mut BufReader::new(wrong.as_bytes()), &mut Vec::new(), "t").unwrap_err();
        }
        body_length("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap_err();
        body_length("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n").unwrap_err();
    }

    #[test]
    fn a_client_that_has_said_all_still_gets_the_whole_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(&listener.local_addr().unwrap().to_string(), "t").unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.write_all(SECOND.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let mut asked = String::new();
        server.read_to_string(&mut asked).unwrap();
        assert!(asked.contains("\r\nAuthorization: Bearer t\r\n"), "{asked}");
        let answer = vec![7; 1 << 20];
        server.write_all(&answer).unwrap();
        drop(server);
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert!(got == answer, "{} bytes of {}", got.len(), answer.len());
    }
}
