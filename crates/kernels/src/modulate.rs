//! Adaptive instance norms (Huang and Belongie, 2017): each channel of a sound is normed over time, then scaled and shifted as a style
//! says, and goes through a function of one value. Rows are moments, columns are channels.

use crate::buffer::Parts;
use crate::compute::Compute;
use crate::convolution::Enter;
use crate::finish::{Range, load, store};
use crate::simd::{AnyOp, Op, Simd, dispatch, math};
use crate::unpack::Unpackers;

/// Values of a task.
const BLOCK: usize = 32 << 10;

/// Channels of a task that makes means.
const SPAN: usize = 64;

/// A function of one value, behind a norm.
#[derive(Debug, Clone, Copy)]
pub enum Bend<'a> {
    /// What is negative is multiplied by this.
    Leaky(f32),
    /// x + sin²(αx) / α, with α and 1 / α for each channel (Ziyin, Hartwig and Ueda, 2020).
    Snake(&'a [f32], &'a [f32]),
}

/// What happens to each channel: (x − mean) / deviation · scale + shift, then the function.
#[derive(Debug, Clone, Copy)]
pub struct Modulation<'a> {
    /// The channel's mean, …
    pub mean: &'a [f32],
    /// … what it is divided by, …
    pub deviation: &'a [f32],
    /// … its factor, …
    pub scale: &'a [f32],
    /// … and what is added.
    pub shift: &'a [f32],
    /// The function.
    pub bend: Bend<'a>,
}

impl Compute {
    /// The mean of each channel and the mean square of what is left without it, over all rows; no numbers for no rows. Sums are made in
    /// the order in which onnxruntime's packages reduce a channel that lies in one piece, so that both have the same digits.
    ///
    /// # Panics
    /// When `x` is not whole rows.
    pub fn moments(&self, x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
        assert!(channels > 0 && x.len().is_multiple_of(channels), "{} values in rows of {channels}", x.len());
        let mut mean = vec![0.0; channels];
        let mut variance = vec![0.0; channels];
        self.means(x, channels, None, &mut mean);
        self.means(x, channels, Some(&mean), &mut variance);
        (mean, variance)
    }

    /// The mean of each channel, or of the squares of what it differs from another.
    fn means(&self, x: &[f32], channels: usize, from: Option<&[f32]>, out: &mut [f32]) {
        let parts = Parts::new(out);
        self.pool().run(channels.div_ceil(SPAN), |task| {
            let (first, count) = (task * SPAN, SPAN.min(channels - task * SPAN));
            // SAFETY: tasks take different channels.
            let out = unsafe { parts.part(first, count) };
            // SAFETY: `x` is whole rows of so many channels, and the span lies inside them.
            unsafe { dispatch(self.isa(), Means { x, channels, first, from, out }) };
        });
    }

    /// Modulates `x` (rows, channels) into `out`; the smallest and the largest value of what comes out.
    ///
    /// # Panics
    /// When the slices are not of one length, or a part has not one value for each channel.
    pub fn modulate(&self, by: Modulation<'_>, x: &[f32], out: &mut [f32]) -> Range {
        let channels = by.mean.len();
        assert!(channels > 0 && x.len().is_multiple_of(channels), "{} values in rows of {channels}", x.len());
        assert!(x.len() == out.len(), "{} values become {}", x.len(), out.len());
        let mut parts = vec![by.deviation, by.scale, by.shift];
        if let Bend::Snake(alpha, inverse) = by.bend {
            parts.extend([alpha, inverse]);
        }
        assert!(parts.iter().all(|part| part.len() == channels), "a value for each of {channels} channels");
        let (rows, block) = (x.len() / channels, (BLOCK / channels).max(1));
        let parts = Parts::new(out);
        self.ranged(rows.div_ceil(block), |task| {
            let at = task * block * channels;
            let x = &x[at..x.len().min(at + block * channels)];
            // SAFETY: tasks take different rows.
            let out = unsafe { parts.part(at, x.len()) };
            // SAFETY: the lengths of all slices have been checked.
            unsafe { dispatch(self.isa(), Run { by, x, out }) }
        })
    }

    /// The smallest and the largest of some values, and 0.
    pub fn range(&self, x: &[f32]) -> Range {
        self.ranged(x.len().div_ceil(BLOCK), |task| {
            let x = &x[task * BLOCK..x.len().min((task + 1) * BLOCK)];
            // SAFETY: the op reads inside the slice.
            unsafe { dispatch(self.isa(), Ends { x }) }
        })
    }
}

