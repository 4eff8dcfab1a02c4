//! What this machine can do at most with the vectors of an instruction set: the yardstick beside every measured speed.
//! What a model makes of it is measured elsewhere.

use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch};
use crate::unpack::Unpackers;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often each limit is measured; the best counts, since nothing can be faster than the machine is.
const TURNS: usize = 5;
/// How long one turn of arithmetic takes …
const TURN: Duration = Duration::from_millis(8);
/// … and how long all turns of reading may take; a large buffer gets fewer of them, but never less than two.
const READING: Duration = Duration::from_millis(150);
/// Cache lines that a thread reads at a time: few enough that none waits long for the last.
const PART: usize = (256 << 10) / size_of::<Line>();

/// As much as the widest vector, and aligned so that no load crosses a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Bytes per second that all threads of `compute` together read from one buffer of at least `bytes` bytes: a small one
/// stays in a cache, as the weights of a small model do, one of several hundred MB does not.
pub fn read_bandwidth(compute: &Compute, bytes: usize) -> f64 {
    // Not zeros: the system would show the same page of zeros everywhere.
    let lines = vec![Line([1; 64]); bytes.div_ceil(size_of::<Line>()).max(1)];
    let mut best = Duration::MAX;
    let begun = Instant::now();
    for turn in 0..TURNS {
        if turn >= 2 && begun.elapsed() > READING {
            break;
        }
        let begun = Instant::now();
        compute.pool().run(lines.len().div_ceil(PART), |part| {
            let part = Read(&lines[part * PART..lines.len().min((part + 1) * PART)]);
            // SAFETY: the op reads what its slice holds.
            unsafe { dispatch(compute.isa(), part) }
        });
        best = best.min(begun.elapsed());
    }
    size_of_val(&lines[..]) as f64 / best.as_secs_f64().max(1e-9)
}

/// 8-bit multiplications and additions per second, counted apart, of all threads of `compute` together: sums of
/// products of bytes, with all operands in registers or in the innermost cache.
pub fn int8_peak(compute: &Compute) -> f64 {
    // Seven bits on both sides, so that every instruction set multiplies them with its fastest operation.
    let operands =
        Operands(std::array::from_fn(|i| Line(std::array::from_fn(|k| ((i * 7 + k * 5) % 64) as u8))));
    // SAFETY: the op reads what its array holds.
    peak(compute, || unsafe { dispatch(compute.isa(), Int8(&operands)) })
}

/// Single precision multiplications and additions per second, counted apart, of all threads of `compute` together.
pub fn f32_peak(compute: &Compute) -> f64 {
    let one = 1.0_f32.to_ne_bytes();
    let operands = Operands([Line(std::array::from_fn(|k| one[k % 4])); OPERANDS]);
    // SAFETY: the op reads what its array holds.
    peak(compute, || unsafe { dispatch(compute.isa(), Float(&operands)) })
}

/// Multiplications and additions of bfloat16 tiles per second, counted apart, of all threads of `compute` together: all operands
/// in tiles. `None` where its instruction set has none.
pub fn tile_peak(compute: &Compute) -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if let crate::isa::Isa::Amx(amx) = compute.isa() {
        return Some(peak(compute, || crate::tiles::Tiles::new(amx).spin()));
    }
    None
}

/// All threads call `batch` for the same time; what the calls return are operations, which are added up.
fn peak(compute: &Compute, batch: impl Fn() -> u64 + Sync) -> f64 {
    let mut best = 0.0;
    for _ in 0..TURNS {
        let sum = AtomicU64::new(0);
        let begun = Instant::now();
        compute.pool().run(compute.pool().threads(), |_| {
            let mut operations = batch();
            while begun.elapsed() < TURN {
                operations += batch();
            }
            sum.fetch_add(operations, Ordering::Relaxed);
        });
        best = f64::max(best, sum.into_inner() as f64 / begun.elapsed().as_secs_f64().max(1e-9));
    }
    best
}

/// Loads every byte once.
struct Read<'a>(&'a [Line]);

impl AnyOp for Read<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Read<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        // Four lines at a time, each added up by itself, so that no load waits for a sum.
        let lines = black_box(self.0);
        let mut sum = [s.splat(0.0); 4];
        let mut i = 0;
        while i < lines.len() {
            for (at, sum) in sum.iter_mut().enumerate() {
                // At the end the last line again.
                let line = lines.as_ptr().add((i + at).min(lines.len() - 1)).cast::<f32>();
                let mut lane = 0;
                while lane < 16 {
                    *sum = s.add(*sum, s.load(line.add(lane)));
                    lane += S::LANES;
                }
            }
            i += 4;
        }
        black_box(s.sum(s.add(s.add(sum[0], sum[1]), s.add(sum[2], sum[3]))));
    }
}

