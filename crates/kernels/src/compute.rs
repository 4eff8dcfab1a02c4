//! What every operation runs on: an instruction set and a pool of threads.

use crate::buffer::Parts;
use crate::finish::Range;
use crate::isa::Isa;
use crate::pool::Pool;
use std::sync::{Mutex, PoisonError};

/// An instruction set and the threads that use it. Share it behind an `Arc`; operations of several callers take turns.
pub struct Compute {
    isa: Isa,
    pool: Pool,
}

impl Compute {
    /// Kernels of `isa` on `threads` threads, the caller included.
    pub fn new(isa: Isa, threads: usize) -> Self {
        Self { isa, pool: Pool::new(threads) }
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// x += y
    ///
    /// # Panics
    /// When their lengths differ.
    pub fn add(&self, x: &mut [f32], y: &[f32]) {
        assert_eq!(x.len(), y.len());
        const EACH: usize = 16 << 10;
        let parts = Parts::new(x);
        self.pool.run(y.len().div_ceil(EACH), |task| {
            let y = &y[task * EACH..y.len().min((task + 1) * EACH)];
            // SAFETY: tasks take different parts.
            let x = unsafe { parts.part(task * EACH, y.len()) };
            x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
        });
    }

    /// Does so many tasks on all threads; the range of what each of them tells.
    pub(crate) fn ranged(&self, tasks: usize, task: impl Fn(usize) -> Range + Sync) -> Range {
        let whole = Mutex::new(Range::default());
        self.pool.run(tasks, |index| {
            let range = task(index);
            let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
            *whole = whole.and(range);
        });
        whole.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The threads in use.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl std::fmt::Debug for Compute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compute({}, {} threads)", self.isa.name(), self.pool.threads())
    }
}
