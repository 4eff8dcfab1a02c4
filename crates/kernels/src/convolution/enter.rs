//! What a filter sees: the rows of a block and their margin, after what happens to values before they are multiplied.

use super::{Block, ConvShape};
use crate::finish::{load, store};
use crate::simd::{Op, Simd, math};

/// What happens to values before a filter meets them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Enter {
    /// Nothing.
    #[default]
    Plain,
    /// Those below zero are multiplied by this.
    Leaky(f32),
    /// Those below zero become eˣ − 1 (the exponential linear unit of Clevert, Unterthiner and Hochreiter, 2016).
    Elu,
}

impl Enter {
    /// The function of a vector of values.
    #[inline(always)]
    pub(crate) unsafe fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        match self {
            Self::Plain => x,
            Self::Leaky(slope) => {
                let zero = s.splat(0.0);
                s.fma(s.min(x, zero), s.splat(slope), s.max(x, zero))
            }
            Self::Elu => {
                let zero = s.splat(0.0);
                let below = s.sub(math::exp_below(s, s.min(x, zero)), s.splat(1.0));
                s.add(s.max(x, zero), below)
            }
        }
    }
}

impl Block<'_> {
    /// Rows of the input that the block sees.
    pub(super) fn reach(&self) -> usize {
        let ConvShape { taps, dilation, .. } = self.conv.shape;
        self.count + (taps - 1) * dilation
    }

    /// The address of the input's row that is row `row` of what the block sees, unless it lies outside.
    #[inline(always)]
    pub(super) unsafe fn seen(&self, row: usize) -> Option<*const f32> {
        let input = &self.input;
        let at = input.from.saturating_add(self.first + row).checked_sub(self.conv.shape.before)?;
        (at < input.rows).then(|| input.start.0.add(at * input.stride))
    }
}

/// Copies the rows that a block sees, zeros where there are none.
pub(super) struct Gather<'a, 'b> {
    pub(super) block: &'b Block<'a>,
    pub(super) memory: *mut f32,
}

impl<S: Simd> Op<S> for Gather<'_, '_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let inputs = self.block.conv.shape.inputs;
        for row in 0..self.block.reach() {
            let to = self.memory.add(row * inputs);
            let Some(from) = self.block.seen(row) else {
                std::ptr::write_bytes(to, 0, inputs);
                continue;
            };
            let enter = self.block.input.enter;
            if enter == Enter::Plain {
                std::ptr::copy_nonoverlapping(from, to, inputs);
                continue;
            }
            for at in (0..inputs).step_by(S::LANES) {
                let n = S::LANES.min(inputs - at);
                store(s, to.add(at), n, enter.apply(s, load(s, from.add(at), n)));
            }
        }
    }
}
