//! Causal filters along time that take a sound in any portions: what a filter has seen last is kept for the next portion, so that
//! the sound is the same however it is divided. Rows are moments, columns channels.

use super::config::{PadMode, SeaNet};
use super::weights::Weights;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Conv1d, ConvShape, Enter, Exactness, Finish, Rows};

/// Sixteen bits of each number are enough where tiles are used, for wide filters: at true size the sound is as near to the reference's
/// as without. Products of transformers are exact: what they round would grow with every step.
const NEAR: Exactness = Exactness::Near;
/// Weights of one filter: more is no codec's, and would be asked for before they are looked at.
const MOST_WEIGHTS: usize = 1 << 28;
/// Values that one filter keeps of what it has seen.
const MOST_SEEN: usize = 1 << 22;

/// One filter. Where it makes fewer moments, `fold` neighbours are read as one row; where it makes more, one row of the output is
/// `unfold` of them.
pub(super) struct Filter {
    conv: Conv1d,
    /// Folded rows before its own that an output sees.
    reach: usize,
    pad: PadMode,
    enter: Enter,
    fold: usize,
    unfold: usize,
}

/// What a filter has seen last.
#[derive(Default)]
pub(super) struct Seen(Option<Vec<f32>>);

/// The size of a filter.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) taps: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
}

impl Size {
    fn plain(inputs: usize, outputs: usize, taps: usize) -> Self {
        Self { inputs, outputs, taps, stride: 1, dilation: 1 }
    }

