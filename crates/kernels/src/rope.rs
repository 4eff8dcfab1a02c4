//! Rotary position embedding (Su et al. 2021) from a table of sines and cosines that all layers of a kind share.

use crate::buffer::Parts;
use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch};
use crate::unpack::Unpackers;

/// Sines and cosines for a run of positions.
#[derive(Debug, Clone, Default)]
pub struct RopeTable {
    /// (positions, pairs)
    cos: Vec<f32>,
    sin: Vec<f32>,
    pairs: usize,
}

impl RopeTable {
    /// Fills the table for `positions`. Pair i turns by `frequencies[i]` radians a position;
    /// `magnitude` multiplies sine and cosine.
    pub fn fill(&mut self, compute: &Compute, frequencies: &[f64], magnitude: f32, positions: &[usize]) {
        self.pairs = frequencies.len();
        let size = positions.len() * self.pairs;
        self.cos.resize(size, 0.0);
        self.sin.resize(size, 0.0);
        let (cos, sin) = (Parts::new(&mut self.cos), Parts::new(&mut self.sin));
        let each = 16;
        compute.pool().run(positions.len().div_ceil(each), |task| {
            let own = task * each..positions.len().min((task + 1) * each);
            for (row, &position) in own.clone().zip(&positions[own]) {
                let (at, n) = (row * frequencies.len(), frequencies.len());
                // SAFETY: rows belong to one task each.
                let (cos, sin) = unsafe { (cos.part(at, n), sin.part(at, n)) };
                for ((cos, sin), frequency) in cos.iter_mut().zip(sin).zip(frequencies) {
                    let (s, c) = (position as f64 * frequency).sin_cos();
                    (*sin, *cos) = (s as f32 * magnitude, c as f32 * magnitude);
                }
            }
        });
    }
}

impl Compute {
    /// Rotates the first 2 · pairs values of each head of `x`, (positions, heads, head_dim), in place. `adjacent` pairs
    /// (0,1), (2,3) …; otherwise (0, pairs), (1, pairs + 1) ….
    ///
    /// # Panics
    /// When sizes do not agree with the table.
    pub fn rope(&self, x: &mut [f32], head_dim: usize, heads: usize, table: &RopeTable, adjacent: bool) {
        let width = heads * head_dim;
        assert!(width > 0 && x.len().is_multiple_of(width) && 2 * table.pairs <= head_dim);
        let positions = x.len() / width;
        assert!(table.cos.len() >= positions * table.pairs);
        let parts = Parts::new(x);
        let each = positions.div_ceil(self.pool().threads() * 4).max(4);
        self.pool().run(positions.div_ceil(each), |task| {
            for position in task * each..positions.min((task + 1) * each) {
                let at = position * table.pairs..(position + 1) * table.pairs;
                // SAFETY: positions belong to one task each, and the assertions above cover what the op touches.
                unsafe {
                    let x = parts.part(position * width, width);
                    dispatch(
                        self.isa(),
                        Rotate { x, head_dim, cos: &table.cos[at.clone()], sin: &table.sin[at], adjacent },
                    );
                }
            }
        });
    }
}

/// All heads of one position.
struct Rotate<'a> {
    x: &'a mut [f32],
    head_dim: usize,
    cos: &'a [f32],
    sin: &'a [f32],
    adjacent: bool,
}

impl AnyOp for Rotate<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Rotate<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, _s: S) {
        let pairs = self.cos.len();
        // Plain loops: with the features of `enter` the compiler makes vectors of them.
        for head in self.x.chunks_exact_mut(self.head_dim) {
            let head = &mut head[..2 * pairs];
            if self.adjacent {
                for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(self.cos.iter().zip(self.sin)) {
                    let (a, b) = (pair[0], pair[1]);
                    (pair[0], pair[1]) = (a * cos - b * sin, a * sin + b * cos);
                }
            } else {
                let (first, second) = head.split_at_mut(pairs);
                for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(self.cos.iter().zip(self.sin)) {
                    (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                }
            }
        }
    }
}
