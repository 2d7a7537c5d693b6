//! The connection: WebSocket text frames over a Unix socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::message::{Incoming, read};

/// How long a connection may take to be made.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Bytes of one message; a server that says more at once is not heard any further.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long something may take to be sent: a server that reads nothing is as good as gone.
const SEND_MAX: Duration = Duration::from_secs(3);

/// What is said next on a connection that may not be there; nothing when it ends, which takes it away. Without one it is
/// waited for ever.
pub(crate) async fn heard(wire: &mut Option<Wire>) -> Option<Incoming> {
    let Some(there) = wire else { return std::future::pending().await };
    let message = there.next().await;
    if message.is_none() {
        *wire = None;
    }
    message
}

/// Whether nobody listens there: the server is gone, and with it whatever ran there.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// A connection to a server of Codex.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: WebSocketStream<UnixStream>,
}

impl Wire {
    /// Connect, in bounded time, to a server of our own user.
    pub(crate) async fn connect(path: &Path) -> io::Result<Self> {
        match tokio::time::timeout(CONNECT_MAX, Self::open(path)).await {
            Ok(opened) => opened,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn open(path: &Path) -> io::Result<Self> {
        // The path that is published may be a link, and longer than a socket's address can be.
        let stream = UnixStream::connect(std::fs::canonicalize(path)?).await?;
        if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it is another user's"));
        }
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let opened =
            tokio_tungstenite::client_async_with_config("ws://localhost/", stream, Some(limits)).await;
        let (socket, _response) = opened.map_err(io::Error::other)?;
        Ok(Self { socket })
    }

    /// Send one message.
    pub(crate) async fn send(&mut self, text: String) -> io::Result<()> {
        let sent = self.socket.send(Message::text(text));
        match tokio::time::timeout(SEND_MAX, sent).await {
            Ok(sent) => sent.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// The next message; nothing when the connection is over, however it ended. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(read(text.as_str())),
                Ok(Message::Binary(_)) => return Some(Incoming::Noise),
                // Answered by the library.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
