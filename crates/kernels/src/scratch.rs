//! Memory that a thread keeps for itself between tasks.

use crate::buffer::Aligned;
use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Aligned<u8>> = RefCell::default();
}

/// Calls `f` with at least `bytes` bytes on a cache line, whose content is unspecified. Not to be nested.
///
/// # Panics
/// When it is nested.
pub(crate) fn with<R>(bytes: usize, f: impl FnOnce(*mut u8) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.resize(bytes);
        f(scratch.as_mut_slice().as_mut_ptr())
    })
}
