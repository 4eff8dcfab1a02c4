//! The listener: accepts connections within their limits, speaks HTTP/1.1 on them, and ends in good order. What a request
//! means is the door's.

mod connections;
mod paced;
mod tls;

use crate::AppState;
use crate::door::{self, Peer};
use axum::Router;
use connections::{Connections, Place};
pub(crate) use connections::{HeldLine, Line};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use paced::Paced;
use parasol_core::{Error, ErrorKind, Result};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// A server that listens and does not serve yet.
pub struct Server {
    state: AppState,
    router: Router,
    listeners: Vec<TcpListener>,
    #[cfg(unix)]
    unix: Option<tokio::net::UnixListener>,
    tls: Option<TlsAcceptor>,
}

/// What a connection needs of the server.
#[derive(Clone)]
struct Shared {
    state: AppState,
    router: Router,
    tls: Option<TlsAcceptor>,
    connections: Arc<Connections>,
    closing: watch::Receiver<bool>,
}

impl Server {
    /// Binds the addresses.
    ///
    /// # Errors
    /// `Denied` for an address that others can reach while there is no key; when an address is taken, or the TLS files are wrong.
    pub async fn bind(state: AppState) -> Result<Self> {
        let options = state.options();
        door::listening_is_safe(options, state.keys().required())?;
        let tls = options.tls.as_ref().map(tls::acceptor).transpose()?;
        let mut listeners = Vec::new();
        for address in &options.listen {
            let failed = |e: std::io::Error| {
                let hint = match e.kind() {
                    std::io::ErrorKind::AddrInUse => {
                        "; another program listens there: choose another with --listen"
                    }
                    _ => "",
                };
                Error::new(ErrorKind::Io, format!("cannot listen on {address}: {e}{hint}"))
            };
            listeners.push(listen(*address).map_err(failed)?);
        }
        #[cfg(unix)]
        let unix = options.unix_socket.as_deref().map(connections::bind_unix).transpose()?;
        connections::raise_file_limit();
        let router = crate::router::router(state.clone());
        #[cfg(unix)]
        return Ok(Self { state, router, listeners, unix, tls });
        #[cfg(not(unix))]
        Ok(Self { state, router, listeners, tls })
    }

    /// The addresses that it listens on, with the ports that the system chose.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>> {
        Ok(self.listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>()?)
    }

    /// Serves until `stop` turns true; then takes no new connections, lets what runs finish within the grace time, and returns
    /// how many requests had to be cut off.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) -> usize {
        let (close, closing) = watch::channel(false);
        let connections = Connections::new(self.state.options().max_connections);
        let shared = Shared {
            state: self.state.clone(),
            router: self.router,
            tls: self.tls,
            connections: connections.clone(),
            closing,
        };
        crate::studio::take_up(&self.state).await;
        let mut tasks = tokio::task::JoinSet::new();
        for listener in self.listeners {
            tasks.spawn(accept_tcp(listener, shared.clone()));
        }
        #[cfg(unix)]
        if let Some(listener) = self.unix {
            tasks.spawn(accept_unix(listener, shared.clone()));
        }
        drop(shared);
        tasks.spawn(crate::studio::keep(self.state.clone()));
        tasks.spawn(crate::film::keep(self.state.clone()));
        // A sender that is gone has nobody left to ask for an end: that is one too.
        let _ = stop.wait_for(|stop| *stop).await;
        tasks.shutdown().await;
        let _ = close.send(true);
        crate::studio::close(&self.state);
        let grace = self.state.options().grace;
        tracing::info!(requests = connections.busy(), seconds = grace.as_secs(), "finishing what runs");
        let _ = tokio::time::timeout(grace, connections.all_gone()).await;
        crate::studio::end(&self.state);
        connections.busy()
    }
}

/// Listens on an address. Connections that come all at once wait for the server to take them; those that find no place there
/// would wait for a second.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As other servers do: a restart need not wait for the system to forget the last connections.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept_tcp(listener: TcpListener, shared: Shared) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                // Tokens are small and should leave at once; where the system refuses, they leave later.
                let _ = stream.set_nodelay(true);
                let loopback = stream.local_addr().is_ok_and(|a| canonical(a.ip()).is_loopback());
                let peer = Peer { address: Some(canonical(from.ip())), loopback };
                let Some(place) = shared.connections.enter() else {
                    full(&shared).await;
                    continue;
                };
                tokio::spawn(greet(stream, peer, place, shared.clone()));
            }
            Err(error) => pause(&shared, &error).await,
        }
    }
}

#[cfg(unix)]
async fn accept_unix(listener: tokio::net::UnixListener, shared: Shared) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Some(place) = shared.connections.enter() else {
                    full(&shared).await;
                    continue;
                };
                let peer = Peer { address: None, loopback: true };
                let shared = shared.clone();
                tokio::spawn(async move { converse(stream, peer, place, &shared).await });
            }
            Err(error) => pause(&shared, &error).await,
        }
    }
}

/// There is no room and nobody who could make some: the connection is closed, and the next one has to wait for a moment, so that
/// who connects again at once does not keep a thread busy.
async fn full(shared: &Shared) {
    let most = shared.state.options().max_connections;
    tracing::warn!(most, "a connection was refused: all others are at work");
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Out of files: an idle connection goes, and the system gets a moment.
async fn pause(shared: &Shared, error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    shared.connections.evict();
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Waits until the server closes; one that is gone has closed.
async fn until_set(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Waits for the first byte, which an idle connection never sends and so never costs a buffer, then for TLS.
async fn greet(stream: TcpStream, peer: Peer, place: Place, shared: Shared) {
    let patience = shared.state.options().header_timeout;
    let mut closing = shared.closing.clone();
    let mut first = [0];
    tokio::select! {
        // A socket that is only said to be readable need not be: looking at the byte makes sure.
        ready = tokio::time::timeout(patience, stream.peek(&mut first)) => match ready {
            Ok(Ok(1)) => {}
            _ => return,
        },
        () = place.evicted() => return,
        () = until_set(&mut closing) => return,
    }
    // A task is as large as the largest thing that it will ever wait for: what an idle connection does not need yet is put
    // elsewhere.
    match &shared.tls {
        None => Box::pin(converse(stream, peer, place, &shared)).await,
        Some(tls) => match Box::pin(tokio::time::timeout(patience, tls.accept(stream))).await {
            Ok(Ok(stream)) => Box::pin(converse(stream, peer, place, &shared)).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
            Err(_) => tracing::debug!("TLS took too long"),
        },
    }
}

/// Speaks HTTP on a connection until either side ends it.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    place: Place,
    shared: &Shared,
) {
    let options = shared.state.options();
    let place = Arc::new(place);
    let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
        let busy = place.busy();
        let mut request = request.map(|body| place.arriving(body));
        request.extensions_mut().insert(Line::new(place.clone(), shared.closing.clone()));
        let (state, router) = (shared.state.clone(), shared.router.clone());
        async move {
            let response = door::enter(state, router, peer, request).await;
            // Busy until the last byte of the body is made.
            Ok::<_, Infallible>(response.map(|body| busy.until_end_of(body)))
        }
    });
    let mut http = http1::Builder::new();
    // hyper's own least is 8 KiB.
    http.timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_headers(options.max_headers)
        .max_buf_size(options.max_header_bytes.max(8192))
        .half_close(false);
    let stream = TokioIo::new(Paced::new(stream, options.write_timeout));
    let mut connection = std::pin::pin!(http.serve_connection(stream, service).with_upgrades());
    let mut closing = shared.closing.clone();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = place.evicted() => return,
        () = until_set(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
