//! The parts of which VITS is built, with weights found in the graph by the name of their bias.

use crate::speech::layers::{MOST_REACH, Norm, Separate, dilation, dilation_of, size};
use crate::speech::onnx::Graph;
use crate::speech::upsample::Upsample;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Conv1d, ConvShape, Exactness, Finish, Rows};
use std::cell::Cell;

/// Channels of a filter: known voices have 768.
const MOST_CHANNELS: usize = 1 << 12;

/// Parts of one kind in a row: known voices have 12.
const MOST_PARTS: usize = 64;

/// Weights of a voice's filters, those that several share counted for each: known voices have 28 million.
const MOST_WEIGHTS: usize = 1 << 26;

/// What says where a layer's weights are.
pub(super) struct From<'a, 'g> {
    pub(super) graph: &'g Graph<'a>,
    pub(super) compute: &'g Compute,
    /// Weights that may still be asked for.
    left: Cell<usize>,
    /// Numbers of a speaker's row, where there are several speakers.
    pub(super) speaker: Option<usize>,
}

impl<'a, 'g> From<'a, 'g> {
    pub(super) fn new(graph: &'g Graph<'a>, compute: &'g Compute) -> Self {
        Self { graph, compute, left: Cell::new(MOST_WEIGHTS), speaker: None }
    }

