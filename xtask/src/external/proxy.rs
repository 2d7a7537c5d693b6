//! A proxy that adds a bearer token, for testers that can send none. One request a connection, streams passed on as they
//! come; loopback only.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
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

fn pass(mut client: TcpStream, host: &str, token: &str) -> io::Result<()> {
    let (head, rest) = read_head(&mut client)?;
    let mut server = TcpStream::connect(host)?;
    server.write_all(with_token(&head, token).as_bytes())?;
    server.write_all(&rest)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let upward = std::thread::spawn(move || {
        // A client that goes away cancels what it asked for.
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Both));
    });
    let copied = io::copy(&mut server, &mut client);
    drop(client.shutdown(Shutdown::Both));
    drop(upward.join());
    copied.map(|_| ())
}

/// The head of a request, and what of its body came along.
fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8 * 1024];
    loop {
        let read = client.read(&mut chunk)?;
        bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            return Ok((head, rest));
        }
        if read == 0 || bytes.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The same head with our token, and the connection closed after its answer: the next one gets the token too.
fn with_token(head: &str, token: &str) -> String {
    let is_ours = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "authorization"].iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    let lines: Vec<&str> = head.trim_end().split("\r\n").filter(is_ours).collect();
    format!("{}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::with_token;

    #[test]
    fn a_head_gets_our_token_and_no_other() {
        let head =
            "POST /mcp HTTP/1.1\r\nHost: h\r\nauthorization: Bearer other\r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(
            with_token(head, "t"),
            "POST /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n"
        );
    }
}
