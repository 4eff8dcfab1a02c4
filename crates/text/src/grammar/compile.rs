//! Compiling a grammar within bounds: on a thread with a deep stack, within a time, a few at once. What the library says about
//! a bad grammar becomes an error for the caller.

use super::spec::GrammarSpec;
use llguidance::{Matcher, ParserFactory};
use parasol_core::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Longest time to wait for a grammar. The library's own limits end its work soon after.
const LONGEST: Duration = Duration::from_millis(900);
/// Grammars compiled at once: those that were given up on count until their thread ends.
const AT_ONCE: usize = 8;
/// The library recurses over schemas and expressions.
const STACK: usize = 32 << 20;
/// Longest explanation that is passed on, in characters.
const LONGEST_WHY: usize = 300;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Counts a compilation until it ends, however it does.
struct Running;

impl Running {
    fn start() -> Result<Self> {
        let counted = Self;
        if RUNNING.fetch_add(1, Ordering::Relaxed) < AT_ONCE {
            return Ok(counted);
        }
        let message = format!("{AT_ONCE} grammars are being compiled already: try again in a second");
        Err(Error::new(ErrorKind::Overloaded, message))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn compile(parsers: Arc<ParserFactory>, spec: &GrammarSpec) -> Result<Matcher> {
    let running = Running::start()?;
    let grammar = spec.grammar();
    let (sender, compiled) = mpsc::sync_channel(1);
    let work = move || {
        let _running = running;
        let mut matcher = Matcher::new(parsers.create_parser(grammar));
        let made = match matcher.get_error() {
            Some(why) => Err(why),
            // The first mask shows a grammar that compiles and is too much work to follow; later ones find it cached.
            None => match matcher.compute_mask_or_eos() {
                Ok(_) => Ok(matcher),
                Err(e) => Err(e.to_string()),
            },
        };
        // Nobody waits any more when it took too long.
        let _ = sender.send(made);
    };
    std::thread::Builder::new()
        .name("parasol-grammar".into())
        .stack_size(STACK)
        .spawn(work)
        .map_err(|e| Error::from(e).within("cannot start a thread for the grammar"))?;
    match compiled.recv_timeout(LONGEST) {
        Ok(Ok(matcher)) => Ok(matcher),
        Ok(Err(why)) => Err(refused(&why)),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let message = format!(
                "the grammar takes longer than {} ms to compile: use fewer or smaller schemas, patterns and repetitions",
                LONGEST.as_millis()
            );
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(Error::new(ErrorKind::Internal, "the grammar's compilation stopped without a result"))
        }
    }
}

/// The library's words, without its internals.
pub(super) fn refused(why: &str) -> Error {
    let mut lines = why.lines();
    let first = lines.next().unwrap_or_default().trim();
    // Of an expression the first line says that it is wrong, and a last one how.
    let how = lines.find_map(|line| line.strip_prefix("error: ").map(|how| format!("{first} {how}")));
    let why = how.as_deref().unwrap_or(first);
    if why.starts_with("oneOf constraints") {
        let message = "the JSON Schema's `oneOf` has alternatives that one value could match together, as far as can be told: \
                       use `anyOf`, or give each a property with a `const` text of its own";
        return Error::new(ErrorKind::InvalidRequest, message);
    }
    if why.starts_with("NoExtension") {
        let message =
            "the grammar allows nothing here that the model's vocabulary can write: it contradicts itself";
        return Error::new(ErrorKind::InvalidRequest, message);
    }
    if why.starts_with("panic:") {
        let message = "the grammar is one that the grammar engine fails on: simplify it";
        return Error::new(ErrorKind::InvalidRequest, message);
    }
    let mut short: String = why.chars().take(LONGEST_WHY).collect();
    if short.len() < why.len() {
        short.push('…');
    }
    Error::new(ErrorKind::InvalidRequest, format!("the grammar cannot be kept to: {short}"))
}
