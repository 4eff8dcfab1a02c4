//! Frames to sound: residual blocks that follow the style, then a generator that adds the source's spectra at each of its two rates
//! and ends in spectra (iSTFTNet).

use super::block::{Block, Snakes};
use super::parts::{Filter, From, check};
use super::prosody::Said;
use super::source::{BINS, Source};
use super::text::TEXT;
use crate::speech::upsample::Upsample;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Conv1d, ConvShape, Enter, Exactness, Finish, Rows};

const PLACE: &str = "/decoder/decoder";
const NAME: &str = "decoder.decoder";
/// Blocks that follow the first, of which the last doubles the rows.
const BLOCKS: usize = 4;
/// Channels between them, of the text beside them, and of what enters the generator, half of which each of its stages keeps.
const WIDE: usize = 1024;
const ASIDE: usize = 64;
const CHANNELS: usize = 512;
/// Rows that each becomes, in each stage of the generator.
const STRIDES: [usize; STAGES] = [10, 6];
const STAGES: usize = 2;

/// A rate of the generator.
struct Stage {
    noise: Filter,
    noise_block: Snakes,
    up: Upsample,
    blocks: Vec<Snakes>,
}

pub(super) struct Decoder {
    pitch: Filter,
    energy: Filter,
    aside: Filter,
    first: Block,
    blocks: Vec<Block>,
    source: Source,
    stages: Vec<Stage>,
    last: Conv1d,
}

impl Decoder {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let strided = |place: &str, name: &str, sizes: (usize, usize), steps| {
            from.strided(&format!("{PLACE}/{place}"), Some(&format!("{NAME}.{name}.bias")), sizes, steps)
        };
        let block = |part: &str, sizes: (usize, usize), doubles: bool| {
            Block::open(from, &format!("{PLACE}/{part}"), &format!("{NAME}.{part}"), sizes, doubles)
        };
        let curve = |name: &str| strided(name, name, (1, 1), Some((3, 2, 1)));
        let inner = |i: usize| {
            let last = i + 1 == BLOCKS;
            let sizes = (WIDE + ASIDE + 2, if last { CHANNELS } else { WIDE });
            block(&format!("decode.{i}"), sizes, last)
        };
        let mut stages = Vec::new();
        for i in 0..STAGES {
            let channels = CHANNELS >> (i + 1);
            let snakes = |part: String| {
                let (place, name) = (format!("{PLACE}/generator/{part}"), format!("{NAME}.generator.{part}"));
                Snakes::open(from, &place, &name, channels)
            };
            let part = format!("generator/noise_convs.{i}");
            // What the second stage brings for each row, the first sees of the source.
            let steps = if i == 0 { Some((2 * STRIDES[1], STRIDES[1], STRIDES[1] / 2)) } else { None };
            let noise = strided(&part, &part.replace('/', "."), (2 * BINS, channels), steps)?;
            stages.push(Stage {
                noise_block: snakes(format!("noise_res.{i}"))?,
                up: up(from, i, channels)?,
                blocks: (3 * i..3 * i + 3)
                    .map(|block| snakes(format!("resblocks.{block}")))
                    .collect::<Result<_>>()?,
                noise,
            });
        }
        let weights = from.graph.tensor(&format!("{PLACE}/generator/Mul_2_output_0"))?;
        let (outputs, inputs, taps) = (2 * BINS, CHANNELS >> STAGES, 7);
        check("conv_post", weights.dims(), &[outputs, inputs, taps])?;
        let (values, bias) =
            (weights.floats()?, from.graph.floats(&format!("{NAME}.generator.conv_post.bias"), &[outputs])?);
        let shape = ConvShape::centred(inputs, outputs, taps, 1);
        let last = Conv1d::exact(from.compute.isa(), Exactness::Near, shape, &bias, |output, input, tap| {
            values[(output * inputs + input) * taps + tap]
        });
        Ok(Self {
            pitch: curve("F0_conv")?,
            energy: curve("N_conv")?,
            aside: strided("asr_res/asr_res.0", "asr_res.0", (TEXT, ASIDE), None)?,
            first: block("encode", (TEXT + 2, WIDE), false)?,
            blocks: (0..BLOCKS).map(inner).collect::<Result<_>>()?,
            source: Source::open(from)?,
            stages,
            last,
        })
    }

    /// The sound of `text` (frames, channels), said so.
    pub(super) fn run(&self, compute: &Compute, text: &[f32], said: &Said, style: &[f32]) -> Vec<f32> {
        let curve = |filter: &Filter, x: &[f32]| filter.run(compute, x, compute.range(x), None);
        let (pitch, energy) = (curve(&self.pitch, &said.pitch), curve(&self.energy, &said.energy));
        let frames = said.owner.len();
        let beside = |parts: &[&[f32]]| -> Vec<f32> {
            (0..frames)
                .flat_map(|i| {
                    parts
                        .iter()
                        .flat_map(move |part| &part[i * (part.len() / frames)..][..part.len() / frames])
                })
                .copied()
                .collect()
        };
        let mut x = self.first.run(compute, style, &beside(&[text, &pitch, &energy]));
        let aside = curve(&self.aside, text);
        for block in &self.blocks {
            x = block.run(compute, style, &beside(&[&x, &aside, &pitch, &energy]));
        }
        let source = self.source.run(compute, &said.pitch);
        let range = compute.range(&source);
        for (i, stage) in self.stages.iter().enumerate() {
            let noise =
                stage.noise_block.run(compute, style, &stage.noise.run(compute, &source, range, None));
            let mut up = Vec::new();
            stage.up.run(compute, &x, Enter::Leaky(0.1), 0..stage.up.length(x.len()), &mut up);
            if i + 1 == STAGES {
                // One row more at the beginning, a mirror image.
                let channels = stage.up.outputs();
                let second: Vec<f32> = up[channels..2 * channels].to_vec();
                up.splice(..0, second);
            }
            compute.add(&mut up, &noise);
            x = vec![0.0; up.len()];
            for block in &stage.blocks {
                compute.add(&mut x, &block.run(compute, style, &up));
            }
            x.iter_mut().for_each(|x| *x /= 3.0);
        }
        let inputs = self.last.shape().inputs;
        let mut spectra = vec![0.0; x.len() / inputs * 2 * BINS];
        let enter = Enter::Leaky(0.01);
        compute.conv1d_from(&self.last, Rows::new(&x, inputs), 0, enter, Finish::default(), &mut spectra);
        self.source.back(compute, &spectra)
    }
}

fn unlike(name: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the voice's {name} is of another shape than Kokoro's"))
}

/// The transposed filter of a stage, which makes so many channels.
fn up(from: &From<'_, '_>, stage: usize, channels: usize) -> Result<Upsample> {
    let name = format!("{NAME}.generator.ups.{stage}.bias");
    let node = from.graph.reader(&name)?;
    let (Some(weights), "ConvTranspose") = (node.inputs.get(1), node.operation) else {
        return Err(unlike(&name));
    };
    let (tensor, stride) = (from.graph.tensor(weights)?, STRIDES[stage]);
    check(&name, tensor.dims(), &[2 * channels, channels, 2 * stride])?;
    let bias = from.graph.floats(&name, &[channels])?;
    let up = Upsample::open(from.compute, tensor, node, &bias, (1.0, Exactness::Near))?;
    up.filter(|up| up.length(2 * channels) == stride).ok_or_else(|| unlike(&name))
}
