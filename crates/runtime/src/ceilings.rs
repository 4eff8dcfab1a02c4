//! What the machine could do at most: the yardstick beside every measured speed. The kernels measure it.

use parasol_kernels::{Compute, Isa, ceilings as measured};
use serde::Serialize;

/// Measured limits of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ceilings {
    /// Threads that worked at once.
    pub threads: usize,
    /// Reading a buffer, in 10⁹ bytes per second.
    pub read_gb_per_s: f64,
    /// Single precision multiplications and additions, in 10⁹ per second.
    pub f32_gflops: f64,
    /// 8-bit multiplications and additions, in 10⁹ per second.
    pub int8_gops: f64,
    /// Multiplications and additions of bfloat16 tiles, in 10⁹ per second, where the instruction set has tiles.
    pub tile_gflops: Option<f64>,
}

/// The least that is read: smaller buffers would time the start of the threads.
const LEAST: usize = 8 << 20;
/// The most that is read: larger buffers fit caches no less.
const MOST: usize = 1 << 30;

/// Measures with `threads` threads and the vectors of `isa`. `bytes` is the size of the buffer read: that of a model's
/// weights tells what its generation can reach, as a small model stays in a cache that a large one does not fit.
pub fn ceilings(isa: Isa, threads: usize, bytes: u64) -> Ceilings {
    let compute = Compute::new(isa, threads);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).clamp(LEAST, MOST);
    Ceilings {
        threads: compute.pool().threads(),
        read_gb_per_s: measured::read_bandwidth(&compute, bytes) / 1e9,
        f32_gflops: measured::f32_peak(&compute) / 1e9,
        int8_gops: measured::int8_peak(&compute) / 1e9,
        tile_gflops: measured::tile_peak(&compute).map(|peak| peak / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_in_their_units() {
        let limits = ceilings(Isa::detect(), 2, 0);
        assert_eq!(limits.threads, 2);
        assert!((0.05..5e3).contains(&limits.read_gb_per_s), "{limits:?}");
        assert!((0.1..4e3).contains(&limits.f32_gflops), "{limits:?}");
        assert!((0.1..4e4).contains(&limits.int8_gops), "{limits:?}");
    }
}