    /// Whether taps are whole strides, as folding needs, and weights and what lies before can be held.
    fn check(&self, name: &str) -> Result<()> {
        let &Self { inputs, outputs, taps, stride, dilation } = self;
        let holds = |parts: [usize; 3], most| {
            parts.into_iter().try_fold(1, usize::checked_mul).is_some_and(|values| values <= most)
        };
        let is_held =
            holds([inputs, outputs, taps], MOST_WEIGHTS) && holds([inputs, taps, dilation], MOST_SEEN);
        if is_held && taps.is_multiple_of(stride) {
            return Ok(());
        }
        let message = format!(
            "the filter `{name}` of {inputs} × {outputs} channels has {taps} taps, {dilation} apart, for a stride of {stride}: no voice has such"
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

impl Filter {
    /// The filter `name.weight` (outputs, inputs, taps), with biases where it `is_biased`.
    pub(super) fn open(
        weights: &Weights,
        compute: &Compute,
        name: &str,
        size: Size,
        pad: PadMode,
        is_biased: bool,
    ) -> Result<Self> {
        size.check(name)?;
        let Size { inputs, outputs, taps, stride, dilation } = size;
        let w = weights.floats(&format!("{name}.weight"), outputs, inputs * taps)?;
        let bias = if is_biased { weights.vector(&format!("{name}.bias"), outputs)? } else { Vec::new() };
        let folded = taps / stride;
        let reach = (folded - 1) * dilation;
        let shape = ConvShape { inputs: stride * inputs, outputs, taps: folded, dilation, before: reach };
        let conv = Conv1d::exact(compute.isa(), NEAR, shape, &bias, |output, column, tap| {
            let (moment, input) = (column / inputs, column % inputs);
            w[(output * inputs + input) * taps + tap * stride + moment]
        });
        Ok(Self { conv, reach, pad, enter: Enter::Plain, fold: stride, unfold: 1 })
    }

    /// The transposed filter `name.weight` (inputs, outputs, taps) with biases: it makes `stride` moments of one.
    fn transposed(weights: &Weights, compute: &Compute, name: &str, size: Size) -> Result<Self> {
        size.check(name)?;
        let Size { inputs, outputs, taps, stride, .. } = size;
        let w = weights.floats(&format!("{name}.weight"), inputs, outputs * taps)?;
        let bias = weights.vector(&format!("{name}.bias"), outputs)?.repeat(stride);
        let rows = taps / stride;
        let shape =
            ConvShape { inputs, outputs: stride * outputs, taps: rows, dilation: 1, before: rows - 1 };
        let conv = Conv1d::exact(compute.isa(), NEAR, shape, &bias, |column, input, tap| {
            let (moment, output) = (column / outputs, column % outputs);
            w[(input * outputs + output) * taps + (rows - 1 - tap) * stride + moment]
        });
        let pad = PadMode::Constant;
        Ok(Self { conv, reach: rows - 1, pad, enter: Enter::Plain, fold: 1, unfold: stride })
    }

    /// The same, which meets values through the exponential linear unit.
    fn after_elu(self) -> Self {
        Self { enter: Enter::Elu, ..self }
    }

    /// Filters the next portion: whole folded rows.
    ///
    /// # Panics
    /// When they are not whole.
    pub(super) fn run(&self, compute: &Compute, x: &[f32], seen: &mut Seen, finish: Finish<'_>) -> Vec<f32> {
        let ConvShape { inputs, outputs, .. } = self.conv.shape();
        let rows = x.len() / inputs;
        let mut out = vec![0.0; rows * outputs];
        if self.reach == 0 {
            let x = Rows::new(x, inputs);
            compute.conv1d_from(&self.conv, x, 0, self.enter, finish, &mut out);
            return out;
        }
        let before = seen.0.get_or_insert_with(|| match (self.pad, x.get(..inputs / self.fold)) {
            (PadMode::Replicate, Some(first)) => first.repeat(self.reach * self.fold),
            _ => vec![0.0; self.reach * inputs],
        });
        before.extend_from_slice(x);
        let all = Rows::new(before, inputs);
        compute.conv1d_from(&self.conv, all, self.reach, self.enter, finish, &mut out);
        before.drain(..rows * inputs);
        out
    }

    /// Channels that go out.
    fn outputs(&self) -> usize {
        self.conv.shape().outputs / self.unfold
    }
}

/// A part of a SEANet (Tagliasacchi et al., 2020).
enum Part {
    Filter(Box<Filter>),
    /// Two filters, and what came in.
    Block(Box<[Filter; 2]>),
}

/// The encoder or the decoder of a codec: filters one after the other.
pub(super) struct Chain(Vec<Part>);

/// What its filters have seen last.
#[derive(Default)]
pub(super) struct ChainSeen(Vec<[Seen; 2]>);

impl Chain {
    /// The filters of `name.model`, which make moments of samples.
    pub(super) fn encoder(weights: &Weights, compute: &Compute, name: &str, net: &SeaNet) -> Result<Self> {
        let mut open = Opening { weights, compute, name, net, index: 0, parts: Vec::new() };
        let mut channels = net.n_filters;
        open.filter(Size::plain(1, channels, net.kernel_size), false)?;
        for &stride in net.ratios.iter().rev() {
            open.blocks(channels)?;
            let size = Size { stride, taps: 2 * stride, ..Size::plain(channels, 2 * channels, 1) };
            open.filter(size, true)?;
            channels *= 2;
        }
        open.filter(Size::plain(channels, net.dimension, net.last_kernel_size), true)?;
        Ok(Self(open.parts))
    }

    /// Those that make samples of moments.
    pub(super) fn decoder(weights: &Weights, compute: &Compute, name: &str, net: &SeaNet) -> Result<Self> {
        let mut open = Opening { weights, compute, name, net, index: 0, parts: Vec::new() };
        let mut channels = net.n_filters << net.ratios.len();
        open.filter(Size::plain(net.dimension, channels, net.kernel_size), false)?;
        for &stride in &net.ratios {
            open.transposed(Size { stride, taps: 2 * stride, ..Size::plain(channels, channels / 2, 1) })?;
            channels /= 2;
            open.blocks(channels)?;
        }
        open.filter(Size::plain(channels, 1, net.last_kernel_size), true)?;
        Ok(Self(open.parts))
    }

    /// Runs the next portion through all filters.
    pub(super) fn run(&self, compute: &Compute, x: &[f32], seen: &mut ChainSeen) -> Vec<f32> {
        seen.0.resize_with(self.0.len(), Default::default);
        let mut x = x.to_vec();
        for (part, [first, second]) in self.0.iter().zip(&mut seen.0) {
            x = match part {
                Part::Filter(filter) => filter.run(compute, &x, first, Finish::default()),
                Part::Block(block) => {
                    let [wide, narrow] = &**block;
                    let hidden = wide.run(compute, &x, first, Finish::default());
                    let add = Finish { add: Some(Rows::new(&x, narrow.outputs())), ..Finish::default() };
                    narrow.run(compute, &hidden, second, add)
                }
            };
        }
        x
    }
}

/// A chain that is being read: parts are counted as the reference's list has them, in which activations count too.
struct Opening<'a> {
    weights: &'a Weights,
    compute: &'a Compute,
    name: &'a str,
    net: &'a SeaNet,
    index: usize,
    parts: Vec<Part>,
}

impl Opening<'_> {
    /// A filter, after an activation where it says so.
    fn filter(&mut self, size: Size, activated: bool) -> Result<()> {
        self.index += usize::from(activated);
        let name = format!("{}.model.{}.conv", self.name, self.index);
        let filter = Filter::open(self.weights, self.compute, &name, size, self.net.pad_mode, true)?;
        self.parts.push(Part::Filter(Box::new(if activated { filter.after_elu() } else { filter })));
        self.index += 1;
        Ok(())
    }

    fn transposed(&mut self, size: Size) -> Result<()> {
        self.index += 1;
        let name = format!("{}.model.{}.convtr", self.name, self.index);
        let filter = Filter::transposed(self.weights, self.compute, &name, size)?;
        self.parts.push(Part::Filter(Box::new(filter.after_elu())));
        self.index += 1;
        Ok(())
    }

    /// The residual blocks at one rate.
    fn blocks(&mut self, channels: usize) -> Result<()> {
        let net = self.net;
        // `Config::check` has seen that `compress` is at most the fewest channels.
        let hidden = channels / net.compress;
        let mut dilation = 1;
        for _ in 0..net.n_residual_layers {
            let open = |n: usize, size| {
                let name = format!("{}.model.{}.block.{n}.conv", self.name, self.index);
                let filter = Filter::open(self.weights, self.compute, &name, size, net.pad_mode, true)?;
                Ok::<_, Error>(filter.after_elu())
            };
            let wide = Size { dilation, ..Size::plain(channels, hidden, net.residual_kernel_size) };
            let block = [open(1, wide)?, open(3, Size::plain(hidden, channels, 1))?];
            self.parts.push(Part::Block(Box::new(block)));
            self.index += 1;
            dilation *= net.dilation_base;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_would_keep_too_much_are_refused() {
        let opens = |inputs, taps, dilation| {
            Size { inputs, outputs: 1, taps, stride: 1, dilation }.check("wide").is_ok()
        };
        assert!(opens(1_024, 7, 4) && opens(1 << 16, 64, 1));
        assert!(!opens(1 << 16, 64, 2) && !opens(1 << 15, 64, 1 << 12) && !opens(usize::MAX, 2, 1));
    }
}