/// Vectors on one side of the products, which stay, and on the other, which are loaded: a tile of 12 accumulators is
/// enough for two instructions in each of the five cycles that one takes, and fits 16 registers.
const STAY: usize = 4;
const LOADED: usize = 3;
/// Steps over all operands …
const STEPS: usize = 16;
/// … and how often they are taken in one batch.
const REPEATS: usize = 256;
const OPERANDS: usize = STAY + STEPS * LOADED;

/// What is multiplied, 3 KiB of it. Every accumulator gets products of its own, and none is the same in the next step:
/// else compilers would multiply once.
struct Operands([Line; OPERANDS]);

/// A batch of int8 dot products; returns its operations.
struct Int8<'a>(&'a Operands);

impl AnyOp for Int8<'_> {
    type Out = u64;
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> u64 {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Int8<'_> {
    type Out = u64;
    #[inline(always)]
    unsafe fn run(self, s: S) -> u64 {
        let mut sums = [[s.zero_i(); STAY]; LOADED];
        for _ in 0..REPEATS {
            let operands = black_box(self.0).0.as_ptr();
            let mut stay = [s.zero_i(); STAY];
            for (i, stay) in stay.iter_mut().enumerate() {
                *stay = s.load_i(operands.add(i).cast());
            }
            for step in 0..STEPS {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let u = s.load_i(operands.add(STAY + step * LOADED + i).cast());
                    for (sum, stay) in sums.iter_mut().zip(stay) {
                        *sum = s.dot(*sum, u, stay);
                    }
                }
            }
        }
        let mut out = [0_u8; 64];
        for sum in sums.as_flattened() {
            s.store_i(out.as_mut_ptr(), *sum);
            black_box(&out);
        }
        (REPEATS * STEPS * LOADED * STAY * 2 * 4 * S::LANES) as u64
    }
}

/// A batch of float products; returns its operations.
struct Float<'a>(&'a Operands);

impl AnyOp for Float<'_> {
    type Out = u64;
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> u64 {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Float<'_> {
    type Out = u64;
    #[inline(always)]
    unsafe fn run(self, s: S) -> u64 {
        let mut sums = [[s.splat(0.0); STAY]; LOADED];
        for _ in 0..REPEATS {
            let operands = black_box(self.0).0.as_ptr();
            let mut stay = [s.splat(0.0); STAY];
            for (i, stay) in stay.iter_mut().enumerate() {
                *stay = s.load(operands.add(i).cast());
            }
            for step in 0..STEPS {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = s.load(operands.add(STAY + step * LOADED + i).cast());
                    for (sum, stay) in sums.iter_mut().zip(stay) {
                        *sum = s.fma(x, stay, *sum);
                    }
                }
            }
        }
        for sum in sums.as_flattened() {
            black_box(s.sum(*sum));
        }
        (REPEATS * STEPS * LOADED * STAY * 2 * S::LANES) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    #[test]
    fn limits_are_believable_on_every_instruction_set() {
        for isa in Isa::available() {
            for threads in [1, 2] {
                let compute = Compute::new(isa, threads);
                let begun = Instant::now();
                let read = read_bandwidth(&compute, (8 << 20) + 1) / 1e9;
                let (int8, float) = (int8_peak(&compute) / 1e9, f32_peak(&compute) / 1e9);
                println!("{} {threads}: {read:.1} GB/s, int8 {int8:.0}, f32 {float:.0}", isa.name());
                // From a processor of twenty years ago to one that will not be there soon.
                assert!((0.05..5e3).contains(&read), "{}: {read} GB/s", isa.name());
                assert!((0.1..2e4 * threads as f64).contains(&int8), "{}: {int8} GOP/s", isa.name());
                assert!((0.1..2e3 * threads as f64).contains(&float), "{}: {float} GFLOP/s", isa.name());
                assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            }
        }
    }

    #[test]
    fn tiles_are_measured_where_there_are_some() {
        for isa in Isa::available() {
            let compute = Compute::new(isa, 1);
            assert_eq!(tile_peak(&compute).is_some(), matches!(isa, Isa::Amx(_)));
            if let Some(tiles) = tile_peak(&compute) {
                assert!((1e8..2e13).contains(&tiles), "{tiles} operations/s");
            }
        }
    }
}
