//! The listener: loopback only, bounded connections, a stop that lets running requests end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use interlock_core::{Reason, Refusal};
use interlock_engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::guard::HEADER_BYTES_MAX;
use crate::mcp::{Bare, Overlay};
use crate::rate::RateLimits;
use crate::webhooks::Webhooks;

/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 2_048;
/// Header lines that are read of a request. More than the limit, so that it is refused by us, with problem details.
const HEADER_LINES_READ_MAX: usize = 256;
/// How long the head of a request may take to arrive.
const HEAD_SECONDS_MAX: u64 = 30;
/// How long running requests may take to end when the server stops.
const STOP_SECONDS_MAX: u64 = 3;

/// What a server is made of.
pub struct ServerConfig {
    /// The engine behind it.
    pub engine: Arc<Engine>,
    /// Where to listen; port 0 = a free one. Loopback addresses only.
    pub address: SocketAddr,
    /// How often each caller may ask.
    pub limits: RateLimits,
    /// Who is told of events over HTTP.
    pub webhooks: Arc<Webhooks>,
}

/// A bound server, not yet serving.
pub struct Server {
    listener: TcpListener,
    engine: Arc<Engine>,
    address: SocketAddr,
    limits: RateLimits,
    webhooks: Arc<Webhooks>,
}

impl Server {
    /// Bind the address.
    ///
    /// # Errors
    /// `CONFIG_INVALID` for an address that is not loopback, `ADDRESS_OCCUPIED` when it cannot be had.
    pub async fn bind(config: ServerConfig) -> Result<Self, Refusal> {
        if !config.address.ip().is_loopback() {
            return Err(Refusal::new(
                Reason::ConfigInvalid,
                format!("`{}` is not a loopback address", config.address),
            )
            .hint("listen on 127.0.0.1 and let other machines in through a tunnel"));
        }
        let occupied = |error: std::io::Error| {
            Refusal::new(Reason::AddressOccupied, format!("cannot listen on {}: {error}", config.address))
                .hint("choose another address, or 127.0.0.1:0 for a free port")
        };
        let listener = TcpListener::bind(config.address).await.map_err(occupied)?;
        let address = listener.local_addr().map_err(occupied)?;
        let ServerConfig { engine, limits, webhooks, .. } = config;
        Ok(Self { listener, engine, address, limits, webhooks })
    }

    /// The bound address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serve until `stop` turns true; then long-polls end at once and running requests have a few seconds.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        self.serve_with(Bare, stop).await;
    }

    /// The same with something laid over MCP.
    pub async fn serve_with(self, overlay: impl Overlay, stop: watch::Receiver<bool>) {
        self.serve_at_once(CONNECTIONS_MAX, overlay, stop).await;
    }

    /// With so many connections at once.
    async fn serve_at_once(
        self,
        connections_max: usize,
        overlay: impl Overlay,
        mut stop: watch::Receiver<bool>,
    ) {
        let engine = Arc::clone(&self.engine);
        let router =
            crate::routes::router_with(self.engine, self.limits, self.webhooks, overlay, stop.clone());
        let places = Arc::new(Semaphore::new(connections_max));
        let graceful = GracefulShutdown::new();
        loop {
            // A place first: those beyond the limit wait in the listener's queue, and a stop waits for none of them.
            let next = async { (Arc::clone(&places).acquire_owned().await, self.listener.accept().await) };
            let (place, accepted) = tokio::select! {
                next = next => next,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = graceful.watch(connection(stream, router.clone()));
                    tokio::spawn(async move {
                        // A connection that breaks concerns its client alone, who sees it.
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "connection.ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: serving the others makes room.
                    tracing::warn!(%error, "accept.failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.listener);
        let ended = tokio::time::timeout(Duration::from_secs(STOP_SECONDS_MAX), graceful.shutdown()).await;
        if ended.is_err() {
            tracing::warn!("stop.requests_cut_off");
        }
        if !engine.settle_denials().await {
            tracing::error!(count = engine.waiting_denials(), "stop.denials_not_written");
        }
    }
}

type Connection = hyper::server::conn::http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router) -> Connection {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection.nodelay");
    }
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_headers(HEADER_LINES_READ_MAX)
        // Twice our own limit: a little over it is refused by us, with problem details.
        .max_buf_size(HEADER_BYTES_MAX * 2)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

#[cfg(test)]
mod tests;
