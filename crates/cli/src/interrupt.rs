//! Ctrl-C. Where somebody listens, it stops their work; where nobody does, or when it is pressed again before the
//! listener has stopped, it ends the program with the terminal as it was. SIGHUP always ends it, SIGTERM unless the server takes it
//! as it takes Ctrl-C.

use crate::exit::{INTERRUPTED, Outcome, Stop};
use crate::terminal;
use futures_core::Stream;
use parasol_core::{EventStream, Result};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Poll, Waker};

static PRESSED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static LISTENERS: AtomicUsize = AtomicUsize::new(0);
static GENTLE: AtomicBool = AtomicBool::new(false);
static WAKER: Mutex<Option<Waker>> = Mutex::new(None);

/// Starts to watch for signals. Without it (or when the system refuses) they do what they do by default.
#[cfg(unix)]
pub(crate) fn install() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let watch = move || {
        for signal in signals.forever() {
            match signal {
                SIGINT => pressed(),
                SIGTERM if GENTLE.load(Ordering::SeqCst) => pressed(),
                other => leave(u8::try_from(128 + other).unwrap_or(1)),
            }
        }
    };
    // Without a thread to watch, a handler that nobody serves would swallow Ctrl-C: better to stop here.
    if std::thread::Builder::new().name("signals".into()).spawn(watch).is_err() {
        std::process::exit(1);
    }
}

/// Starts to watch for Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn install() {
    // Refused only when a handler exists already, and this is the only one.
    let _ = ctrlc::set_handler(pressed);
}

fn pressed() {
    let again = PRESSED.swap(true, Ordering::SeqCst);
    if again || LISTENERS.load(Ordering::SeqCst) == 0 {
        leave(INTERRUPTED);
    }
    if let Some(waker) = WAKER.lock().ok().and_then(|mut w| w.take()) {
        waker.wake();
    }
}

fn leave(code: u8) -> ! {
    terminal::restore();
    std::process::exit(code.into())
}

/// Somebody who stops their own work on Ctrl-C. While one lives, Ctrl-C does not end the program.
#[derive(Debug)]
pub(crate) struct Listener(());

impl Listener {
    /// Begins to listen; an earlier Ctrl-C is forgotten.
    pub(crate) fn new() -> Self {
        LISTENERS.fetch_add(1, Ordering::SeqCst);
        PRESSED.store(false, Ordering::SeqCst);
        Self(())
    }

    /// Whether Ctrl-C was pressed and not yet taken.
    pub(crate) fn pressed(&self) -> bool {
        PRESSED.load(Ordering::SeqCst)
    }

    /// From now on SIGTERM asks for an end as Ctrl-C does, instead of being one.
    pub(crate) fn take_terminate_too(&self) {
        GENTLE.store(true, Ordering::SeqCst);
    }

    /// Waits for Ctrl-C.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            if let Ok(mut waker) = WAKER.lock() {
                *waker = Some(cx.waker().clone());
            }
            // Looked at after the waker is in place, so that a press between the two is not lost.
            if self.pressed() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The flag that Ctrl-C sets, for work that looks at it now and then.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&PRESSED)
    }

    /// Takes a Ctrl-C that was pressed.
    pub(crate) fn take(&self) -> bool {
        PRESSED.swap(false, Ordering::SeqCst)
    }

    /// Waits for the next event of `stream` or for Ctrl-C, whichever is first; Ctrl-C is left for [`Self::take`].
    pub(crate) fn next<E>(&self, stream: &mut EventStream<E>) -> Next<E> {
        pollster::block_on(poll_fn(|cx| {
            if let Ok(mut waker) = WAKER.lock() {
                *waker = Some(cx.waker().clone());
            }
            // Looked at after the waker is in place, so that a press between the two is not lost.
            if self.pressed() {
                return Poll::Ready(Next::Interrupted);
            }
            Pin::new(&mut *stream).poll_next(cx).map(|event| match event {
                Some(event) => Next::Event(event),
                None => Next::End,
            })
        }))
    }

    /// The next event of work that ends with Ctrl-C; `None` after the last.
    ///
    /// # Errors
    /// Those of the work; Ctrl-C.
    pub(crate) fn event<E>(&self, stream: &mut EventStream<E>) -> Outcome<Option<E>> {
        match self.next(stream) {
            Next::Interrupted => {
                self.take();
                Err(Stop::Interrupted)
            }
            Next::End => Ok(None),
            Next::Event(event) => Ok(Some(event?)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What came first.
#[derive(Debug)]
pub(crate) enum Next<E> {
    /// The stream's next event.
    Event(Result<E>),
    /// The stream has ended.
    End,
    /// Ctrl-C.
    Interrupted,
}
