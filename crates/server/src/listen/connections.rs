//! How many connections there are and which of them do nothing: when there is no room for a new one, the one that has been idle
//! longest goes.

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, watch};

/// All connections of a server.
pub(super) struct Connections {
    most: usize,
    table: Mutex<Table>,
    gone: Notify,
}

#[derive(Default)]
struct Table {
    open: usize,
    busy: usize,
    /// Counts up: the smallest stamp has been idle longest.
    next: u64,
    idle: BTreeMap<u64, Arc<Notify>>,
}

/// A connection's entry; taken out when dropped.
pub(super) struct Place(Arc<Entry>);

struct Entry {
    connections: Arc<Connections>,
    evict: Arc<Notify>,
    stamp: Mutex<Option<u64>>,
    /// What is being done on it: a request, or what goes on after its response.
    works: AtomicUsize,
}

/// A request in progress on a connection.
pub(super) struct Busy(Arc<Entry>);

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), table: Mutex::default(), gone: Notify::new() })
    }

    /// Enters a new connection, idle until its first request; `None` when there is no room and every other one is at work.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let full = self.table().open >= self.most;
        if full && !self.evict() {
            return None;
        }
        self.table().open += 1;
        let evict = Arc::new(Notify::new());
        let entry = Arc::new(Entry {
            connections: self.clone(),
            evict,
            stamp: Mutex::default(),
            works: AtomicUsize::new(0),
        });
        entry.rest();
        Some(Place(entry))
    }

    /// Ends the connection that has been idle longest; whether one was.
    pub(super) fn evict(&self) -> bool {
        let longest = self.table().idle.pop_first();
        longest.inspect(|(_, connection)| connection.notify_one()).is_some()
    }

    /// Requests in progress.
    pub(super) fn busy(&self) -> usize {
        self.table().busy
    }

    /// Waits until no connection is open.
    pub(super) async fn all_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.table().open == 0 {
                return;
            }
            gone.await;
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        // Counters and a map stay sound when a holder panics.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn stamp(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.stamp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self) {
        self.work();
        let mut table = self.connections.table();
        let stamp = table.next;
        table.next = table.next.wrapping_add(1);
        table.idle.insert(stamp, self.evict.clone());
        drop(table);
        *self.stamp() = Some(stamp);
    }

    fn work(&self) {
        if let Some(stamp) = self.stamp().take() {
            self.connections.table().idle.remove(&stamp);
        }
    }
}

impl Place {
    /// Waits until the connection has to go.
    pub(super) async fn evicted(&self) {
        self.0.evict.notified().await;
    }

    /// Counts a request as being worked on. Its connection counts as idle until the whole of it is there: see [`Arriving`].
    pub(super) fn busy(&self) -> Busy {
        self.0.connections.table().busy += 1;
        self.0.works.fetch_add(1, Ordering::SeqCst);
        Busy(self.0.clone())
    }

    /// A request's body, which makes the connection busy once it is whole.
    pub(super) fn arriving(&self, body: Incoming) -> Body {
        let mut arriving = Arriving { body, entry: Some(self.0.clone()) };
        arriving.look(true);
        Body::new(arriving)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.work();
        let mut table = self.0.connections.table();
        table.open = table.open.saturating_sub(1);
        drop(table);
        self.0.connections.gone.notify_waiters();
    }
}

impl Busy {
    /// Stays busy until `body` has ended or is dropped.
    pub(super) fn until_end_of(self, body: Body) -> Body {
        Body::new(Held { body, _busy: self })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut table = self.0.connections.table();
        table.busy = table.busy.saturating_sub(1);
        drop(table);
        // While something else goes on, it is not idle.
        if self.0.works.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.rest();
        }
    }
}

/// The connection of a request, for who goes on speaking on it after the response, as WebSockets do.
#[derive(Clone)]
pub(crate) struct Line {
    place: Arc<Place>,
    closing: watch::Receiver<bool>,
}

/// A connection that is spoken on: it counts as one, and as being at work.
pub(crate) struct HeldLine {
    // The work ends before the place is given away.
    _busy: Busy,
    line: Line,
}

impl Line {
    pub(super) fn new(place: Arc<Place>, closing: watch::Receiver<bool>) -> Self {
        Self { place, closing }
    }

    /// Keeps the connection at work until what is returned is dropped.
    pub(crate) fn hold(self) -> HeldLine {
        let busy = self.place.busy();
        self.place.0.work();
        HeldLine { _busy: busy, line: self }
    }
}

impl HeldLine {
    /// Whether the server ends, as a task that is woken when it does.
    pub(crate) async fn closing(&mut self) {
        // A server that is gone has ended.
        let _ = self.line.closing.wait_for(|closing| *closing).await;
    }
}

/// A body on its way. Whoever sends it byte by byte has to make room for others like everyone who sends nothing.
struct Arriving {
    body: Incoming,
    entry: Option<Arc<Entry>>,
}

impl Arriving {
    fn look(&mut self, goes_on: bool) {
        if (!goes_on || self.body.is_end_stream())
            && let Some(entry) = self.entry.take()
        {
            entry.work();
        }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            self.look(frame.is_some());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Held {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Listens on a Unix socket that only this user may open. One that a dead server left is replaced.
#[cfg(unix)]
pub(super) fn bind_unix(path: &std::path::Path) -> parasol_core::Result<tokio::net::UnixListener> {
    use parasol_core::{Error, ErrorKind};
    let failed = |e: std::io::Error| Error::from(e).within(format!("cannot listen on {}", path.display()));
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        let says = format!("another server listens on {}: choose another path", path.display());
        return Err(Error::new(ErrorKind::Io, says));
    }
    if std::fs::symlink_metadata(path)
        .is_ok_and(|m| std::os::unix::fs::FileTypeExt::is_socket(&m.file_type()))
    {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = tokio::net::UnixListener::bind(path).map_err(failed)?;
    crate::storage::own_only(path);
    Ok(listener)
}

/// Lets the process open as many files as the system allows it: every connection is one.
#[cfg(unix)]
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Without it there are fewer connections; that is no reason not to serve.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(super) fn raise_file_limit() {}