    /// Whether there is a filter of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.graph.has(&format!("{name}.bias")) || self.graph.has(&format!("{name}.weight"))
    }

    /// How many filters there are of the names that `name` tells.
    ///
    /// # Errors
    /// `Corrupt` when one is missing between them, `Unsupported` when there are more than any voice has.
    pub(super) fn count(&self, name: impl Fn(usize) -> String) -> Result<usize> {
        let there = |i: &usize| self.has(&name(*i));
        let count = (0..=MOST_PARTS).take_while(there).count();
        if count > MOST_PARTS {
            let message = format!("the voice has more than {MOST_PARTS} layers up to {}", name(MOST_PARTS));
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        match (count..=MOST_PARTS).find(there) {
            None => Ok(count),
            Some(after) => {
                let message = format!("the voice has a layer {} and no {}", name(after), name(count));
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }

    /// The filter with the bias `NAME.bias`, or with the weights `NAME.weight` where it has none. Exported files fold weights
    /// together and give them new names, so the node that reads the bias tells; it also tells dilation and padding. It takes
    /// `inputs` channels and makes `outputs`, where they are known before.
    ///
    /// # Errors
    /// `Corrupt` when it has other channels, `Unsupported` when it filters in a way or of a size that no voice needs.
    pub(super) fn conv(
        &self,
        name: &str,
        inputs: usize,
        outputs: impl Into<Option<usize>>,
    ) -> Result<Conv1d> {
        self.filter(name, 1.0, (inputs, outputs.into()), Exactness::Single)
    }

    /// The same where 16 bits of each number are enough: what comes after it is heard and decides nothing. Weights are multiplied
    /// by `scale`.
    ///
    /// # Errors
    /// As [`From::conv`].
    pub(super) fn near(
        &self,
        name: &str,
        scale: f32,
        inputs: usize,
        outputs: impl Into<Option<usize>>,
    ) -> Result<Conv1d> {
        self.filter(name, scale, (inputs, outputs.into()), Exactness::Near)
    }

    fn filter(
        &self,
        name: &str,
        scale: f32,
        wanted: (usize, Option<usize>),
        exactness: Exactness,
    ) -> Result<Conv1d> {
        let bias_name = format!("{name}.bias");
        let with_bias = self.graph.has(&bias_name);
        let read = if with_bias { bias_name.clone() } else { format!("{name}.weight") };
        let node = self.graph.reader(&read)?;
        let wrong = || {
            let message =
                format!("the voice's layer {name} is no plain filter that keeps the number of rows");
            Error::new(ErrorKind::Unsupported, message)
        };
        let ("Conv", Some(weights)) = (node.operation, node.inputs.get(1)) else { return Err(wrong()) };
        let tensor = self.graph.tensor(weights)?;
        let &[outputs, inputs, taps] = tensor.dims() else { return Err(wrong()) };
        self.fits(name, (inputs, outputs, taps), wanted)?;
        if !matches!(node.ints("group"), [] | [1]) {
            return Err(wrong());
        }
        let before = node.inputs.first().and_then(|input| self.graph.maker(input));
        let padded = before.is_some_and(|node| node.operation == "Pad");
        let dilation = dilation_of(node, taps, padded).ok_or_else(wrong)?;
        let values = tensor.floats()?;
        let bias = if with_bias { self.graph.floats(&bias_name, &[outputs])? } else { Vec::new() };
        // Whatever pads the rows, here or in a node before, keeps their number.
        let shape = ConvShape::centred(inputs, outputs, taps, dilation);
        Ok(Conv1d::exact(self.compute.isa(), exactness, shape, &bias, |output, input, tap| {
            values[(output * inputs + input) * taps + tap] * scale
        }))
    }

    /// Whether a filter of these inputs, outputs and taps is the one that is wanted, and no larger than a voice needs.
    fn fits(
        &self,
        name: &str,
        (inputs, outputs, taps): (usize, usize, usize),
        (takes, makes): (usize, Option<usize>),
    ) -> Result<()> {
        let not = |kind: ErrorKind, why: String| {
            let size =
                format!("the voice's layer {name} makes {outputs} channels of {inputs} with {taps} taps");
            Err(Error::new(kind, format!("{size}, {why}")))
        };
        if inputs != takes || makes.is_some_and(|makes| outputs != makes) {
            let makes = makes.map_or("any number".to_owned(), |makes| makes.to_string());
            return not(ErrorKind::Corrupt, format!("where {makes} of {takes} are needed"));
        }
        if [inputs, outputs, taps].contains(&0) {
            return not(ErrorKind::Corrupt, "which is nothing".to_owned());
        }
        if inputs > MOST_CHANNELS || outputs > MOST_CHANNELS || taps > MOST_REACH + 1 {
            let most = format!("where {MOST_CHANNELS} channels and {} taps are the most", MOST_REACH + 1);
            return not(ErrorKind::Unsupported, most);
        }
        // As much as they may be where they are packed.
        let weights = inputs.next_multiple_of(32) * outputs.next_multiple_of(32) * taps;
        match self.left.get().checked_sub(weights) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                let most = format!("with which the voice has more than {MOST_WEIGHTS} weights");
                not(ErrorKind::Unsupported, most)
            }
        }
    }

    /// What a speaker adds to the `outputs` channels of a part: the product called so.
    ///
    /// # Errors
    /// As [`From::conv`]; `Unsupported` when there is one and only one speaker.
    pub(super) fn condition(&self, name: &str, outputs: usize) -> Result<Condition> {
        match self.speaker {
            Some(width) => Ok(Condition(Some(self.conv(name, width, outputs)?))),
            None if self.has(name) => {
                let message =
                    format!("the voice has the layer {name} of several speakers and no table of them");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            None => Ok(Condition(None)),
        }
    }

    /// The norm called `NAME.gamma` and `NAME.beta`.
    pub(super) fn norm(&self, name: &str, channels: usize) -> Result<Norm> {
        Norm::of(self.graph, &format!("{name}.gamma"), &format!("{name}.beta"), channels)
    }

    /// Filters of one channel each.
    fn depthwise(&self, name: &str, channels: usize) -> Result<Separate> {
        let taps = size(self.graph, &format!("{name}.weight"), 2)?;
        let dilation = dilation(self.graph, name, taps)?;
        Separate::open(self.graph, name, (channels, taps, dilation))
    }

    /// A filter that makes `stride` rows of one, which have `inputs` channels: see [`Upsample`]. Weights are multiplied by `scale`.
    ///
    /// # Errors
    /// As [`From::conv`].
    pub(super) fn upsample(&self, name: &str, scale: f32, inputs: usize) -> Result<Upsample> {
        let (bias_name, weights) = (format!("{name}.bias"), format!("{name}.weight"));
        let node = self.graph.reader(&weights)?;
        let wrong = || {
            Error::new(ErrorKind::Unsupported, format!("the voice's layer {name} upsamples in another way"))
        };
        let tensor = self.graph.tensor(&weights)?;
        let &[takes, outputs, kernel] = tensor.dims() else { return Err(wrong()) };
        self.fits(name, (takes, outputs, kernel), (inputs, None))?;
        let bias = self.graph.floats(&bias_name, &[outputs])?;
        Upsample::open(self.compute, tensor, node, &bias, (scale, Exactness::Near))?.ok_or_else(wrong)
    }
}

/// Rows through a filter.
pub(super) fn run(conv: &Conv1d, compute: &Compute, x: &[f32], finish: Finish<'_>) -> Vec<f32> {
    let shape = conv.shape();
    let mut out = vec![0.0; x.len() / shape.inputs * shape.outputs];
    compute.conv1d(conv, Rows::new(x, shape.inputs), finish, &mut out);
    out
}

/// What a speaker adds to every row of a part; nothing where there is only one.
pub(super) struct Condition(Option<Conv1d>);

impl Condition {
    /// What the speaker with this row adds to a row.
    pub(super) fn of(&self, compute: &Compute, speaker: Option<&[f32]>) -> Option<Vec<f32>> {
        Some(run(self.0.as_ref()?, compute, speaker?, Finish::default()))
    }

    /// Adds it to rows.
    pub(super) fn add(&self, compute: &Compute, speaker: Option<&[f32]>, rows: &mut [f32]) {
        if let Some(row) = self.of(compute, speaker) {
            compute.add_bias(rows, &row);
        }
    }
}

/// So many layers, if there are any: without them a part would silently do nothing.
pub(super) fn at_least_one(count: usize, name: &str) -> Result<usize> {
    match count {
        0 => Err(Error::new(ErrorKind::Corrupt, format!("the voice's part {name} has no layers"))),
        _ => Ok(count),
    }
}

/// Dilated filters of one channel each, with products between (the duration predictor's "DDSConv").
pub(super) struct Dilated {
    layers: Vec<(Separate, Norm, Conv1d, Norm)>,
}

impl Dilated {
    /// Filters of so many channels.
    pub(super) fn open(from: &From<'_, '_>, name: &str, channels: usize) -> Result<Self> {
        let layer = |i: usize| -> Result<_> {
            Ok((
                from.depthwise(&format!("{name}.convs_sep.{i}"), channels)?,
                from.norm(&format!("{name}.norms_1.{i}"), channels)?,
                from.conv(&format!("{name}.convs_1x1.{i}"), channels, channels)?,
                from.norm(&format!("{name}.norms_2.{i}"), channels)?,
            ))
        };
        let count = at_least_one(from.count(|i| format!("{name}.convs_sep.{i}"))?, name)?;
        Ok(Self { layers: (0..count).map(layer).collect::<Result<_>>()? })
    }

    /// x in place.
    pub(super) fn run(&self, compute: &Compute, x: &mut [f32]) {
        let mut y = vec![0.0; x.len()];
        for (separate, norm1, product, norm2) in &self.layers {
            compute.filtered_norm(Some(separate.view()), norm1.view(), x, &mut y);
            compute.gelu(&mut y);
            let product = run(product, compute, &y, Finish::default());
            let mut z = Vec::new();
            norm2.run(compute, &product, &mut z);
            compute.gelu(&mut z);
            compute.add(x, &z);
        }
    }
}
