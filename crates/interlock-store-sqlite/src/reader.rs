//! Reader threads: each with its own connection, so that reads never wait for the writer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use interlock_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The threads, asked in turn.
pub(crate) struct Readers {
    threads: Vec<Sender<Read>>,
    next: AtomicUsize,
}

impl Readers {
    /// One thread per connection.
    pub(crate) fn spawn(connections: Vec<Connection>) -> std::io::Result<Self> {
        let mut threads = Vec::with_capacity(connections.len());
        for connection in connections {
            let (sender, receiver) = channel::<Read>();
            std::thread::Builder::new().name("interlock-reader".into()).spawn(move || {
                while let Ok(read) = receiver.recv() {
                    read(&connection);
                }
            })?;
            threads.push(sender);
        }
        Ok(Self { threads, next: AtomicUsize::new(0) })
    }

    /// Run a read on one of the threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Unavailable("the reader threads have ended".into());
        let (sender, receiver) = oneshot::channel();
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len().max(1);
        let thread = self.threads.get(turn).ok_or_else(gone)?;
        // Whoever asked may have gone away; then nobody needs the answer.
        thread.send(Box::new(move |connection| drop(sender.send(read(connection))))).map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }
}
