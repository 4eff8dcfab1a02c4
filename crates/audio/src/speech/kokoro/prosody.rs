//! How a sentence is said: how long each phoneme takes, and the pitch and loudness of each frame, as a style has it (StyleTTS 2; Li et
//! al., 2023).

use super::block::Block;
use super::parts::{Filter, From, Lstm, Matrix, STYLE, Styled};
use super::text::TEXT;
use crate::speech::layers::owners;
use parasol_core::Result;
use parasol_kernels::{Compute, Function, LayerNorm};

/// Channels of curves that become one number.
const CURVE: usize = 256;
/// Inputs and states of what reads phonemes beside a style.
const LSTM: (usize, usize) = (TEXT + STYLE, TEXT / 2);
/// Frames that a phoneme takes at most, at speed 1.
const LONGEST: usize = 50;

pub(super) struct Prosody {
    layers: Vec<(Lstm, Styled)>,
    lstm: Lstm,
    durations: Matrix,
    shared: Lstm,
    pitch: (Vec<Block>, Filter),
    energy: (Vec<Block>, Filter),
}

/// What is told of a sentence.
pub(super) struct Said {
    /// The phoneme of each frame.
    pub(super) owner: Vec<usize>,
    /// In Hz, and the loudness, twice for each frame.
    pub(super) pitch: Vec<f32>,
    pub(super) energy: Vec<f32>,
}

impl Prosody {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let place = "/encoder/predictor";
        let mut layers = Vec::new();
        for i in [0, 2, 4] {
            let lstm = from.lstm(&format!("{place}/text_encoder/lstms.{i}/LSTM_output_0"), LSTM)?;
            let (next, name) = (
                format!("{place}/text_encoder/lstms.{}", i + 1),
                format!("encoder.predictor.text_encoder.lstms.{}", i + 1),
            );
            layers.push((lstm, from.styled(&next, &format!("{name}.fc.bias"), TEXT)?));
        }
        let curve = |of: &str| -> Result<(Vec<Block>, Filter)> {
            let block = |(i, sizes): (usize, (usize, usize))| {
                let name = format!("encoder.predictor.{of}.{i}");
                Block::open(from, &format!("/encoder/{of}.{i}"), &name, sizes, i == 1)
            };
            let bias = format!("encoder.predictor.{of}_proj.bias");
            let last = from.conv(&format!("/encoder/{of}_proj"), Some(&bias), (CURVE, 1))?;
            let sizes = [(TEXT, TEXT), (TEXT, CURVE), (CURVE, CURVE)];
            Ok((sizes.into_iter().enumerate().map(block).collect::<Result<_>>()?, last))
        };
        Ok(Self {
            layers,
            lstm: from.lstm(&format!("{place}/lstm/LSTM_output_0"), LSTM)?,
            durations: from.matrix(
                &format!("{place}/duration_proj/linear_layer/MatMul_output_0_output_quantized"),
                Some("encoder.predictor.duration_proj.linear_layer.bias"),
                (TEXT, LONGEST),
            )?,
            shared: from.lstm("/encoder/shared/LSTM_output_0", LSTM)?,
            pitch: curve("F0")?,
            energy: curve("N")?,
        })
    }

    /// What `rows` (phonemes, channels) and the style say.
    pub(super) fn run(
        &self,
        compute: &Compute,
        rows: &[f32],
        phonemes: usize,
        style: &[f32],
        speed: f32,
    ) -> Result<Said> {
        let with_style = |x: &[f32]| -> Vec<f32> {
            let width = x.len() / phonemes;
            x.chunks_exact(width).flat_map(|row| row.iter().chain(style)).copied().collect()
        };
        let mut x = with_style(rows);
        for (lstm, styled) in &self.layers {
            let y = lstm.run(compute, &x);
            let (scale, shift) = styled.of(compute, style);
            let width = scale.len();
            let (ones, zeros) = (vec![1.0; width], vec![0.0; width]);
            let mut normed = vec![0.0; y.len()];
            compute.filtered_norm(
                None,
                LayerNorm { weight: &ones, bias: &zeros, eps: 1e-5 },
                &y,
                &mut normed,
            );
            for row in normed.chunks_exact_mut(width) {
                row.iter_mut()
                    .zip(&scale)
                    .zip(&shift)
                    .for_each(|((x, scale), shift)| *x = *x * scale + shift);
            }
            x = with_style(&normed);
        }
        let owner = self.owners(compute, &x, speed)?;
        let width = x.len() / phonemes;
        let frames: Vec<f32> = owner.iter().flat_map(|&p| &x[p * width..(p + 1) * width]).copied().collect();
        let shared = self.shared.run(compute, &frames);
        let curve = |(blocks, last): &(Vec<Block>, Filter)| {
            let mut x = shared.clone();
            for block in blocks {
                x = block.run(compute, style, &x);
            }
            last.run(compute, &x, compute.range(&x), None)
        };
        Ok(Said { owner, pitch: curve(&self.pitch), energy: curve(&self.energy) })
    }

    /// For each frame of 25 ms the phoneme that it belongs to.
    fn owners(&self, compute: &Compute, x: &[f32], speed: f32) -> Result<Vec<usize>> {
        let mut steps = self.durations.run(compute, &self.lstm.run(compute, x));
        compute.apply(Function::Sigmoid, &mut steps);
        owners(steps.chunks_exact(LONGEST).map(|row| row.iter().sum::<f32>() / speed))
    }
}
