//! What the machine could do at most: the yardstick beside every measured speed.

use parasol_kernels::Isa;
use serde::Serialize;

/// Measured limits of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ceilings {
    /// Threads that worked at once.
    pub threads: usize,
    /// Memory read, in 10⁹ bytes per second.
    pub read_gb_per_s: f64,
    /// Single precision multiplications and additions, in 10⁹ per second.
    pub f32_gflops: f64,
    /// 8-bit multiplications and additions, in 10⁹ per second.
    pub int8_gops: f64,
}
