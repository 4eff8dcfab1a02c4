//! Attention of rows that follow one another to themselves and to those before, in f32, over keys and values that lie in
//! memory as they were computed: what models of sound do frame by frame, a few rows at a time. Reading keys and values is
//! what takes the time, so nothing is packed; a task is one head of one query.

use crate::activations::{load_n, store_n};
use crate::buffer::Parts;
use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch, math};
use crate::unpack::Unpackers;

/// Rows whose scores or values are summed at once.
const ROWS: usize = 4;

/// The shape of one attention.
#[derive(Debug, Clone, Copy)]
pub struct CausalAttention {
    /// Heads of queries, a multiple of …
    pub heads: usize,
    /// … the heads of keys and values: head h reads head h · kv_heads / heads of them.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// `Some(w)`: a query sees itself and the w − 1 rows before it.
    pub window: Option<usize>,
    /// Multiplies q·k.
    pub scale: f32,
}

impl Compute {
    /// softmax(q · kᵀ · scale) · v for each head: `q` and `out` are (queries, heads, head_dim), `k` and `v` (rows, kv_heads,
    /// head_dim). The queries stand at the last rows, and each sees its own and those before it.
    ///
    /// # Panics
    /// When sizes do not agree, there are more queries than rows, or the window is empty.
    pub fn causal_attention(&self, shape: CausalAttention, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
        let CausalAttention { heads, kv_heads, head_dim: dim, window, .. } = shape;
        assert!(kv_heads > 0 && dim > 0 && heads > 0 && heads.is_multiple_of(kv_heads), "{shape:?}");
        assert!(window != Some(0), "a query sees itself");
        let (width, kv_width) = (heads * dim, kv_heads * dim);
        assert!(q.len().is_multiple_of(width) && q.len() == out.len() && k.len() == v.len());
        assert!(k.len().is_multiple_of(kv_width), "{} values in rows of {kv_width}", k.len());
        let (queries, rows) = (q.len() / width, k.len() / kv_width);
        assert!(queries <= rows, "{queries} queries stand at the last of {rows} rows");
        let out = Parts::new(out);
        self.pool().run(queries * heads, |task| {
            let (query, head) = (task / heads, task % heads);
            let end = rows - queries + query + 1;
            let from = window.map_or(0, |window| end.saturating_sub(window));
            let first = from * kv_width + head * kv_heads / heads * dim;
            let count = end - from;
            crate::scratch::with((count + ROWS) * 4, |scores| {
                let job = Query {
                    q: &q[task * dim..(task + 1) * dim],
                    k: &k[first..],
                    v: &v[first..],
                    stride: kv_width,
                    rows: count,
                    scale: shape.scale,
                    scores: scores.cast(),
                    // SAFETY: a head of a query belongs to one task.
                    out: unsafe { out.part(task * dim, dim) },
                };
                // SAFETY: `first` and `count` lie inside, as the assertions say; the scratch holds `count + ROWS` scores.
                unsafe { dispatch(self.isa(), job) };
            });
        });
    }
}

/// One head of one query: `rows` keys and values, `stride` apart.
struct Query<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    stride: usize,
    rows: usize,
    scale: f32,
    /// Room for `rows + ROWS` values.
    scores: *mut f32,
    out: &'a mut [f32],
}

impl AnyOp for Query<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Query<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (dim, rows, stride) = (self.q.len(), self.rows, self.stride);
        let (q, k, v) = (self.q.as_ptr(), self.k.as_ptr(), self.v.as_ptr());
        // Rows beyond the last repeat it: their scores are not used.
        let last = rows - 1;
        for row in (0..rows).step_by(ROWS) {
            let keys: [*const f32; ROWS] = std::array::from_fn(|i| k.add((row + i).min(last) * stride));
            let mut sums = [s.splat(0.0); ROWS];
            for at in (0..dim).step_by(S::LANES) {
                let query = load_n(s, q.add(at), dim - at);
                for (sum, key) in sums.iter_mut().zip(keys) {
                    *sum = s.fma(query, load_n(s, key.add(at), dim - at), *sum);
                }
            }
            for (i, sum) in s.sum4(sums).into_iter().enumerate() {
                *self.scores.add(row + i) = sum * self.scale;
            }
        }
        let total = self.softmax(s);
        let inverse = s.splat(1.0 / total);
        for at in (0..dim).step_by(S::LANES) {
            let n = dim - at;
            let mut sums = [s.splat(0.0); ROWS];
            for row in (0..rows).step_by(ROWS) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    // The weights behind the last row are 0.
                    let value = load_n(s, v.add((row + i).min(last) * stride + at), n);
                    *sum = s.fma(s.splat(*self.scores.add(row + i)), value, *sum);
                }
            }
            let [a, b, c, d] = sums;
            let sum = s.mul(s.add(s.add(a, b), s.add(c, d)), inverse);
            store_n(s, self.out.as_mut_ptr().add(at), n, sum);
        }
    }
}

impl Query<'_> {
    /// Scores become exp(score − largest), those behind the last row 0; tells their sum.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, s: S) -> f32 {
        let scores = self.scores;
        let whole = self.rows / S::LANES * S::LANES;
        let mut largest = f32::NEG_INFINITY;
        let mut most = s.splat(f32::MIN);
        for row in (0..whole).step_by(S::LANES) {
            most = s.max(most, s.load(scores.add(row)));
        }
        if whole > 0 {
            largest = s.largest(most);
        }
        for row in whole..self.rows {
            largest = largest.max(*scores.add(row));
        }
        let mut total = s.splat(0.0);
        for row in (0..whole).step_by(S::LANES) {
            let weight = math::exp(s, s.sub(s.load(scores.add(row)), s.splat(largest)));
            s.store(scores.add(row), weight);
            total = s.add(total, weight);
        }
        let mut sum = s.sum(total);
        for row in whole..self.rows {
            let weight = (*scores.add(row) - largest).exp();
            *scores.add(row) = weight;
            sum += weight;
        }
        for row in self.rows..self.rows.next_multiple_of(ROWS) {
            *scores.add(row) = 0.0;
        }
        sum
    }
}
