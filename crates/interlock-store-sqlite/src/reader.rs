//! Reader threads: each with its own connection, so that reads never wait for the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use interlock_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::copier::Seats;
use crate::log::Log;
use crate::seat::Seat;

type Read = Box<dyn FnOnce(&Seat) + Send>;

/// The threads, asked in turn.
pub(crate) struct Readers {
    threads: Vec<Sender<Read>>,
    next: AtomicUsize,
    log: Arc<Log>,
}

impl Readers {
    /// One thread per connection.
    pub(crate) fn spawn(seats: &Arc<Seats>) -> std::io::Result<Self> {
        let mut threads = Vec::with_capacity(seats.readers.len());
        for n in 0..seats.readers.len() {
            let (sender, receiver) = channel::<Read>();
            let seats = Arc::clone(seats);
            std::thread::Builder::new().name("interlock-reader".into()).spawn(move || {
                let Some(seat) = seats.readers.get(n) else { return };
                while let Ok(read) = receiver.recv() {
                    read(seat);
                }
            })?;
            threads.push(sender);
        }
        Ok(Self { threads, next: AtomicUsize::new(0), log: Arc::clone(&seats.log) })
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
        let log = Arc::clone(&self.log);
        let run = move |seat: &Seat| {
            let found = seat.with(read);
            drop(sender.send(log.trusted().and(found)));
        };
        thread.send(Box::new(run)).map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }
}