/// Means of the channels from `first` on.
///
/// onnxruntime reduces a channel in two vectors of four values from the first address on that four values are aligned to, which depends on
/// the channel; what is left of eight goes to the first vector, what is left of four and what came before is added last.
struct Means<'a> {
    x: &'a [f32],
    channels: usize,
    first: usize,
    from: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl AnyOp for Means<'_> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Means<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { x, channels, first, from, out } = self;
        let rows = x.len() / channels;
        // The rows before it are in the eights of every channel, the first aside.
        let end = (rows.saturating_sub(7) / 8 * 8).max(8);
        for at in (0..out.len()).step_by(S::LANES) {
            let n = S::LANES.min(out.len() - at);
            let column = x.as_ptr().add(first + at);
            let less = match from {
                Some(mean) => load(s, mean.as_ptr().add(first + at), n),
                None => s.splat(0.0),
            };
            let value = |row: usize, channel: usize| match from {
                Some(mean) => (x[row * channels + channel] - mean[channel]).powi(2),
                None => x[row * channels + channel],
            };
            let start = |channel: usize| ((4 - channel % 4 * (rows % 4) % 4) % 4).min(rows);
            // The first eight rows, less those before a channel's first four.
            let mut eights = [[0f32; 16]; 8];
            for (row, eight) in eights.iter_mut().enumerate().take(rows) {
                for (i, eight) in eight.iter_mut().enumerate().take(n) {
                    let channel = first + at + i;
                    *eight = if row < start(channel) { 0.0 } else { value(row, channel) };
                }
            }
            let mut sums = [s.splat(0.0); 8];
            for (sum, eight) in sums.iter_mut().zip(&eights) {
                *sum = load(s, eight.as_ptr(), n);
            }
            for row in (8..end).step_by(8) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let value = load(s, column.add((row + i) * channels), n);
                    let value = match from {
                        Some(_) => {
                            let value = s.sub(value, less);
                            s.mul(value, value)
                        }
                        None => value,
                    };
                    *sum = s.add(*sum, value);
                }
            }
            for (eight, sum) in eights.iter_mut().zip(sums) {
                store(s, eight.as_mut_ptr(), n, sum);
            }
            for (i, out) in out[at..at + n].iter_mut().enumerate() {
                let channel = first + at + i;
                let sum = reduced((start(channel), end, rows), eights.map(|eight| eight[i]), |row| {
                    value(row, channel)
                });
                *out = sum / rows as f32;
            }
        }
    }
}

/// The sum of a channel whose fours begin at row `start`; `eights[i]` holds the rows before `end` whose number leaves i of eight.
fn reduced((start, end, rows): (usize, usize, usize), eights: [f32; 8], value: impl Fn(usize) -> f32) -> f32 {
    let (fours, whole) = ((rows - start) / 4 * 4, (rows - start) / 8 * 8);
    if fours == 0 {
        return (1..rows).fold(if rows > 0 { value(0) } else { 0.0 }, |sum, row| sum + value(row));
    }
    let rest = start + whole;
    let mut four = [0f32; 4];
    if whole > 0 {
        let sums: [f32; 8] = std::array::from_fn(|i| {
            let behind = (start + i..rest).step_by(8).skip_while(|row| *row < end);
            behind.fold(eights[(start + i) % 8], |sum, row| sum + value(row))
        });
        four = std::array::from_fn(|i| sums[i] + sums[i + 4]);
    }
    if fours > whole {
        four = std::array::from_fn(|i| four[i] + value(rest + i));
    }
    let sum = (four[0] + four[2]) + (four[1] + four[3]);
    let sum = (0..start).fold(sum, |sum, row| sum + value(row));
    (start + fours..rows).fold(sum, |sum, row| sum + value(row))
}

struct Run<'a> {
    by: Modulation<'a>,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl AnyOp for Run<'_> {
    type Out = Range;
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> Range {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Run<'_> {
    type Out = Range;
    #[inline(always)]
    unsafe fn run(self, s: S) -> Range {
        let Self { by, x, out } = self;
        let channels = by.mean.len();
        let (mut low, mut high) = (s.splat(0.0), s.splat(0.0));
        for row in (0..x.len()).step_by(channels) {
            for at in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - at);
                let of = |part: &[f32]| load(s, part.as_ptr().add(at), n);
                let x = s.sub(load(s, x.as_ptr().add(row + at), n), of(by.mean));
                // Lanes behind the last are divided by nothing, and are not stored.
                let y = s.add(s.mul(s.div(x, of(by.deviation)), of(by.scale)), of(by.shift));
                let y = match by.bend {
                    Bend::Leaky(slope) => Enter::Leaky(slope).apply(s, y),
                    Bend::Snake(alpha, inverse) => {
                        let sin = math::sin_but_sign(s, s.mul(y, of(alpha)));
                        s.add(y, s.mul(s.mul(sin, sin), of(inverse)))
                    }
                };
                let to = out.as_mut_ptr().add(row + at);
                store(s, to, n, y);
                let y = load(s, to, n);
                (low, high) = (s.min(low, y), s.max(high, y));
            }
        }
        ends(s, low, high)
    }
}

struct Ends<'a> {
    x: &'a [f32],
}

impl AnyOp for Ends<'_> {
    type Out = Range;
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> Range {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Ends<'_> {
    type Out = Range;
    #[inline(always)]
    unsafe fn run(self, s: S) -> Range {
        let (mut low, mut high) = (s.splat(0.0), s.splat(0.0));
        for at in (0..self.x.len()).step_by(S::LANES) {
            let x = load(s, self.x.as_ptr().add(at), S::LANES.min(self.x.len() - at));
            (low, high) = (s.min(low, x), s.max(high, x));
        }
        ends(s, low, high)
    }
}

#[inline(always)]
unsafe fn ends<S: Simd>(s: S, low: S::F, high: S::F) -> Range {
    Range { low: -s.largest(s.sub(s.splat(0.0), low)), high: s.largest(high) }
}
