//! What every operation runs on: an instruction set and a pool of threads.

use crate::isa::Isa;
use crate::pool::Pool;

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
