//! What the machine could do at most: the yardstick beside every measured speed.

use parasol_kernels::Isa;
use serde::Serialize;
use std::hint::black_box;
use std::time::Instant;

/// Measured limits of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ceilings {
    /// Threads that worked at once.
    pub threads: usize,
    /// Reading a buffer, in 10⁹ bytes per second.
    pub read_gb_per_s: f64,
    /// Single precision multiplications and additions, in 10⁹ per second; `None` where they are not measured.
    pub f32_gflops: Option<f64>,
    /// 8-bit multiplications and additions, in 10⁹ per second; `None` where they are not measured.
    pub int8_gops: Option<f64>,
}

/// Times each reading; the best counts, since nothing can read faster than the machine does.
const TURNS: usize = 5;
/// The least that is read: smaller buffers would time the start of the threads.
const LEAST: usize = 8 << 20;

/// Measures with `threads` threads. `bytes` is the size of the buffer read: that of a model's weights tells what its
/// generation can reach, as a small model stays in a cache that a large one does not fit.
pub fn ceilings(_isa: Isa, threads: usize, bytes: u64) -> Ceilings {
    let threads = threads.max(1);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).clamp(LEAST, 1 << 30);
    Ceilings { threads, read_gb_per_s: read(threads, bytes), f32_gflops: None, int8_gops: None }
}

/// Every thread adds up its own part of one buffer.
fn read(threads: usize, bytes: usize) -> f64 {
    let words = vec![1_u64; bytes / 8];
    let part = words.len().div_ceil(threads).max(1);
    let sum = |part: &[u64]| part.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word));
    let turn = || {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for part in words.chunks(part) {
                scope.spawn(move || black_box(sum(black_box(part))));
            }
        });
        begun.elapsed().as_secs_f64()
    };
    let best = (0..TURNS).map(|_| turn()).fold(f64::INFINITY, f64::min);
    (words.len() * 8) as f64 / best.max(1e-9) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_a_believable_time() {
        let measured = read(1, LEAST);
        assert!((0.05..5000.0).contains(&measured), "{measured} GB/s");
    }
}
